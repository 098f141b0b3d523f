"""How changes are named, and what counts as moved to the host."""

from __future__ import annotations

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Option
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.changes import Change, changes
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.units import GIB

TAKEN_AWAY = [
    option
    for engine in registry.engines()
    for option in engine.options
    if option.flag.startswith("--no-")
]


@pytest.fixture(scope="module")
def found(model) -> tuple[Change, ...]:
    llama = next(e for e in registry.engines() if e.id == "llama.cpp")
    card = Gpu(0, "card", 24 * GIB, 0, 24 * GIB)
    return changes(evaluate(moves.start(model, llama, (card,), 8.5)))


@pytest.mark.parametrize("option", TAKEN_AWAY, ids=lambda option: option.flag)
def test_a_flag_that_takes_away_is_given_or_absent_and_says_what_then_holds(option: Option):
    assert choices.value_word(option, True) == "absent"
    assert choices.value_word(option, False) == "given"
    assert choices.effect(option, True) == option.description
    assert choices.effect(option, False) == option.otherwise != ""


def test_changes_are_named_by_what_they_do(found):
    labels = [change.label for change in found]
    assert "KV cache in host memory (--no-kv-offload)" in labels
    assert not any(word in label for label in labels for word in ("--no-kv-offload off", " True"))


def test_another_weight_format_moves_nothing_to_the_host(found):
    moved = {change.label for change in found if change.host_bytes}
    assert moved
    assert not any(label.startswith("weights ") for label in moved)
