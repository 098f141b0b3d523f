"""Explanations: the numbers that are written out give the bytes that are shown."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Allocation, Kind
from llm_lander_tui.errors import LanderError
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models import presets
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.explain import (
    explain_allocation,
    explain_cache,
    explain_context,
    explain_weights,
)
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.units import format_bytes

MODELS = (
    "Qwen/Qwen3-32B",
    "deepseek-ai/DeepSeek-V3",
    "google/gemma-3-27b-it",
    "Qwen/Qwen3-Next-80B-A3B-Instruct",
    "openai/gpt-oss-120b",
)
LOADS = ((8192, 3), (40_001, 1))

N = r"([\d,]+)"
PARTS = rf"{N} layers x {N} tokens of {N} bytes"
SUMS = (
    rf"(?:{N} x )?{N} cells of {N} bytes",
    rf"{N} x {N} blocks of {N} bytes",
    rf"{N} (?:state slots|sequences) of {N} bytes",
    rf"largest matrix, {N} x {N}, at 16 bits",
    rf"FP32 output of {N} x {N} rows of {N} features",
)
HELD_BACK = rf"\({N} x {N} \+ 1 that vLLM holds back\) blocks of {N} bytes"
NESTED = rf"{N} (?:x \(|sequences: )((?:{PARTS}(?: \+ )?)+)"
SHOWN_LAST = re.compile(r": ([\d.,]+ (?:B|KiB|MiB|GiB))\.$")
BYTES_AN_ELEMENT = {"largest matrix": 2, "FP32 output": 4}


def number(text: str) -> int:
    return int(text.replace(",", ""))


def written_sum(why: str) -> int | None:
    """What the numbers of a sentence come to; None where it writes no sum."""
    held_back = re.search(HELD_BACK, why)
    if held_back:
        sequences, blocks, size = map(number, held_back.groups())
        return (sequences * blocks + 1) * size
    nested = re.search(NESTED, why)
    if nested:
        parts = re.findall(PARTS, nested[2])
        return number(nested[1]) * sum(prod(map(number, part)) for part in parts)
    for pattern in SUMS:
        found = re.search(pattern, why)
        if found:
            each = next((n for words, n in BYTES_AN_ELEMENT.items() if words in why), 1)
            return each * prod(number(group) for group in found.groups() if group)
    return None


def plans(name: str, engine_id: str):
    """The engine's plans of a model on eight cards, at a few loads; none where it cannot run it."""
    engine = registry.get(engine_id)
    try:
        start = moves.start(presets.load(name), engine, parse_gpus("8x H100 SXM5"))
    except LanderError:
        return
    for context, concurrency in LOADS:
        yield evaluate(replace(start, context=context, concurrency=concurrency))


def allocations(plan: Plan) -> list[Allocation]:
    return [*(a for d in plan.devices for a in d.allocations), *plan.host]


CASES = [(name, engine.id) for name in MODELS for engine in registry.engines()]


def test_thirteen_engines_are_asked():
    assert len(registry.engines()) == 13


@pytest.mark.parametrize(("name", "engine_id"), CASES)
def test_written_sums_come_to_the_bytes_that_are_shown(name, engine_id):
    for plan in plans(name, engine_id):
        for a in allocations(plan):
            written = written_sum(a.why)
            assert written in {None, a.bytes}, (a.why, a.bytes)
            shown = SHOWN_LAST.search(a.why)
            if shown and a.kind is not Kind.RESERVED:
                assert shown[1] == format_bytes(a.bytes), a.why


@pytest.mark.parametrize(("name", "engine_id"), CASES)
def test_every_cache_and_state_is_written_as_a_sum(name, engine_id):
    for plan in plans(name, engine_id):
        for a in allocations(plan):
            if a.kind in {Kind.KV_CACHE, Kind.STATE}:
                assert written_sum(a.why) == a.bytes, (a.why, a.bytes)


