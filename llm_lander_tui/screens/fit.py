"""The verdict and everything that explains or changes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget

from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.screens.lander_screen import LanderScreen
from llm_lander_tui.widgets.format_table import FormatTable
from llm_lander_tui.widgets.memory_bar import MemoryBar
from llm_lander_tui.widgets.prices import Prices
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.verdict import Verdict

SETTLED = 0.06
"""Seconds after the last key when lists are ranked again."""


class FitScreen(LanderScreen):
    """Mode 3."""

    CSS_PATH = "fit.tcss"
    AUTO_FOCUS = "#prices"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "next list", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._settling: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """From the sentence down to the details."""
        yield Verdict(self.state)
        yield MemoryBar(self.state)
        with Horizontal(id="lists"):
            yield FormatTable()
            yield Prices()

    def on_mount(self) -> None:
        """Follow the plan."""
        self.watch(self.state, "plan", self._plan_changed)

    def _plan_changed(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLED, self._settle)

    def _settle(self) -> None:
        """Rank what takes longer than a verdict, once the keys have stopped."""
        plan = self.state.plan
        if plan is None or not self.is_current:
            return
        self.query_one(Prices).answer(plan)
        self.query_one(FormatTable).answer(plan)

    def on_screen_resume(self) -> None:
        """Catch up with what changed while another screen was open."""
        self._plan_changed()

    def under_cursor(self) -> Scenario | None:
        """The scenario of the focused list's row."""
        focused = self.focused
        if isinstance(focused, FormatTable | Prices):
            return focused.under_cursor()
        return None

    @on(Rows.Chosen)
    def _apply(self) -> None:
        scenario = self.under_cursor()
        if scenario is not None:
            self.lander.take(scenario)
