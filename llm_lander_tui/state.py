"""The one mutable thing: the GPUs as last read, the scenario, and the plan derived from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.reactive import var

from llm_lander_tui.errors import LanderError
from llm_lander_tui.gpus.fleet import Fleet
from llm_lander_tui.units import Units

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Reading
    from llm_lander_tui.models.model import Model
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.planner.scenario import Scenario

UNDO_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What one step of undo brings back: the question, and the choice of cards with it."""

    scenario: Scenario
    fleet: Fleet


class LanderState(DOMNode):
    """Observed by screens with `watch(state, …)`; changed by the app alone.

    Not mounted, and usable without an app: every assignment validates, compares and derives at
    once, because a plan takes less time than a frame.
    """

    reading: var[Reading | None] = var(None)
    fleet: var[Fleet] = var(Fleet())
    scenario: var[Scenario | None] = var(None)
    plan: var[Plan | None] = var(None)
    baseline: var[Plan | None] = var(None)
    status: var[str] = var("")
    units: var[Units] = var(Units.BINARY)
    """What sizes are written in on every screen."""
    stale_seconds: var[int] = var(0)
    """Age of the last reading when it is too old; 0 while readings come in."""
    busy: var[str] = var("")
    """What the program waits for ("loading Qwen/Qwen3-8B"); empty when nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.undone: list[Asked] = []
        self.done: list[Asked] = []

    def watch_reading(self, reading: Reading | None) -> None:
        """Plan with the new free memory, in steps; with the last known where none is told."""
        if reading is not None and (reading.gpus or reading.problem is None):
            self.fleet = self.fleet.read(reading.gpus)

    def watch_fleet(self, fleet: Fleet) -> None:
        """Ask the same question on the cards that are chosen now."""
        scenario = self.scenario
        if scenario is None or scenario.gpus == fleet.chosen:
            return
        from llm_lander_tui.planner import moves

        if len(scenario.gpus) == len(fleet.chosen):
            self.scenario = replace(scenario, gpus=fleet.chosen)
        else:
            self.scenario = moves.with_gpus(scenario, fleet.chosen)

    def watch_scenario(self, scenario: Scenario | None) -> None:
        """Answer."""
        if scenario is None:
            self.plan = None
            return
        from llm_lander_tui.planner.evaluate import evaluate

        try:
            self.plan = evaluate(scenario)
        except Exception as error:  # noqa: BLE001 - a defect in an engine costs one answer, not the session
            self.plan = None
            self.status = f"No answer: {type(error).__name__}: {error}. u takes the change back."

    def turn(self, move: Callable[[Scenario], Scenario], stuck: str) -> bool:
        """Change the question by a move; where it changes nothing, `stuck` says why."""
        if self.scenario is None:
            self.status = "No model is chosen yet: press m."
            return False
        try:
            moved = move(self.scenario)
        except LanderError as error:
            self.status = f"{error.title}: {error.message} {error.remedy}".strip()
            return False
        if moved == self.scenario:
            self.status = stuck
            return False
        self._remember()
        self.status = ""
        self.scenario = moved
        return True

    def choose_cards(self, fleet: Fleet, stuck: str) -> bool:
        """Change which cards the plan uses."""
        if fleet == self.fleet:
            self.status = stuck
            return False
        self._remember()
        self.status = ""
        self.fleet = fleet
        return True

    def take(self, scenario: Scenario) -> None:
        """Ask another question as a whole; its cards join the fleet when they are new."""
        self._remember()
        self.status = ""
        missing = [gpu for gpu in scenario.gpus if gpu not in self.fleet.cards]
        kept = [gpu for gpu in self.fleet.chosen if gpu in scenario.gpus]
        fleet = self.fleet
        for card in fleet.cards:
            if card in kept:
                continue
            if card in scenario.gpus:
                fleet = fleet.toggled(card)
            elif card in fleet.chosen:
                fleet = fleet.without(card)
        fleet = fleet.adding(missing)
        self.set_reactive(LanderState.fleet, fleet)
        self.scenario = replace(scenario, gpus=fleet.chosen)
        self.mutate_reactive(LanderState.fleet)

    def with_model(self, model: Model) -> None:
        """Ask the same question about another model, in lighter weights where it must be.

        Raises `UsageError` when the engine runs it in no format; the question is then kept.
        """
        if self.scenario is None:
            return
        from llm_lander_tui.planner import moves
        from llm_lander_tui.planner.evaluate import evaluate
        from llm_lander_tui.planner.glance import glance

        moved = moves.with_model(self.scenario, model)
        said = ""
        if not evaluate(moved).fits:
            found = glance(moved, model).weights
            if found is not None and found != moved.weights:
                said = f"{moved.weights.name} does not land: planned with {found.name}."
                moved = replace(moved, weights=found)
        self._remember()
        self.status = said
        self.scenario = moved

    def undo(self) -> None:
        """The question before the last change."""
        self._step(self.done, self.undone, "Nothing to undo.")

    def redo(self) -> None:
        """The question that was undone last."""
        self._step(self.undone, self.done, "Nothing to redo.")

    def pin(self) -> None:
        """Make the plan the baseline that every number is compared with, or let it go."""
        self.baseline = None if self.baseline == self.plan else self.plan

    def _remember(self) -> None:
        if self.scenario is not None:
            self.done = [*self.done[-UNDO_DEPTH:], Asked(self.scenario, self.fleet)]
            self.undone = []

    def _step(self, source: list[Asked], target: list[Asked], empty: str) -> None:
        if not source or self.scenario is None:
            self.status = empty
            return
        target.append(Asked(self.scenario, self.fleet))
        asked = source.pop()
        now = self.fleet
        fleet = replace(now, hypothetical=asked.fleet.hypothetical, unused=asked.fleet.unused)
        self.status = ""
        self.set_reactive(LanderState.fleet, fleet)
        scenario = replace(asked.scenario, gpus=fleet.chosen)
        if len(fleet.chosen) != len(asked.scenario.gpus):
            from llm_lander_tui.planner import moves

            scenario = moves.with_gpus(scenario, fleet.chosen)
        self.scenario = scenario
        self.mutate_reactive(LanderState.fleet)