@pytest.mark.parametrize(("name", "engine_id"), CASES)
def test_the_parts_of_every_card_are_all_there_is(name, engine_id):
    for plan in plans(name, engine_id):
        footprint = plan.scenario.engine.footprint(plan.scenario)
        needed = footprint.needed(plan.scenario.context, plan.scenario.concurrency)
        for device, need in zip(plan.devices, needed, strict=True):
            assert sum(a.bytes for a in device.allocations) == need == device.needed_bytes
            assert device.spare_bytes == device.budget.bytes - need
        for a in allocations(plan):
            explained = explain_allocation(a)
            assert f"{a.bytes:,} bytes" in explained.lines[-1]
            assert a.why
            assert a.known == "exact" or a.source, a


def test_what_is_reserved_says_how_much_of_it_the_plan_leaves():
    (plan, _) = plans("Qwen/Qwen3-32B", "sglang")
    (kept,) = [a for a in plan.devices[0].allocations if a.kind is Kind.RESERVED]
    assert kept.why.endswith(f"The plan leaves {format_bytes(kept.bytes)} of that unused.")


def test_equal_cards_are_explained_once():
    (plan, _) = plans("Qwen/Qwen3-32B", "vllm")
    budgets = [line for line in explain_context(plan).lines if ": budget " in line]
    assert len(budgets) == 1
    assert budgets[0].startswith("GPUs 0-7, each of 8: budget ")
    mixed = replace(plan.scenario, gpus=(*plan.scenario.gpus[:7], *parse_gpus("L40S")))
    budgets = [line for line in explain_context(evaluate(mixed)).lines if ": budget " in line]
    assert len(budgets) == 2, "another card, another line"


def test_weights_are_summed_by_the_format_of_their_tensors():
    """Qwen3-32B in Q8_0: 8 bits and a 16-bit scale for 32 weights make 8.5; norms stay in F32."""
    (plan, _) = plans("Qwen/Qwen3-32B", "llama.cpp")
    scenario = moves.start(plan.scenario.model, plan.scenario.engine, plan.scenario.gpus, 8.5)
    explained = explain_weights(scenario)
    sizes = [number(m) for line in explained.lines for m in re.findall(rf": {N} bytes,", line)]
    counts = [number(re.match(N, line)[1]) for line in explained.lines[:-1]]
    architecture = scenario.model.architecture
    assert sum(sizes) == weights_of(architecture, scenario.weights).bytes
    assert sum(counts) == architecture.parameters
    assert "8.5 bits each" in explained.lines[0]
    assert sizes[0] == counts[0] * 34 // 32


def test_a_token_of_the_cache_is_written_as_heads_times_elements():
    (plan, _) = plans("Qwen/Qwen3-32B", "llama.cpp")
    assert explain_cache(plan.scenario).lines == (
        "64 layers: 8 KV heads x (128 x 16 + 128 x 16 bits) / 8 = 4,096 bytes of every token",
    )
    small = replace(plan.scenario, kv=kv_format("q8_0"))
    assert "(128 x 8.5 + 128 x 8.5 bits) / 8 = 2,176 bytes" in explain_cache(small).lines[0]


def test_latent_rows_windows_and_states_are_told_apart():
    (latent, _) = plans("deepseek-ai/DeepSeek-V3", "vllm")
    assert explain_cache(latent.scenario).lines == (
        "61 layers: a latent row of 576 elements x 16 bits / 8 = 1,152 bytes of every token",
    )
    (window, _) = plans("google/gemma-3-27b-it", "vllm")
    assert [line.rpartition(" bytes ")[2] for line in explain_cache(window.scenario).lines] == [
        "of the last 1,024 tokens",
        "of every token",
    ]
    (state, _) = plans("Qwen/Qwen3-Next-80B-A3B-Instruct", "vllm")
    assert "36 layers: a state of" in explain_cache(state.scenario).lines[-1]
