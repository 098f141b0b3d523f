"""What-ifs keep a scenario consistent; comparisons and prices follow from the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.errors import UsageError
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.planner import choices, compare, moves
from llm_lander_tui.planner.changes import changes, landings
from llm_lander_tui.planner.division import divide
from llm_lander_tui.planner.evaluate import evaluate, max_context
from llm_lander_tui.planner.explain import explain_allocation, explain_context
from llm_lander_tui.planner.fidelity import faithful_bits
from llm_lander_tui.planner.recommend import recommend
from llm_lander_tui.units import GIB


def card(free: int, total: int = 24 * GIB, index: int = 0) -> Gpu:
    return Gpu(index, "card", total, total - free, free)


def test_start_is_near_four_bits_and_within_the_model(model, engine):
    scenario = moves.start(model, engine, (card(24 * GIB),))
    assert 4 <= scenario.weights.bits < 5
    assert scenario.context == moves.DEFAULT_CONTEXT
    assert scenario.kv.name == "f16"


def test_an_engine_without_formats_is_refused(model, engine):
    class Nothing(type(engine)):
        def runs(self, recipe, model):
            return False

    nothing: Engine = Nothing("nothing")
    with pytest.raises(UsageError, match="no weight format"):
        moves.start(model, nothing, ())


def test_weights_step_down_and_back(scenario):
    second = choices.weight_formats(scenario.model, scenario.engine)[1]
    now = replace(scenario, weights=second)
    down = moves.step_weights(now, 1)
    assert down.weights.bits <= second.bits
    assert down != now
    assert moves.step_weights(down, -1) == now


def test_stepping_goes_round(scenario):
    formats = choices.weight_formats(scenario.model, scenario.engine)
    seen, now = [], replace(scenario, weights=formats[0])
    for _ in formats:
        seen.append(now.weights)
        now = moves.step_weights(now, 1)
    assert tuple(seen) == formats
    assert now.weights == formats[0]


def test_each_step_of_the_cache_changes_its_size(scenario):
    sizes, now = [], scenario
    for _ in range(3):
        now = moves.step_kv(now, 1)
        sizes.append(choices.kv_bits(now.kv))
    assert sizes == [8.5, 4.5, 16.0]


@given(st.integers(1, 131_072))
def test_doubling_and_halving_stay_in_the_model(scenario, context):
    now = replace(scenario, context=context)
    up, down = moves.scale_context(now, up=True), moves.scale_context(now, up=False)
    assert 256 <= down.context <= max(256, context)
    assert context <= up.context <= 131_072
    assert up.context > context or context == 131_072


@given(st.integers(1, 131_072), st.sampled_from([-1, 1]))
def test_nudging_lands_on_the_grid(scenario, context, by):
    nudged = moves.nudge_context(replace(scenario, context=context), by).context
    assert nudged % 1024 == 0 or nudged == 256
    assert 0 < (nudged - context) * by <= 1024 or nudged in {256, 131_072}


def test_the_model_changes_and_the_question_stays(scenario, model):
    asked = replace(scenario, context=4096, concurrency=4, margin_bytes=0)
    other = moves.with_model(asked, model)
    assert (other.context, other.concurrency, other.margin_bytes) == (4096, 4, 0)


def test_table_marks_what_nothing_beats(scenario):
    rows = compare.table(scenario)
    cells = [cell for row in rows for cell in row.cells]
    assert [c.kv.name for c in rows[0].cells] == ["f16", "q8_0", "q4_0"]
    merits = {
        c: (faithful_bits(c.weights), choices.kv_bits(c.kv), c.max_context or 0) for c in cells
    }
    best = max(cells, key=lambda c: (merits[c][2], *merits[c][:2]))
    assert best.frontier
    for cell in cells:
        beaten = any(
            theirs != merits[cell]
            and all(t >= m for t, m in zip(theirs, merits[cell], strict=True))
            for theirs in merits.values()
        )
        assert cell.frontier == (bool(cell.max_context) and not beaten)


def test_heat_is_need_over_budget(scenario):
    plan = evaluate(scenario)
    ((fill,),) = compare.heat(scenario, [scenario.context], [1])
    budget = plan.devices[0].budget.bytes
    assert (fill.needed, fill.budget) == (plan.total_bytes, budget)
    assert fill.share == plan.total_bytes / budget
    assert compare.Fill(1, 0).share == float("inf"), "without any budget nothing fits"


def test_curve_rises_and_ends_where_memory_does(scenario):
    line = compare.curve(scenario, range(0, 131_073, 4096))
    needs = [need for _, need in line.points]
    assert needs == sorted(needs)
    assert line.max_context == max_context(scenario)


def test_prices_are_the_difference_that_the_change_makes(scenario):
    plan = evaluate(scenario)
    for change in changes(plan):
        other = evaluate(change.scenario)
        assert change.context_delta == (other.limits.memory_context - plan.limits.memory_context)
        assert change.fits == other.fits
    labels = [c.label for c in changes(plan)]
    assert "KV q8_0" in labels
    assert "one more user" in labels
    assert "one more card" in labels
    assert "--scratch 50" in labels


def test_ways_to_land_all_land(scenario):
    plan = evaluate(replace(scenario, context=100_000, gpus=(card(18 * GIB),)))
    assert not plan.fits
    ways = landings(plan)
    assert ways
    assert all(evaluate(way.scenario).fits for way in ways)


def test_nothing_to_mend_where_it_fits(scenario):
    assert landings(evaluate(scenario)) == ()


def test_recommendation_fits_and_says_why(scenario):
    best = recommend(scenario)
    assert best is not None
    assert best.max_context == max_context(best.scenario) >= 32_768
    assert best.scenario.weights.name in best.reason


def test_no_recommendation_where_nothing_lands(scenario):
    assert recommend(replace(scenario, gpus=(card(GIB // 2),))) is None


def test_the_fewest_cards_that_fit(scenario):
    cards = tuple(card(10 * GIB, index=i) for i in range(4))
    found = divide(replace(scenario, gpus=cards, context=1024))
    # 15 GiB of weights and 100 MiB of scratch a card against 9.5 GiB each: two cards
    assert found is not None
    assert found.gpus == 2
    assert divide(replace(scenario, gpus=cards[:1])) is None


def test_explanations_hold_the_values(scenario):
    plan = evaluate(scenario)
    text = "\n".join(explain_context(plan).lines)
    assert f"{plan.limits.memory_context:,}" in text
    allocation = plan.devices[0].allocations[0]
    assert f"{allocation.bytes:,} bytes" in explain_allocation(allocation).lines[-1]


def test_unknown_format_names_near_ones():
    with pytest.raises(UsageError) as caught:
        recipes.get("Q4_K_X")
    assert "Q4_K" in caught.value.remedy
