"""The ways to land that leave a part of the model on the host, and how many are served at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Offloading, Slotted
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.models import presets
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.changes import changes, landings
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.plan import Plan


def plan(name: str, engine: str, gpus: str = "RTX 4090", context: int = 32768) -> Plan:
    start = moves.start(presets.load(name), registry.get(engine), parse_gpus(gpus))
    return evaluate(replace(start, context=context))


@pytest.mark.parametrize(
    ("name", "engine", "flag", "option"),
    [
        ("Qwen/Qwen3-32B", "llama.cpp", "--gpu-layers", "gpu_layers"),
        ("Qwen/Qwen3-32B", "ollama", "num_gpu", "num_gpu"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "llama.cpp", "--n-cpu-moe", "cpu_moe_layers"),
    ],
)
def test_the_least_on_the_host_is_the_last_way_to_land(name, engine, flag, option):
    asked = plan(name, engine)
    assert not asked.fits
    way = landings(asked)[-1]
    assert way.label.startswith(f"{flag} ")
    assert way.fits
    assert way.host_bytes > 0
    number = getattr(way.scenario.options, option)
    assert way.label == f"{flag} {number}"
    # One layer more on the GPUs, or one layer's experts, is one too many.
    tighter = number - 1 if option == "cpu_moe_layers" else number + 1
    options = replace(way.scenario.options, **{option: tighter})
    assert not evaluate(replace(way.scenario, options=options)).fits


def test_ways_that_stay_on_the_cards_come_first():
    ways = landings(plan("Qwen/Qwen3-32B", "llama.cpp"))
    assert [way.host_bytes > 0 for way in ways] == [False, False, False, True]
    assert ways[2].label.startswith("context ")


def test_nothing_is_left_on_the_host_where_all_fits_or_nothing_can():
    llama = registry.get("llama.cpp")
    assert isinstance(llama, Offloading)
    assert llama.offload(plan("Qwen/Qwen3-8B", "llama.cpp", context=8192).scenario) is None
    assert llama.offload(plan("Qwen/Qwen3-8B", "llama.cpp", context=40960).scenario) is None
    tiny = replace(parse_gpus("RTX 4090")[0], free_bytes=0)
    full = replace(plan("Qwen/Qwen3-8B", "llama.cpp").scenario, gpus=(tiny,))
    assert llama.offload(full) is None
    assert not isinstance(registry.get("vllm"), Offloading)


def test_no_layer_is_no_neighbour_of_all_layers():
    labels = [change.label for change in changes(plan("Qwen/Qwen3-8B", "llama.cpp"))]
    assert not any(label.startswith("--gpu-layers") for label in labels)


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama"])
def test_llama_cpp_serves_256_at_once_at_most(engine):
    asked = plan("Qwen/Qwen3-0.6B", engine, "H200", 256)
    assert isinstance(asked.scenario.engine, Slotted)
    assert asked.limits.max_concurrency == 256
    assert evaluate(replace(asked.scenario, concurrency=256)).fits
    beyond = evaluate(replace(asked.scenario, concurrency=257))
    assert not beyond.fits
    assert "256 slots" in beyond.problems[0]


def test_where_one_more_card_does_not_do_the_fewest_that_do_are_a_way():
    """61 GiB of weights over 23 GiB cards: three hold them with their caches, two do not."""
    asked = plan("openai/gpt-oss-120b", "llama.cpp", context=8192)
    (way,) = [way for way in landings(asked) if "more" in way.label]
    assert way.label.startswith("2 more ")
    assert len(way.scenario.gpus) == 3
    assert way.fits
