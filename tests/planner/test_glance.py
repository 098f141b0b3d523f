"""A model at a glance: the most faithful format that gives the asked context, else the most."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import evaluate, max_context
from llm_lander_tui.planner.glance import glance, promised
from llm_lander_tui.units import GIB


def on(scenario, free_gib, **more):
    free = round(free_gib * GIB)
    return replace(scenario, gpus=(Gpu(0, "card", 80 * GIB, 80 * GIB - free, free),), **more)


def test_with_room_the_most_faithful_format_is_taken(scenario, model):
    found = glance(on(scenario, 79), model)
    assert found.parameters == 8_030_261_248
    assert 8 <= found.weights.bits <= 9
    assert found.max_context >= scenario.context


def test_a_lighter_format_where_the_faithful_one_leaves_no_room(scenario, model):
    # 8.03e9 x 8.5 bits = 7.95 GiB do not go into 6.2 GiB; at 4.85 bits they are 4.53 GiB, which
    # leaves 6.2 - 4.53 - 0.5 (margin) - 0.1 (scratch) = 1.07 GiB = 8,700 tokens of 128 KiB.
    asked = on(scenario, 6.2, context=4096)
    found = glance(asked, model)
    assert 4 <= found.weights.bits < 6
    assert 6000 < found.max_context < 11000


def test_where_none_gives_the_context_the_one_that_gives_most(scenario, model):
    asked = on(scenario, 6.2, context=100_000)
    found = glance(asked, model)
    assert found.weights.bits < 3.5
    assert found.max_context < 100_000
    assert found.max_context == max_context(replace(asked, weights=found.weights))


def test_more_than_the_model_was_trained_for_is_not_asked_for(scenario, model):
    # 131,072 tokens of 128 KiB are 16 GiB: with 7.95 GiB of weights they go into 26 GiB.
    found = glance(on(scenario, 26, context=10**9), model)
    assert 8 <= found.weights.bits <= 9


def test_nothing_lands_where_not_even_the_lightest_weights_do(scenario, model):
    found = glance(on(scenario, 1), model)
    assert (found.weights, found.max_context) == (None, None)
    assert found.parameters == 8_030_261_248


def test_the_question_keeps_its_sequences_cache_and_margin(scenario, model):
    asked = on(scenario, 79, concurrency=4, context=1024, margin_bytes=2 * GIB)
    found = glance(asked, model)
    assert found.max_context == max_context(replace(asked, weights=found.weights))


@pytest.mark.parametrize("engine", ["llama.cpp", "vllm", "tgi"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("free_gib", [3, 8, 20])
def test_a_choice_is_planned_as_it_was_promised(model, engine, count, free_gib):
    """With the cache, the options and the division of the question that it was looked at for."""
    free = free_gib * GIB
    cards = tuple(replace(gpu, free_bytes=free) for gpu in parse_gpus(f"{count}x RTX 4090"))
    asked = moves.start(model, registry.get(engine), cards)
    for kv in choices.kv_formats(asked.engine)[:3]:
        question = replace(asked, kv=kv, context=32_768)
        found = promised(question, model)
        planned = moves.with_model(question, model)
        if not evaluate(planned).fits and found.weights is not None:
            planned = replace(planned, weights=found.weights)
        assert (found.max_context or 0) == evaluate(planned).limits.max_context


def test_options_count_for_what_is_promised(model):
    # vLLM with half of its budget: 24 GiB x 0.45 = 10.8 GiB hold the weights at 8 bits, 8 GiB.
    cards = parse_gpus("RTX 4090")
    asked = replace(moves.start(model, registry.get("vllm"), cards), context=131_072)
    half = replace(
        asked, options=replace(asked.engine.default_options, gpu_memory_utilization=0.45)
    )
    assert glance(half, model).max_context < glance(asked, model).max_context


def test_a_cache_smaller_than_16_bits_is_named_beside_the_weights(scenario, model):
    small = replace(scenario, kv=choices.kv_named("q8_0", "llama.cpp"))
    assert promised(scenario, model).formats == "BF16"
    assert promised(small, model).formats == "BF16 q8_0"
    assert promised(on(small, 1), model).formats == "–"
