"""The state without an app: each change is answered at once, and can be taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.errors import UsageError
from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.fleet import QUANTUM, Fleet
from llm_lander_tui.gpus.gpu import Reading
from llm_lander_tui.models import sources
from llm_lander_tui.planner.question import Question, scenario_of
from llm_lander_tui.state import UNDO_DEPTH, LanderState

CARD = catalog.parse_gpus("RTX 4090")[0]
FREE = 320 * QUANTUM


def card(index: int = 0, free: int = FREE, **more: object):
    used = CARD.total_bytes - CARD.reserved_bytes - free
    return replace(
        CARD,
        index=index,
        uuid=f"GPU-{index}",
        hypothetical=False,
        free_bytes=free,
        used_bytes=used,
        **more,
    )


def reading(*cards) -> Reading:
    return Reading(gpus=cards or (card(),))


def longer(scenario):
    return replace(scenario, context=scenario.context + 1024)


@pytest.fixture(scope="module")
def model():
    return sources.resolve("Qwen/Qwen3-8B")


@pytest.fixture
def state(model):
    state = LanderState()
    state.reading = reading()
    asked = Question(engine="llama.cpp", weights="Q4_K_M", context=8192)
    state.scenario = scenario_of(asked, model, state.fleet.chosen)
    return state


def seen(state, attribute, init=False):
    """The values of an attribute from now on, as a watcher gets them."""
    found = []

    def heard(value):
        found.append(value)

    state.watch(state, attribute, heard, init=init)
    return found


def test_a_plan_follows_its_scenario(state):
    assert state.plan.scenario is state.scenario
    assert state.turn(longer, "stuck")
    assert state.plan.scenario.context == 9216
    state.scenario = None
    assert state.plan is None


def test_a_scenario_that_is_equal_is_not_answered_again(state):
    plans, plan = seen(state, "plan"), state.plan
    state.scenario = replace(state.scenario)
    assert state.plan is plan
    assert plans == []


def test_a_late_watcher_gets_the_answer_that_stands(state):
    assert seen(state, "plan", init=True) == [state.plan]


def test_readings_that_change_nothing_of_memory_change_no_plan(state):
    plans = seen(state, "plan")
    state.reading = reading(card(utilisation_percent=99, temperature_c=70))
    state.reading = reading(card(free=FREE + QUANTUM))
    assert plans == []
    assert state.scenario.gpus[0].free_bytes == FREE
    state.reading = reading(card(free=FREE + 2 * QUANTUM))
    assert [plan.scenario.gpus[0].free_bytes for plan in plans] == [FREE + 2 * QUANTUM]
    state.reading = reading(card(free=FREE + 2 * QUANTUM - 1))
    assert state.plan.scenario.gpus[0].free_bytes == FREE + QUANTUM


def test_a_reading_alone_can_not_be_undone(state):
    state.reading = reading(card(free=FREE // 2))
    state.undo()
    assert state.status == "Nothing to undo."
    assert state.scenario.gpus[0].free_bytes == FREE // 2


def test_undo_and_redo(state):
    asked = [state.scenario]
    for _ in range(3):
        state.turn(longer, "")
        asked.append(state.scenario)
    for scenario in reversed(asked[:-1]):
        state.undo()
        assert state.scenario == state.plan.scenario == scenario
    state.undo()
    assert state.status == "Nothing to undo."
    for scenario in asked[1:]:
        state.redo()
        assert state.scenario == scenario
    state.redo()
    assert state.status == "Nothing to redo."


def test_a_new_change_forgets_what_was_undone(state):
    state.turn(longer, "")
    state.undo()
    state.turn(lambda scenario: replace(scenario, concurrency=2), "")
    state.redo()
    assert (state.scenario.concurrency, state.scenario.context) == (2, 8192)


def test_undo_brings_the_cards_back_with_their_memory_of_today(state):
    state.choose_cards(state.fleet.adding([CARD]), "")
    assert len(state.scenario.gpus) == 2
    state.reading = reading(card(free=FREE // 2))
    state.undo()
    assert [gpu.free_bytes for gpu in state.scenario.gpus] == [FREE // 2]
    assert state.fleet.chosen == state.scenario.gpus
    state.redo()
    assert [gpu.hypothetical for gpu in state.scenario.gpus] == [False, True]


def test_undo_where_a_card_is_gone_asks_on_those_that_are_left(state):
    state.reading = reading(card(0), card(1))
    state.turn(longer, "")
    state.reading = reading(card(0))
    state.undo()
    assert state.scenario.context == 8192
    assert [gpu.uuid for gpu in state.scenario.gpus] == ["GPU-0"]


def test_undo_has_an_end(state):
    for _ in range(UNDO_DEPTH + 5):
        state._remember()
    assert len(state.done) == UNDO_DEPTH + 1


def test_the_baseline_stays_until_it_is_let_go(state):
    first = state.plan
    state.pin()
    state.turn(longer, "")
    assert state.baseline is first
    state.pin()
    assert state.baseline is state.plan
    state.pin()
    assert state.baseline is None


def test_a_move_that_can_not_be_made_says_why_and_changes_nothing(state):
    def refused(scenario):
        raise UsageError("No", "It does not go.", "Try another.")

    before = state.scenario
    assert not state.turn(lambda scenario: scenario, "stuck")
    assert state.status == "stuck"
    assert not state.turn(refused, "")
    assert state.status == "No: It does not go. Try another."
    assert not state.choose_cards(state.fleet, "same cards")
    assert state.status == "same cards"
    assert state.scenario is before
    assert state.done == []


def test_without_a_model_keys_say_so():
    state = LanderState()
    assert not state.turn(longer, "")
    assert "press m" in state.status
    state.undo()
    assert state.status == "Nothing to undo."
    state.with_model(None)
    assert state.scenario is None


def test_a_defect_of_an_engine_costs_one_answer(state):
    class Broken:
        id = "broken"

        def footprint(self, scenario):
            raise ZeroDivisionError("oh")

    state.turn(lambda scenario: replace(scenario, engine=Broken()), "")
    assert state.plan is None
    assert "ZeroDivisionError: oh" in state.status
    state.undo()
    assert state.plan.fits


def test_a_scenario_from_a_list_brings_its_cards(state):
    other = catalog.parse_gpus("H100 SXM5 80GB")[0]
    state.take(replace(state.scenario, gpus=(other,)))
    assert [gpu.name for gpu in state.fleet.chosen] == [other.name]
    assert state.scenario.gpus == state.fleet.chosen
    state.undo()
    assert [gpu.uuid for gpu in state.scenario.gpus] == ["GPU-0"]
    state.take(replace(state.scenario, context=1000))
    assert state.scenario.gpus == state.fleet.chosen == state.fleet.real


def test_another_model_is_planned_lighter_where_it_must_be(state):
    # Its 32.8e9 parameters in Q4_K_M are 18.4 GiB; 300 steps of 64 MiB are 18.75 GiB.
    larger = sources.resolve("Qwen/Qwen3-32B")
    state.reading = reading(card(free=300 * QUANTUM))
    state.with_model(larger)
    assert state.scenario.model is larger
    assert state.status == f"Q4_K_M does not land: planned with {state.scenario.weights.name}."
    assert state.scenario.weights.bits < 4.5
    assert state.plan.fits
    state.undo()
    assert state.scenario.model.name == "Qwen/Qwen3-8B"


def test_an_empty_fleet_keeps_the_question(state):
    state.fleet = Fleet()
    assert state.scenario.context == 8192
