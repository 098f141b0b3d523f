"""A start command names weights that are those of the plan, or says that they are to be made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.registry import engines, get
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.models import presets
from llm_lander_tui.models.model import Checkpoint, Model
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.scenario import Lora

RELEASED = "Qwen/Qwen3-8B"
QUANTISED = "openai/gpt-oss-20b"


def command(engine: str, weights: str, kv: str | None = None, model: Model | None = None) -> str:
    start = moves.start(model or presets.load(RELEASED), get(engine), parse_gpus("H100 PCIe"))
    asked = replace(start, weights=recipes.get(weights))
    return start.engine.command(replace(asked, kv=kv_format(kv)) if kv else asked, 4096)


@pytest.mark.parametrize(
    ("engine", "weights", "words"),
    [
        ("vllm", "FP8", "vllm serve Qwen/Qwen3-8B --quantization fp8 "),
        ("vllm", "NF4", "--quantization bitsandbytes"),
        ("sglang", "FP8", "--quantization fp8"),
        ("tgi", "FP8", "--quantize fp8"),
        ("tgi", "NF4", "--quantize bitsandbytes-nf4"),
        ("tgi", "FP4", "--quantize bitsandbytes-fp4"),
        ("tgi", "LLM.int8", "--quantize bitsandbytes"),
        ("transformers", "LLM.int8", "BitsAndBytesConfig(load_in_8bit=True)"),
        ("transformers", "HQQ-4bit-g64", "quantization_config=HqqConfig(nbits=4, group_size=64)"),
        ("transformers", "FP8-block", "import AutoModelForCausalLM, AutoTokenizer, Fine"),
        ("pytorch", "NF4-DQ", "--quantize bnb.nf4-dq"),
        ("fastchat", "LLM.int8", "--load-8bit"),
        ("sglang", "FP16", "--dtype float16"),
    ],
)
def test_what_the_engine_makes_while_loading_is_a_flag(engine: str, weights: str, words: str):
    said = command(engine, weights)
    assert words in said
    assert RELEASED in said
    assert not said.startswith("#")


@pytest.mark.parametrize("engine", [e.id for e in engines()])
@pytest.mark.parametrize("name", [RELEASED, QUANTISED])
def test_a_command_without_a_comment_names_weights_that_are_there(engine: str, name: str):
    model = presets.load(name)
    if not choices.weight_formats(model, get(engine)):
        pytest.skip(f"{engine} does not run {name}")
    start = moves.start(model, get(engine), parse_gpus("H100 PCIe"))
    for weights in choices.weight_formats(model, start.engine):
        said = start.engine.command(replace(start, weights=weights), 4096)
        placeholder = f"{name.rpartition('/')[2]}-{weights.name}"
        comment = f"# Put a checkpoint of {name} in {weights.name} at {placeholder}"
        if said.startswith("#"):
            assert said.startswith(comment)
            assert said.count(placeholder) >= 2
        else:
            assert placeholder not in said
            cast = weights.name in {"BF16", "FP16", "FP32"}
            flags = ("quanti", "load-8bit", "precision")
            assert weights.name == recipe_of(model).name or (
                not model.quantization and (cast or any(flag in said for flag in flags))
            )


def test_a_quantised_checkpoint_is_not_quantised_once_more():
    model = presets.load(QUANTISED)
    assert "--quantization" not in command("vllm", "MXFP4", model=model)
    assert command("vllm", "FP8", model=model).startswith("# Put a checkpoint of ")


def test_a_name_cannot_leave_its_comment():
    model = replace(presets.load(RELEASED), name="a/b\nrm -rf x")
    assert command("vllm", "AWQ-4bit-g128", model=model).startswith(
        "# Put a checkpoint of a/b rm -rf x in AWQ-4bit-g128 at "
    )


@pytest.mark.parametrize(
    ("engine", "kv", "words"),
    [
        ("tgi", "fp8_e4m3", "--kv-cache-dtype fp8_e4m3fn"),
        ("tensorrt-llm", "fp8", "dtype: fp8"),
        ("transformers", "int8", 'cache_config={"backend": "hqq", "nbits": 8}'),
        ("transformers", "int4", 'cache_config={"backend": "quanto", "nbits": 4}'),
    ],
)
def test_the_cache_format_is_said(engine: str, kv: str, words: str):
    assert words in command(engine, "BF16", kv)


def test_a_container_is_shown_the_checkpoint_that_it_loads():
    said = command("tgi", "AWQ-4bit-g128")
    name = "Qwen3-8B-AWQ-4bit-g128"
    assert f"-v ./{name}:/models/{name} ghcr.io/" in said
    assert f"--model-id /models/{name} " in said
    local = replace(presets.load(RELEASED), name="/data/My-8B", source="directory")
    said = command("tgi", "BF16", model=local)
    assert "-v /data/My-8B:/models/My-8B ghcr.io/" in said


def test_ollama_names_its_own_model_without_our_prefix():
    model = replace(
        presets.load(RELEASED),
        name="ollama:qwen3:8b",
        source="ollama",
        checkpoint=Checkpoint("Q4_K_M", container="gguf"),
    )
    said = command("ollama", "Q4_K_M", model=model)
    assert "'FROM qwen3:8b'" in said
    assert "ollama create qwen3-8b-planned" in said


def test_llama_server_is_given_the_draft_and_told_of_the_adapters():
    start = moves.start(presets.load(RELEASED), get("llama.cpp"), parse_gpus("H100 PCIe"))
    draft = presets.load("Qwen/Qwen3-0.6B")
    asked = replace(start, weights=recipes.get("Q8_0"), draft=draft, lora=Lora(2, 16))
    *comments, line = start.engine.command(asked, 4096).splitlines()
    assert comments == [
        "# Put a checkpoint of Qwen/Qwen3-8B in Q8_0 at Qwen3-8B-Q8_0.gguf",
        "# Put a checkpoint of Qwen/Qwen3-0.6B in Q8_0 at Qwen3-0.6B-Q8_0.gguf",
        "# Add --lora FILE for each of the 2 adapters",
    ]
    assert "--model-draft Qwen3-0.6B-Q8_0.gguf --gpu-layers-draft all" in line
    # The comment on the draft is not taken for one on the model.
    assert parse_command("\n".join([*comments, line])).model == RELEASED
    assert parse_command("\n".join([*comments[1:], line])).model == RELEASED
