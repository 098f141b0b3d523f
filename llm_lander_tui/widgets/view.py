"""What lists and views have in common: a scenario under the cursor, figures to work out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.planner.scenario import Scenario


class FiguresAsked(Message):
    """A view wants its figures worked out again."""


class ScenarioTaken(Message):
    """The scenario under the cursor is to be asked."""


class Pointing:
    """A widget whose cursor stands on a scenario."""

    def under_cursor(self) -> Scenario | None:
        """That scenario; None for the plan's own."""
        raise NotImplementedError


class View(Pointing):
    """A picture of a plan whose figures take longer than a frame."""

    def work(self, plan: Plan) -> Callable[[], Any]:
        """What has to be worked out."""
        raise NotImplementedError

    def show(self, plan: Plan, found: Any) -> None:
        """Show what was worked out."""
        raise NotImplementedError
