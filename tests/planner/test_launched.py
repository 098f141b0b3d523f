"""A server's start command becomes the question that it answers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_lander_tui.engines.llamacpp import FlashAttention, LlamaCppOptions
from llm_lander_tui.errors import UsageError
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.models import presets
from llm_lander_tui.planner.evaluate import max_context
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.question import scenario_of
from llm_lander_tui.planner.scenario import Lora, Scenario
from llm_lander_tui.planner.served import Served
from llm_lander_tui.planner.shell import unfinished


def test_llama_server():
    launched = parse_command(
        "CUDA_VISIBLE_DEVICES=0 /usr/bin/llama-server -m '/models/a b.gguf' -c 65536 -np 4 "
        "-ngl 33 -ctk q8_0 -ctv q8_0 -ub 1024 -fa on --host 0.0.0.0"
    )
    assert launched.model == "/models/a b.gguf"
    question = launched.question
    # llama-server divides -c between its slots: 65,536 / 4.
    assert (question.engine, question.context, question.concurrency) == ("llama.cpp", 16384, 4)
    assert question.kv == "q8_0"
    assert question.options == LlamaCppOptions(
        gpu_layers=33, ubatch=1024, flash_attention=FlashAttention.ON, kv_unified=False
    )
    assert launched.unread == ()
    assert launched.visible == "0"


def test_keys_and_values_apart():
    assert parse_command("llama-server -m x.gguf -ctk q8_0").question.kv == "q8_0/f16"


def test_flags_with_equals_and_underscores():
    launched = parse_command(
        "vllm serve Qwen/Qwen3-8B --max_model_len=32k -tp 2 --kv-cache-dtype auto"
    )
    assert launched.model == "Qwen/Qwen3-8B"
    question = launched.question
    assert (question.engine, question.context) == ("vllm", 32000)
    assert question.tensor_parallel == 2
    assert question.kv is None


def test_python_module():
    launched = parse_command(
        "/venv/bin/python3 -m vllm.entrypoints.openai.api_server --model a/b --max-model-len 4096"
    )
    assert (launched.model, launched.question.context) == ("a/b", 4096)


def test_ollama_names_its_model_as_a_source():
    assert parse_command("ollama run qwen3:8b").model == "ollama:qwen3:8b"


@pytest.mark.parametrize(
    "command",
    [
        "nginx -g 'daemon off;'",
        "vllm serve",
        "vllm serve a/b --max-model-len",
        "vllm serve a/b --max-model-len many",
        "vllm serve 'a/b",
        "",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(command):
    with pytest.raises(UsageError) as caught:
        parse_command(command)
    assert caught.value.message


def asked(command: str, gpus: str = "H100 PCIe", files: tuple[str, ...] = ()) -> Scenario:
    launched = parse_command(command, lambda name: name in files)
    return scenario_of(launched.question, presets.load(launched.model), parse_gpus(gpus))


@pytest.mark.parametrize(
    ("command", "weights", "kv", "context"),
    [
        # Qwen3-8B is released in BF16, for 40,960 tokens.
        ("vllm serve Qwen/Qwen3-8B", "BF16", "bf16", 40960),
        ("vllm serve Qwen/Qwen3-8B --quantization fp8", "FP8", "bf16", 40960),
        ("vllm serve Qwen/Qwen3-8B -q bitsandbytes", "NF4", "bf16", 40960),
        ("vllm serve Qwen/Qwen3-8B --dtype half", "FP16", "f16", 40960),
        ("vllm serve Qwen/Qwen3-8B --kv-cache-dtype fp8_e4m3", "BF16", "fp8", 40960),
        ("python -m sglang.launch_server --model-path Qwen/Qwen3-8B", "BF16", "bf16", 40960),
        ("text-generation-launcher --model-id Qwen/Qwen3-8B", "BF16", "bf16", 40960),
        ("lmdeploy serve api_server Qwen/Qwen3-8B --quant-policy 8", "BF16", "int8", 40960),
        ("trtllm-serve Qwen/Qwen3-8B --max_seq_len 4096", "BF16", "bf16", 4096),
        # A checkpoint that is quantised already stays as it is.
        ("vllm serve openai/gpt-oss-20b --quantization fp8", "MXFP4", "bf16", 131072),
        ("llama-server -m Qwen3-8B-Q5_K_M.gguf", "Q5_K_M", "f16", 40960),
        # Slots share what --ctx-size gives, the model's own limit too: 40,960 / 4.
        ("llama-server -m Qwen3-8B-Q5_K_M.gguf -np 4", "Q5_K_M", "f16", 10240),
        ("OLLAMA_NUM_PARALLEL=2 ollama run Qwen/Qwen3-8B", "Q4_K_M", "f16", 40960),
    ],
)
def test_what_a_command_leaves_open_is_what_its_server_does(command, weights, kv, context):
    if command.endswith("ollama run Qwen/Qwen3-8B"):
        launched = parse_command(command)
        assert launched.model == "ollama:Qwen/Qwen3-8B"
        scenario = scenario_of(
            launched.question, presets.load("Qwen/Qwen3-8B"), parse_gpus("H100 PCIe")
        )
        assert scenario.concurrency == 2
    else:
        scenario = asked(command)
    assert scenario.weights.name == weights
    assert (scenario.kv.name, scenario.context) == (kv, context)


def test_ollama_gives_a_context_by_memory():
    # 24 GiB of cards: 4,096 below, 32,768 from there on (Ollama's tiers).
    question = parse_command("ollama run qwen3:8b").question
    model = presets.load("Qwen/Qwen3-8B")
    assert scenario_of(question, model, parse_gpus("RTX 4070")).context == 4096


def test_servers_take_one_card_unless_told():
    assert len(asked("vllm serve Qwen/Qwen3-8B", "4x H100 PCIe").gpus) == 1
    assert asked("vllm serve Qwen/Qwen3-8B -tp 2", "4x H100 PCIe").tensor_parallel == 2
    # TGI shards over every card, llama-server and Ollama spread layers over them.
    tgi = asked("text-generation-launcher --model-id Qwen/Qwen3-8B", "4x H100 PCIe")
    assert (len(tgi.gpus), tgi.tensor_parallel) == (4, 4)
    assert len(asked("llama-server -m Qwen3-8B-Q8_0.gguf", "2x H100 PCIe").gpus) == 2


def test_a_file_that_is_there_is_read_and_one_that_is_not_goes_by_its_name():
    command = "llama-server -m /models/qwen3-8b-q4_k_m.gguf -c 4096"
    assert parse_command(command, lambda _: True).model == "/models/qwen3-8b-q4_k_m.gguf"
    launched = parse_command(command, lambda _: False)
    assert (launched.model, launched.question.weights) == ("Qwen/Qwen3-8B", "Q4_K_M")
    assert "by its name" in launched.warnings[0]


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ("-hf owner/repo-GGUF:Q4_K_M", "owner/repo-GGUF:Q4_K_M"),
        ("-hf owner/repo-GGUF -hff sub/a-Q8_0.gguf", "owner/repo-GGUF/sub/a-Q8_0.gguf"),
    ],
)
def test_files_of_the_hub(words, model):
    assert parse_command(f"llama-server {words}").model == model


def test_without_a_context_llama_server_may_fit_itself():
    assert "--fit" in " ".join(parse_command("llama-server -m a.gguf").said)
    assert parse_command("llama-server -m a.gguf --fit off").said == ()


def test_words_that_mean_nothing_to_memory_are_passed_over_and_others_told():
    launched = parse_command(
        "vllm serve --trust-remote-code Qwen/Qwen3-8B --host 0.0.0.0 --port 80 --api-key x "
        "--served-model-name y --speculative-config '{}' --warp --speed=4"
    )
    assert launched.model == "Qwen/Qwen3-8B"
    assert launched.unread == ("--speculative-config {}", "--warp", "--speed=4")
    assert "Not read: --warp." in launched.said


@pytest.mark.parametrize(
    "command",
    [
        "docker run --runtime nvidia --gpus all -v ~/.cache:/root -p 8000:8000 --ipc=host "
        "vllm/vllm-openai:latest --model Qwen/Qwen3-8B --max-model-len 4096",
        ["vllm serve Qwen/Qwen3-8B --max-model-len 4096"],
        "# my server\nvllm serve Qwen/Qwen3-8B \\\n  --max-model-len 4096",
        "nohup vllm serve Qwen/Qwen3-8B --max-model-len 4096 > log 2>&1 &",
    ],
)
def test_the_ways_that_people_write_a_command(command):
    launched = parse_command(command)
    assert (launched.model, launched.question.context) == ("Qwen/Qwen3-8B", 4096)
    assert (launched.question.engine, launched.unread) == ("vllm", ())


def test_the_cards_of_a_container():
    launched = parse_command(
        """docker run --gpus '"device=1,3"' --shm-size 1g """
        "ghcr.io/huggingface/text-generation-inference:3.3.6 --model-id a/b --quantize fp8"
    )
    assert (launched.question.engine, launched.visible) == ("tgi", "1,3")
    assert launched.question.served == Served(quantize="FP8")


def test_a_batch_of_tensorrt_llm_is_an_option_and_no_load():
    question = parse_command("trtllm-serve serve a/b --max_batch_size 64").question
    assert question.concurrency == 1
    assert question.options.max_batch_size == 64


def test_an_ollama_modelfile():
    launched = parse_command(
        "OLLAMA_KV_CACHE_TYPE=q8_0 OLLAMA_NUM_PARALLEL=2 ollama serve &\n"
        "printf '%s\\n' 'FROM hf.co/a/b-GGUF:Q8_0' 'PARAMETER num_ctx 8192' > Modelfile"
    )
    assert launched.model == "hub:a/b-GGUF:Q8_0"
    question = launched.question
    assert (question.kv, question.concurrency, question.context) == ("q8_0", 2, 8192)


def test_python_that_cannot_be_read_is_refused():
    with pytest.raises(UsageError):
        parse_command("AutoModelForCausalLM.from_pretrained('a/b'")


def test_a_directory_that_is_not_here_goes_by_its_name():
    launched = parse_command("vllm serve /models/Qwen3-8B", lambda _: False)
    assert launched.model == "Qwen/Qwen3-8B"
    assert "/models/Qwen3-8B is not here" in launched.said[0]
    there = parse_command("vllm serve /models/Qwen3-8B", lambda _: True)
    assert (there.model, there.said) == ("/models/Qwen3-8B", ())


@pytest.mark.parametrize(
    "command",
    [
        "$ vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        "# vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        "(venv) ines@gpu7:~/llm$ vllm serve Qwen/Qwen3-8B \\\n> --max-model-len 4096",
        "[root@gpu7 ~]# vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        "❯ vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        "```bash\nvllm serve Qwen/Qwen3-8B \\  \n  --max-model-len 4096\n```",
        "vllm serve Qwen/Qwen3-8B\r--max-model-len 4096\r",
        "vllm serve Qwen/Qwen3-8B `\n  --max-model-len 4096",
        "vllm serve Qwen/Qwen3-8B --max-model-len 4096; echo done",
        "vllm serve Qwen/Qwen3-8B --max-model-len 4096  # the old one",
        "vllm serve Qwen/Qwen3-8B --max-model-len 4096 >log.txt\ncurl http://localhost:8000",
        "MODEL=Qwen/Qwen3-8B\nLEN=4096\nvllm serve $MODEL --max-model-len ${LEN}",
        "sudo podman run --name server --device nvidia.com/gpu=all docker.io/vllm/vllm-openai "
        "Qwen/Qwen3-8B --max-model-len 4096",
        "docker run vllm/vllm-openai:v0.11.0 vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        "ExecStart=/opt/venv/bin/vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        "!vllm serve Qwen/Qwen3-8B --max-model-len 4096",
    ],
)
def test_what_a_terminal_adds_to_a_command_is_left_out(command):
    launched = parse_command(command)
    assert (launched.model, launched.question.context) == ("Qwen/Qwen3-8B", 4096)
    assert (launched.question.engine, launched.unread) == ("vllm", ())


@pytest.mark.parametrize(
    "before",
    [
        "CUDA_VISIBLE_DEVICES=2,3 vllm",
        "export CUDA_VISIBLE_DEVICES=2,3\nvllm",
        "export CUDA_VISIBLE_DEVICES=2,3 && vllm",
        "docker run --gpus device=2,3 vllm/vllm-openai vllm",
        "docker run --gpus='\"device=2,3\"' vllm/vllm-openai vllm",
        "docker run --gpus all -e CUDA_VISIBLE_DEVICES=2,3 vllm/vllm-openai vllm",
        "docker run --runtime nvidia --env=NVIDIA_VISIBLE_DEVICES=2,3 vllm/vllm-openai vllm",
    ],
)
def test_the_cards_that_a_command_is_given(before):
    launched = parse_command(f"{before} serve a/b")
    assert (launched.model, launched.visible, launched.unread) == ("a/b", "2,3", ())


@pytest.mark.parametrize("given", ["--gpus all", "-e NVIDIA_VISIBLE_DEVICES=all", "--gpus 2"])
def test_all_cards_are_no_choice(given):
    assert parse_command(f"docker run {given} vllm/vllm-openai --model a/b").visible is None


@pytest.mark.parametrize("rest", ["", " -ngl 99", " && echo"])
@pytest.mark.parametrize("flag", ["-fa", "--flash-attn"])
def test_flash_attention_without_a_value_is_on(flag, rest):
    launched = parse_command(f"llama-server -m Qwen/Qwen3-8B -c 4096 {flag}{rest}")
    assert launched.question.options.flash_attention is FlashAttention.ON
    assert launched.unread == ()
    assert any(f"taken as {flag} on" in said for said in launched.said)
    stated = parse_command(f"llama-server -m Qwen/Qwen3-8B -c 4096 {flag} off{rest}")
    assert stated.question.options.flash_attention is FlashAttention.OFF
    assert stated.said == ()


@pytest.mark.parametrize(
    ("repository", "model", "weights"),
    [
        ("Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B", "AWQ-4bit-g128"),
        ("Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B", "FP8"),
        ("Qwen/Qwen3-8B-GPTQ-Int4", "Qwen/Qwen3-8B", "GPTQ-4bit-g128"),
        ("Qwen/Qwen3-32B-GGUF", "Qwen/Qwen3-32B", "Q4_K_M"),
        ("Qwen/Qwen3-32B-GGUF:Q8_0", "Qwen/Qwen3-32B", "Q8_0"),
    ],
)
def test_a_quantised_repository_goes_by_its_name_where_the_hub_is_away(repository, model, weights):
    launched = parse_command(f"vllm serve {repository}", lambda _: False)
    assert (launched.model, launched.question.weights, launched.warnings) == (repository, None, ())
    other = launched.otherwise
    assert other is not None
    assert (other.model, other.question.weights) == (model, weights)
    assert other.warnings == (
        f"{repository} could not be read from the Hub: planned as {model} in {weights}, "
        "by its name.",
    )


@pytest.mark.parametrize("repository", ["Qwen/Qwen3-8B-abliterated-AWQ", "a/b-AWQ", "a/Qwen3-8B-X"])
def test_a_name_that_says_more_than_a_format_is_not_guessed_at(repository):
    assert parse_command(f"vllm serve {repository}", lambda _: False).otherwise is None


def test_ollama_served_and_run():
    launched = parse_command("OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve &\nollama run qwen3:8b")
    assert (launched.model, launched.question.kv) == ("ollama:qwen3:8b", "q8_0")
    modelfile = "cat > Modelfile <<EOF\nFROM hf.co/a/b:Q8_0\nPARAMETER num_ctx 8192\nEOF\n"
    assert parse_command(f"{modelfile}ollama run mine").model == "ollama:mine"


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", "1e999", "99999999999999999999999", "[/x]"]
)
@pytest.mark.parametrize("flag", ["--max-model-len", "--gpu-memory-utilization", "-tp"])
def test_numbers_that_are_none_are_refused(flag, value):
    with pytest.raises(UsageError) as caught:
        parse_command(f"vllm serve a/b {flag} {value}")
    assert caught.value.remedy


def test_a_variable_that_nobody_sets_is_no_model():
    with pytest.raises(UsageError, match="MODEL"):
        parse_command("vllm serve $MODEL")


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("vllm serve a/b", False),
        ("vllm serve a/b \\", True),
        ("vllm serve a/b --hf-overrides '{", True),
        ("python - <<'EOF'\nprint('it')", True),
        ("python - <<'EOF'\nprint('it')\nEOF", False),
        ("", False),
    ],
)
def test_whether_a_shell_would_wait_for_more(text, more):
    assert unfinished(text) is more


@given(st.text(max_size=200))
@example("\\")
@example("<<x\n'")
def test_any_text_is_read_or_refused(text):
    for words in (text, f"vllm serve {text}", f"llama-server -m {text}", f"ollama run {text}"):
        with contextlib.suppress(UsageError):
            assert parse_command(words, lambda _: False).model
    assert unfinished(text) in {True, False}


@pytest.mark.parametrize(
    ("command", "lora"),
    [
        ("vllm serve a/b --enable-lora --max-loras 4 --max-lora-rank 32", Lora(4, 32)),
        ("vllm serve a/b --enable-lora", Lora(1, 16)),
        ("vllm serve a/b --max-loras 4", None),
        ("sglang serve --model-path a/b --enable-lora --max-lora-rank 64", Lora(8, 64)),
    ],
)
def test_adapters(command, lora):
    launched = parse_command(command)
    assert (launched.question.lora, launched.unread) == (lora, ())
    model = presets.load("Qwen/Qwen3-8B")
    assert scenario_of(launched.question, model, parse_gpus("H100 PCIe")).lora == lora


@pytest.mark.parametrize("length", ["-1", "auto"])
def test_a_length_that_vllm_finds_is_the_largest_that_fits(length):
    # Qwen3-8B in BF16 leaves an RTX 4090 room for less than its own 40,960 tokens.
    scenario = asked(f"vllm serve Qwen/Qwen3-8B --max-model-len {length}", "RTX 4090")
    assert 0 < scenario.context == max_context(scenario) < 40_960
    assert asked(f"vllm serve Qwen/Qwen3-8B --max-model-len {length}").context == 40_960
