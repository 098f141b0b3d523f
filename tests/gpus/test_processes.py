from __future__ import annotations

import pytest

from llm_lander_tui.gpus.processes import OTHER, PYTHON, UNKNOWN, process_kind


@pytest.mark.parametrize(
    ("command", "name", "server"),
    [
        ("VLLM::EngineCore", "vLLM", True),
        ("VLLM::Worker_TP0", "vLLM", True),
        ("VLLM::Worker_DP0_TP1_EP1", "vLLM", True),
        ("/usr/bin/python3 /usr/local/bin/vllm serve Qwen/Qwen3-8B --port 8000", "vLLM", True),
        ("python3 -m vllm.entrypoints.openai.api_server --model m", "vLLM", True),
        ("python -u -X faulthandler -m vllm.entrypoints.api_server", "vLLM", True),
        ("ray::RayWorkerWrapper.execute_method", "vLLM", True),
        ("sglang::scheduler_TP0", "SGLang", True),
        ("sglang::detokenizer", "SGLang", True),
        ("python3 -m sglang.launch_server --model-path m", "SGLang", True),
        ("/app/llama-server -m /models/q.gguf -c 8192", "llama.cpp", True),
        ("./build/bin/llama-cli -m q.gguf", "llama.cpp", False),
        ("llama-bench -m q.gguf", "llama.cpp", False),
        ("python -m llama_cpp.server --model q.gguf", "llama.cpp", True),
        ("koboldcpp-linux-x64 --model q.gguf", "llama.cpp", True),
        ("/usr/local/bin/ollama runner --model /srv/ollama/blobs/sha256-1", "Ollama", True),
        ("/usr/lib/ollama/cuda_v12/llama-server --port 1", "Ollama", True),
        ("/tmp/ollama123/runners/cuda_v12/ollama_llama_server --model x", "Ollama", True),
        ("C:\\Users\\a\\AppData\\Local\\Programs\\Ollama\\ollama.exe runner", "Ollama", True),
        ("/opt/conda/bin/python3.11 /opt/conda/bin/text-generation-server serve m", "TGI", True),
        ("text-embeddings-router --model-id m", "TEI", True),
        ("/usr/bin/python3 /usr/local/bin/trtllm-serve m --tp_size 2", "TensorRT-LLM", True),
        ("tritonserver --model-repository=/models", "Triton", True),
        ("/opt/tritonserver/backends/python/triton_python_backend_stub a b", "Triton", True),
        ("/usr/bin/python3 /usr/local/bin/lmdeploy serve api_server m", "LMDeploy", True),
        ("lmdeploy chat m", "LMDeploy", False),
        ("/usr/bin/python3 -m ipykernel_launcher -f /run/kernel-1.json", "notebook", False),
        ("/opt/conda/bin/python /opt/conda/bin/jupyter-lab --no-browser", "notebook", False),
        ("/usr/bin/python3 /usr/local/bin/torchrun --nproc-per-node 8 x.py", "training", False),
        ("python -m torch.distributed.run x.py", "training", False),
        ("/usr/bin/python3 -u train.py --local-rank=0", "training", False),
        ("python scripts/finetune_lora.py", "training", False),
        ("python -m accelerate.commands.launch x.py", "training", False),
        ("/usr/bin/python3 /home/a/.local/bin/deepspeed x.py", "training", False),
        ("/usr/lib/xorg/Xorg -core :0 -seat seat0", "desktop", False),
        ("/usr/bin/gnome-shell", "desktop", False),
        ("/opt/google/chrome/chrome --type=gpu-process", "desktop", False),
        ("C:\\Windows\\System32\\dwm.exe", "desktop", False),
        ("python /home/a/ComfyUI/main.py --listen", "ComfyUI", True),
        ("nvidia-cuda-mps-server", "CUDA MPS", False),
    ],
)
def test_kinds(command: str, name: str, server: bool):
    kind = process_kind(command)
    assert (kind.name, kind.server) == (name, server)


@pytest.mark.parametrize(
    "command",
    [
        "python",
        "python3",
        "/usr/bin/python3.12 -c from multiprocessing.spawn import spawn_main; spawn_main(5)",
        "python main.py --model vllm --engine ollama",
        "python serve.py",
        "python3 -m http.server",
        "python constrained.py",
        "python -",
    ],
)
def test_a_bare_python_is_not_guessed_at(command: str):
    assert process_kind(command) == PYTHON


@pytest.mark.parametrize(
    "command", ["gmx mdrun -s train.tpr", "./my_vllm", "vllmfoo", "cat /opt/ollama.txt", "xz"]
)
def test_arguments_and_likenesses_prove_nothing(command: str):
    assert process_kind(command) == OTHER


@pytest.mark.parametrize("command", [None, "", "  "])
def test_a_hidden_command_is_unknown(command: str | None):
    assert process_kind(command) == UNKNOWN
