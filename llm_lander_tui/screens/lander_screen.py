"""What all main screens share: the header on top, status and keys at the bottom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget

from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.widgets.header import Header
from llm_lander_tui.widgets.key_bar import KeyBar, StatusLine
from llm_lander_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp
    from llm_lander_tui.planner.scenario import Scenario
    from llm_lander_tui.state import LanderState

SMALLEST = (60, 16)
FIRST_FRAME = 0.02
"""Seconds that the first frame gets for itself before its details are imported."""


class TooSmall(Lines):
    """What a window of less than 60 x 16 shows instead of a mutilated screen."""

    def content_lines(self, width: int, height: int) -> list[Content]:
        """One sentence."""
        return [
            Content("LLM-Lander needs 60 columns and"),
            Content(f"16 rows; here are {self.app.size.width} and {self.app.size.height}."),
        ]


class LanderScreen(Painted[None]):
    """A mode of the app. Sub-classes give the body."""

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (78, "-medium"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (30, "-tall")]  # noqa: RUF012

    @property
    def lander(self) -> LanderApp:
        """The app, by its own type."""
        return cast("LanderApp", self.app)

    @property
    def state(self) -> LanderState:
        """The state that all screens show."""
        return self.lander.state

    def compose(self) -> ComposeResult:
        """Header, body, status, keys."""
        yield TooSmall(id="too-small")
        yield Header(self.state)
        yield KeyBar(id="keys")
        yield StatusLine(self.state)
        yield from self.body()

    def body(self) -> Iterable[Widget]:
        """The widgets between header and status."""
        raise NotImplementedError

    def under_cursor(self) -> Scenario | None:
        """The scenario that the cursor points at; None for the one in the header."""
        return None
