"""What a start command of ours says comes back from it as the same question."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.registry import engines, get
from llm_lander_tui.errors import LanderError
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.models import presets
from llm_lander_tui.models.model import Checkpoint
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.question import scenario_of
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import round_up

MODELS = (
    "Qwen/Qwen3-8B",
    "google/gemma-3-27b-it",
    "openai/gpt-oss-20b",
    "deepseek-ai/DeepSeek-V2-Lite",
    "Qwen/Qwen3-30B-A3B",
)
SILENT_ON_CONTEXT = {"pytorch", "fastchat"}
"""LitGPT and FastChat take the model's own context."""
PAGES = {"exl3": 256}
"""Tokens that a cache is a multiple of, by weight family: the command rounds up to them."""
SILENT_ON_KV = {"autogptq", "autoawq", "pytorch", "fastchat"}
SAME = {
    "FP8-dynamic": "FP8", "W8A8": "LLM.int8", "NF4-DQ": "NF4", "FP4-DQ": "FP4",
}  # fmt: skip
"""Formats for which engines have one word only."""


def nothing_there(_: str) -> bool:
    return False


def back(scenario: Scenario) -> Scenario:
    """The scenario that our own command for this one asks for."""
    command = scenario.engine.command(scenario, scenario.context)
    launched = parse_command(command, nothing_there)
    assert launched.unread == (), command
    assert launched.model == scenario.model.name, command
    assert launched.question.engine == scenario.engine.id
    return scenario_of(launched.question, scenario.model, scenario.gpus)


def same_weights(a: str, b: str) -> bool:
    return a == b or SAME.get(a) == b


@pytest.mark.parametrize("engine", [e.id for e in engines()])
@pytest.mark.parametrize("name", MODELS)
def test_every_format_comes_back(engine: str, name: str):
    model, gpus = presets.load(name), parse_gpus("2x H100 PCIe")
    if not choices.weight_formats(model, get(engine)):
        pytest.skip(f"{engine} does not run {name}")
    start = moves.start(model, get(engine), gpus)
    for context in (4096, 8191):
        for weights in choices.weight_formats(model, start.engine):
            asked = replace(start, weights=weights, context=context)
            found = back(asked)
            said = asked.engine.command(asked, context)
            assert same_weights(weights.name, found.weights.name), said
            assert found.tensor_parallel == asked.tensor_parallel, said
            if engine not in SILENT_ON_CONTEXT:
                assert found.context == round_up(context, PAGES.get(weights.family, 1)), said
    for kv in choices.kv_formats(start.engine):
        if engine == "transformers" and kv.name == "f32":
            continue  # The cache of weights in FP32, which no argument says apart.
        found = back(replace(start, kv=kv))
        if engine not in SILENT_ON_KV:
            assert choices.kv_bits(found.kv) == choices.kv_bits(kv), kv


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama", "transformers", "autoawq"])
def test_sequences_at_once_come_back(engine: str):
    model = presets.load("Qwen/Qwen3-8B")
    start = moves.start(model, get(engine), parse_gpus("H100 PCIe"))
    found = back(replace(start, concurrency=4))
    assert (found.concurrency, found.context) == (4, start.context)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tgi", "tensorrt-llm", "lmdeploy"])
def test_a_capacity_is_no_load(engine: str):
    model = presets.load("Qwen/Qwen3-8B")
    start = moves.start(model, get(engine), parse_gpus("H100 PCIe"))
    # A server that admits 64 sequences is not asked for 64 full contexts.
    assert back(replace(start, concurrency=64)).concurrency == 1


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama"])
@pytest.mark.parametrize("name", ["owner/repo-GGUF:Q4_K_M", "owner/repo-GGUF/Q4_K_M/a.gguf"])
def test_a_gguf_file_of_the_hub_comes_back_by_its_reference(engine: str, name: str):
    model = replace(
        presets.load("Qwen/Qwen3-8B"),
        name=name,
        source="hub",
        checkpoint=Checkpoint("Q4_K_M", container="gguf"),
    )
    start = moves.start(model, get(engine), parse_gpus("H100 PCIe"))
    launched = parse_command(start.engine.command(start, 4096), nothing_there)
    assert launched.model.removeprefix("hub:") == name
    assert launched.question.context == 4096


@pytest.mark.parametrize("name", ["Some-7B", "/models/it's here", "owner/Model.v2"])
@pytest.mark.parametrize("engine", [e.id for e in engines()])
def test_names_that_no_preset_has_come_back(engine: str, name: str):
    model = replace(presets.load("Qwen/Qwen3-8B"), name=name)
    start = moves.start(model, get(engine), parse_gpus("H100 PCIe"))
    command = start.engine.command(start, 4096)
    try:
        assert parse_command(command, nothing_there).model == name
    except LanderError as error:
        raise AssertionError(command) from error


def test_keys_and_values_apart_come_back():
    start = moves.start(presets.load(MODELS[0]), get("llama.cpp"), parse_gpus("H100 PCIe"))
    assert back(replace(start, kv=kv_format("q8_0/f16"))).kv.name == "q8_0/f16"
