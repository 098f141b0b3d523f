"""What engines refuse, and the way out that they name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.registry import get
from llm_lander_tui.errors import UsageError
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.scenario import Scenario

QWEN = "Qwen/Qwen3-8B"
LATENT = "deepseek-ai/DeepSeek-V2-Lite"
HYBRID = "Qwen/Qwen3-Next-80B-A3B-Instruct"
V100, P100, T4 = "V100 SXM2 32GB", "P100 PCIe 16GB", "Tesla T4"


def problems(engine: str, model: str, weights: str, cards: str) -> tuple[str, ...]:
    gpus, chosen = parse_gpus(cards), get(engine)
    kv = choices.kv_formats(chosen)[0]
    asked = Scenario(presets.load(model), chosen, recipes.get(weights), kv, gpus, 4096)
    return evaluate(asked).problems


@pytest.mark.parametrize(
    ("engine", "model", "weights", "cards", "words"),
    [
        ("vllm", QWEN, "Q4_K_M", "RTX 4090", "GGUF is experimental and not planned here; serve"),
        ("vllm", QWEN, "EXL2-4bpw", "RTX 4090", "vLLM does not load EXL2-4bpw weights; it loads"),
        ("vllm", QWEN, "HQQ-4bit-g64", "RTX 4090", "vLLM does not load HQQ-4bit-g64"),
        ("vllm", QWEN, "AWQ-4bit-g128", V100, "7.5 and newer; Tesla V100"),
        ("vllm", "openai/gpt-oss-20b", "MXFP4", T4, "MXFP4 weights on compute capability 8.0"),
        ("vllm", QWEN, "BF16", P100, "vLLM runs on compute capability 7.0 and newer"),
        ("sglang", QWEN, "BF16", V100, "SGLang runs on compute capability 8.0 and newer"),
        ("sglang", QWEN, "AWQ-4bit-g128", T4, "SGLang runs on compute capability 8.0 and newer"),
        ("sglang", QWEN, "NF4", "RTX 4090", "SGLang does not load NF4 weights; it loads"),
        ("tensorrt-llm", QWEN, "BF16", V100, "Choose llama.cpp, or newer cards."),
        ("tensorrt-llm", QWEN, "FP8", "A100 PCIe 80GB", "8.9 and newer"),
        ("tensorrt-llm", QWEN, "FP8-block", "RTX 4090", "8.9. Choose another format"),
        ("tensorrt-llm", "openai/gpt-oss-20b", "MXFP4", "RTX 4090", "capability 9.0 and newer"),
        ("tensorrt-llm", QWEN, "W8A8", "H100 SXM", "TensorRT-LLM does not load W8A8 weights"),
        ("tensorrt-llm", QWEN, "NVFP4", "H100 SXM", "Choose another format, or newer cards."),
        ("tgi", HYBRID, "BF16", "H100 SXM", "no recurrent layers beside attention; vLLM and"),
        ("tgi", "ibm-granite/granite-4.0-h-small", "BF16", "H100 SXM", "no recurrent layers"),
        ("tgi", QWEN, "Q4_K_M", "RTX 4090", "TGI does not load Q4_K_M weights; it loads"),
        ("lmdeploy", LATENT, "BF16", "RTX 4090", "LMDeploy takes its PyTorch backend"),
        ("lmdeploy", HYBRID, "BF16", "H100 SXM", "does not load models of type qwen3_next"),
        ("pytorch", HYBRID, "BF16", "H100 SXM", "LitGPT 0.5.13 does not convert models of type"),
        ("lmdeploy", QWEN, "NF4", "RTX 4090", "LMDeploy does not load NF4 weights; it loads"),
        ("autoawq", "google/gemma-3-27b-it", "AWQ-4bit-g128", "H100 SXM", "does not know models"),
        ("autoawq", "openai/gpt-oss-20b", "AWQ-4bit-g128", "H100 SXM", "of type gpt_oss; vLLM"),
        ("autoawq", QWEN, "AWQ-4bit-g128", V100, "AutoAWQ runs on compute capability 7.5"),
        ("autogptq", QWEN, "BF16", "RTX 4090", "AutoGPTQ does not load BF16 weights; it loads"),
        ("exllamav2", LATENT, "EXL2-4bpw", "RTX 4090", "of type deepseek_v2; its successor"),
        ("exllamav2", HYBRID, "EXL2-4bpw", "RTX 4090", "of type qwen3_next; its successor"),
        ("llama.cpp", QWEN, "EXL2-4bpw", "RTX 4090", "llama.cpp runs GGUF files, not EXL2-4bpw"),
        ("ollama", QWEN, "GPTQ-4bit-g128", "RTX 4090", "GGUF files, not GPTQ-4bit-g128"),
        ("transformers", QWEN, "EXL2-4bpw", "RTX 3090", "Transformers does not load EXL2-4bpw"),
        ("fastchat", QWEN, "FP8", "RTX 3090", "FastChat does not load FP8 weights; it loads"),
        ("pytorch", QWEN, "GPTQ-4bit-g128", "RTX 4090", "does not load GPTQ-4bit-g128 weights"),
    ],
)  # fmt: skip
def test_refused_with_the_reason(engine, model, weights, cards, words):
    found = problems(engine, model, weights, cards)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    ("engine", "model", "weights", "cards"),
    [
        ("vllm", QWEN, "FP8", "RTX 3090"),  # as weights only, by Marlin
        ("vllm", QWEN, "FP8", T4),
        ("vllm", QWEN, "GPTQ-4bit-g128", V100),
        ("vllm", QWEN, "NF4", V100),
        ("autoawq", QWEN, "AWQ-4bit-g128", "RTX 4090"),
        ("autogptq", "Qwen/Qwen3-30B-A3B", "GPTQ-4bit-g128", "RTX 4090"),
        ("exllamav2", HYBRID, "EXL3-3bpw", "4x RTX 4090"),
        ("exllamav2", "google/gemma-3-27b-it", "EXL2-4bpw", "RTX 4090"),
        ("tgi", "tiiuae/falcon-7b", "BF16", "RTX 4090"),
        ("sglang", HYBRID, "FP8-block", "4x H100 SXM"),
        ("sglang", QWEN, "FP8", "RTX 3090"),  # as weights only, by Marlin
        ("sglang", QWEN, "NVFP4", "RTX 3090"),
        ("tensorrt-llm", QWEN, "FP8", "RTX 4090"),
        ("tensorrt-llm", "openai/gpt-oss-20b", "MXFP4", "H100 SXM"),
        ("lmdeploy", "openai/gpt-oss-20b", "MXFP4", "RTX 4090"),
        ("pytorch", "google/gemma-3-27b-it", "BF16", "H100 SXM"),
        ("llama.cpp", HYBRID, "Q4_K_M", "H100 SXM"),
        ("llama.cpp", QWEN, "Q4_K_M", P100),
    ],
)
def test_taken(engine, model, weights, cards):
    assert problems(engine, model, weights, cards) == ()


def test_a_card_that_is_not_known_is_not_refused():
    (card,) = parse_gpus(P100)
    silent = replace(card, spec=None, compute_capability=None)
    chosen = get("vllm")
    kv = choices.kv_formats(chosen)[0]
    asked = Scenario(presets.load(QWEN), chosen, recipes.get("BF16"), kv, (silent,), 4096)
    assert chosen.footprint(asked).problems == ()


def test_an_engine_that_does_not_know_the_model_says_so_at_once():
    model, gpus = presets.load("openai/gpt-oss-20b"), parse_gpus("H100 SXM")
    with pytest.raises(UsageError, match="does not know models of type gpt_oss; vLLM and Trans"):
        moves.start(model, get("autoawq"), gpus)


def test_a_successor_starts_what_the_last_release_does_not_know():
    gpus = parse_gpus("RTX 4090")
    for name, words in ((QWEN, "GPTQModel.from_quantized"), ("Qwen/Qwen2.5-7B", "AutoGPTQForCa")):
        asked = moves.start(presets.load(name), get("autogptq"), gpus)
        assert words in asked.engine.command(asked, 4096)
        assert ("GPTQModel" in " ".join(evaluate(asked).notes)) == (name == QWEN)
    exl3 = moves.start(presets.load(QWEN), get("exllamav2"), gpus)
    assert exl3.weights.family == "exl3"
    assert "-cs 4096 " in f"{exl3.engine.command(exl3, 4096)} "
