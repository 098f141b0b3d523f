"""What all main screens share: the header on top, status and keys at the bottom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from llm_lander_tui.painting import CellCompositor
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


class LanderScreen(Screen[None]):
    """A mode of the app. Sub-classes give the body."""

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (78, "-medium"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._cells = CellCompositor()
        self._compositor = self._cells
        # Styles that have not changed since the app began need not be parsed again for a screen.
        self._css_update_count = 0

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

    def on_mount(self) -> None:
        """Know when another program had the terminal."""
        self.app.app_resume_signal.subscribe(self, self._forget_cells, immediate=True)

    def _forget_cells(self, _: object) -> None:
        self._cells.shown.forget()

    @on(events.ScreenSuspend)
    @on(events.ScreenResume)
    @on(events.Resize)
    def _overwritten(self) -> None:
        """Another screen was drawn over this one, or the terminal has wrapped its rows anew."""
        self._cells.shown.forget()

    def under_cursor(self) -> Scenario | None:
        """The scenario that the cursor points at; None for the one in the header."""
        return None
