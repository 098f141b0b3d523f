"""Formats are ranked by what they lose, not by what they weigh, where that has been measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.planner import compare, moves
from llm_lander_tui.planner.fidelity import PERPLEXITY_RISE, faithful_bits
from llm_lander_tui.planner.recommend import recommend
from llm_lander_tui.units import GIB

LEGACY = ("Q4_0", "Q4_1", "Q5_0", "Q5_1")


def bits(name: str) -> float:
    return faithful_bits(recipes.get(name))


def test_the_rank_of_measured_formats_is_that_of_their_perplexities():
    by_rise = sorted(PERPLEXITY_RISE, key=lambda name: -PERPLEXITY_RISE[name])
    assert sorted(PERPLEXITY_RISE, key=bits) == by_rise


def test_a_legacy_format_counts_as_the_k_quant_between_its_neighbours_by_hand():
    # Q4_1 rises by 0.4511, between Q3_K_L (0.5562 at 4.30 bits) and Q4_K_S (0.2689 at 4.67):
    # 4.30 + 0.37 x ln(0.5562 / 0.4511) / ln(0.5562 / 0.2689) = 4.30 + 0.37 x 0.2095 / 0.7268
    assert bits("Q4_1") == pytest.approx(4.4066, abs=1e-3)


@pytest.mark.parametrize("name", ["Q6_K", "Q4_K_M", "IQ4_XS", "IQ2_M", "FP16", "INT4"])
def test_other_formats_count_by_their_bits(name):
    assert bits(name) == recipes.get(name).bits


@pytest.fixture(scope="module")
def llama(model):
    engine = registry.get("llama.cpp")
    return lambda gib: moves.start(model, engine, (Gpu(0, "card", 80 * GIB, 0, gib * GIB),))


def test_no_legacy_format_is_marked_beside_a_better_k_quant_with_more_context(llama):
    cells = [cell for row in compare.table(llama(12)) for cell in row.cells]
    marked = {cell.weights.name for cell in cells if cell.frontier}
    # Q4_0 alone is smaller than the K-quants that lose less.
    assert marked.isdisjoint({"Q4_1", "Q5_0", "Q5_1"})
    assert {"Q4_K_M", "Q5_K_M"} <= marked


@pytest.mark.parametrize("gib", range(3, 13))
def test_no_legacy_format_is_recommended(llama, gib):
    for context in (4096, 32_768, 131_072):
        best = recommend(replace(llama(gib), context=context))
        assert best is None or best.scenario.weights.name not in LEGACY
