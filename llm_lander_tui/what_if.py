"""The keys that change the question, or what it is compared with, on every screen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.app import App

from llm_lander_tui.gpus import slices

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Gpu
    from llm_lander_tui.planner.recommend import Recommendation
    from llm_lander_tui.planner.scenario import Scenario
    from llm_lander_tui.state import LanderState
    from llm_lander_tui.workbench import Workbench

REASON = 12.0
"""Seconds that a recommendation's reason stays to be read."""


class WhatIf(App[int]):
    """Every move goes through the state, where it can be undone."""

    state: LanderState
    workbench: Workbench

    def action_turn(self, knob: str, by: int) -> None:
        """Turn a knob of the scenario."""
        from llm_lander_tui.knobs import KNOBS

        turned, scenario = KNOBS[knob], self.state.scenario
        stuck = "" if scenario is None else turned.stuck(scenario, by)
        if self.state.turn(lambda s: turned.move(s, by), stuck) and knob == "engine":
            # What the engine does of itself: the context Ollama takes, the rest that vLLM fills.
            self.state.status = next(iter(self.state.plan.notes if self.state.plan else ()), "")

    def action_gpus(self, by: int) -> None:
        """One card more or less."""
        fleet = self.state.fleet
        if by > 0:
            alone = any(card.mig is not None for card in fleet.chosen)
            none = "No GPU to add another of: press a on screen 1."
            self.state.choose_cards(fleet.grown(), slices.ALONE if alone else none)
        else:
            self.state.choose_cards(fleet.shrunk(), "A plan needs one GPU.")

    def action_best(self) -> None:
        """Take the formats that balance fidelity and context here, and say why."""
        from llm_lander_tui.planner.recommend import recommend

        scenario = self.state.scenario
        if scenario is not None:
            self.workbench.ask("best", partial(recommend, scenario), self._recommended)

    def _recommended(self, found: Recommendation | None) -> None:
        if found is None:
            self.state.status = "Nothing lands on these cards with this engine."
            return
        scenario = found.scenario
        self.state.take(replace(scenario, context=min(scenario.context, found.max_context)))
        self.state.status = f"Balanced: {scenario.weights.name} with {scenario.kv.name} cache."
        self.notify(f"{found.reason}", title="The balanced choice", timeout=REASON, markup=False)

    def action_undo(self) -> None:
        """Take the last change back."""
        self.state.undo()

    def action_redo(self) -> None:
        """Make the change again that was taken back."""
        self.state.redo()

    def action_pin(self) -> None:
        """Compare everything with this plan from now on, or no longer."""
        self.state.pin()
        pinned = self.state.baseline is not None
        self.state.status = "Pinned: every number now shows its change." if pinned else "Unpinned."

    def take(self, scenario: Scenario) -> None:
        """Make a scenario from a list the current one."""
        self.state.take(scenario)

    def add_cards(self, found: tuple[tuple[Gpu, ...], bool] | None) -> None:
        """Add hypothetical cards to the plan, or plan on them alone."""
        if found is None:
            return
        gpus, alone = found
        fleet = self.state.fleet
        for card in fleet.chosen if alone else ():
            fleet = fleet.without(card)
        self.state.choose_cards(fleet.adding(gpus), "")
