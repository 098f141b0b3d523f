"""The plan and its inverse: sums by hand, and what must hold for every scenario."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.engines import registry
from llm_lander_tui.gpus import slices
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.models import presets
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.changes import changes
from llm_lander_tui.planner.evaluate import evaluate, max_context, planned_context
from llm_lander_tui.planner.plan import Binding
from llm_lander_tui.planner.search import largest
from llm_lander_tui.units import GIB, MIB

WEIGHTS = 2 * 8_030_261_248
PER_TOKEN = 2 * 32 * 8 * 128 * 2


def card(free: int, total: int = 24 * GIB, index: int = 0) -> Gpu:
    return Gpu(index, "card", total, total - free, free)


def test_plan_by_hand(scenario):
    plan = evaluate(scenario)
    # 16,060,522,496 weights + 8,192 x 131,072 cache + 100 MiB scratch, against 24 GiB - 500 MiB
    needed = WEIGHTS + 8192 * PER_TOKEN + 100 * MIB
    assert plan.total_bytes == needed == 17_239_121_920
    assert plan.devices[0].budget.bytes == 24 * GIB - 500 * MIB
    assert plan.fits
    assert plan.spare_bytes == 24 * GIB - 500 * MIB - needed
    assert plan.short_bytes == 0


def test_inverse_by_hand(scenario):
    limits = evaluate(scenario).limits
    left = 24 * GIB - 500 * MIB - WEIGHTS - 100 * MIB
    assert limits.memory_context == left // PER_TOKEN == 69_275
    assert limits.max_context == 69_275
    assert limits.binding is Binding.MEMORY
    # The scratch is rough ±50 %: 50 MiB more or less is 400 tokens.
    assert limits.safe_context == (left - 50 * MIB) // PER_TOKEN
    assert limits.hopeful_context == (left + 50 * MIB) // PER_TOKEN


def test_without_a_context_the_safe_one_is_planned_by_hand(scenario):
    left = 24 * GIB - 500 * MIB - WEIGHTS - 100 * MIB
    # 69,275 tokens are likely; a scratch of 150 MiB in place of 100 leaves 400 less.
    assert planned_context(scenario) == (left - 50 * MIB) // PER_TOKEN == 68_875
    # 30 MiB beside weights and scratch are less than the 50 MiB that the scratch may take more.
    tight = card(WEIGHTS + (500 + 100 + 30) * MIB)
    assert planned_context(replace(scenario, gpus=(tight,))) == 30 * MIB // PER_TOKEN == 240
    assert planned_context(replace(scenario, gpus=(card(GIB),))) is None


def test_model_limit_binds_on_a_large_card(scenario):
    limits = evaluate(replace(scenario, gpus=(card(80 * GIB, 80 * GIB),))).limits
    assert limits.memory_context > 131_072
    assert limits.max_context == limits.model_context == 131_072
    assert limits.binding is Binding.MODEL


def test_does_not_land(scenario):
    plan = evaluate(replace(scenario, gpus=(card(8 * GIB),)))
    assert not plan.fits
    assert not plan.limits.lands
    assert plan.limits.max_context == plan.limits.max_concurrency == 0
    needed = WEIGHTS + 8192 * PER_TOKEN + 100 * MIB
    assert plan.short_bytes == needed - (8 * GIB - 500 * MIB)
    assert max_context(replace(scenario, gpus=(card(8 * GIB),))) is None


def test_without_gpus_there_is_a_problem_and_no_answer(scenario):
    plan = evaluate(replace(scenario, gpus=()))
    assert not plan.fits
    assert plan.problems == ("no GPU",)


def test_concurrency_by_hand(scenario):
    left = 24 * GIB - 500 * MIB - WEIGHTS - 100 * MIB
    assert evaluate(scenario).limits.max_concurrency == left // (8192 * PER_TOKEN) == 8


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_largest_is_the_last_that_fits(threshold, upper):
    found = largest(lambda n: n < threshold, upper)
    if found is None:
        assert threshold == 0
    else:
        assert found < threshold
        assert found == upper or found + 1 >= threshold


FREE = st.integers(0, 96 * 1024).map(lambda mib: mib * MIB)


@settings(deadline=None, max_examples=60)
@given(free=FREE, context=st.integers(1, 300_000), concurrency=st.integers(1, 64))
def test_the_answer_fits_and_the_next_token_does_not(scenario, free, context, concurrency):
    asked = replace(
        scenario, gpus=(card(free, 96 * GIB),), context=context, concurrency=concurrency
    )
    limits = evaluate(asked).limits
    if not limits.lands:
        assert not evaluate(replace(asked, context=0)).fits
        return
    assert evaluate(replace(asked, context=limits.memory_context)).fits
    if limits.memory_context < limits.searched_to:
        assert not evaluate(replace(asked, context=limits.memory_context + 1)).fits
    assert limits.safe_context <= limits.max_context <= limits.hopeful_context


@settings(deadline=None, max_examples=60)
@given(free=FREE, more=FREE, concurrency=st.integers(1, 8))
def test_more_memory_never_lowers_the_answer(scenario, free, more, concurrency):
    def reach(bytes_free):
        cards = (card(bytes_free, 200 * GIB),)
        return max_context(replace(scenario, gpus=cards, concurrency=concurrency)) or 0

    assert reach(free + more) >= reach(free)


@settings(deadline=None, max_examples=60)
@given(free=FREE, cards=st.integers(1, 8), context=st.integers(0, 200_000))
def test_the_breakdown_sums_to_the_total(scenario, free, cards, context):
    gpus = tuple(card(free, 96 * GIB, index=i) for i in range(cards))
    asked = replace(scenario, gpus=gpus, context=context)
    plan = evaluate(asked)
    footprint = asked.engine.footprint(asked)
    assert plan.total_bytes == sum(footprint.needed(context, 1))
    assert [d.needed_bytes for d in plan.devices] == list(footprint.needed(context, 1))


@pytest.mark.parametrize("engine", [e.id for e in registry.engines()])
def test_mig_slices_are_not_joined(engine: str):
    one, two = parse_gpus("2x H100 PCIe")
    sliced = replace(one, mig="3g.40gb", hypothetical=False, uuid="MIG-1")
    model = presets.load("Qwen/Qwen3-8B")
    for gpus in ((sliced, replace(sliced, uuid="MIG-2")), (sliced, two), (two, sliced)):
        scenario = moves.start(model, registry.get(engine), gpus)
        plan = evaluate(scenario)
        assert not plan.fits
        assert slices.ALONE in plan.problems
        assert max_context(scenario) is None
        assert not plan.limits.lands
    alone = evaluate(moves.start(model, registry.get(engine), (sliced,)))
    assert slices.ALONE not in alone.problems
    assert not any(change.label.startswith("one more NVIDIA") for change in changes(alone))
