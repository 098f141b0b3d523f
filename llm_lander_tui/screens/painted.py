"""The base of every screen and sheet: it sends the cells that changed, and knows what is shown."""

from __future__ import annotations

from textual import events, on
from textual.screen import Screen, ScreenResultType

from llm_lander_tui.painting import CellCompositor


class Painted(Screen[ScreenResultType]):
    """A screen that writes as little as it can to a terminal at the end of a slow line."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = CellCompositor()
        self._compositor = self._cells
        # Styles that have not changed since the app began need not be parsed again for a screen.
        self._css_update_count = 0

    def on_mount(self) -> None:
        """Know when another program had the terminal."""
        self.app.app_resume_signal.subscribe(self, self._forget_cells, immediate=True)

    def draw_all(self) -> None:
        """Draw every cell again, after something else wrote to the terminal."""
        self._cells.shown.forget()
        self.refresh()

    def _forget_cells(self, _: object) -> None:
        self._cells.shown.forget()

    @on(events.ScreenSuspend)
    @on(events.ScreenResume)
    @on(events.Resize)
    def _overwritten(self) -> None:
        """Another screen was drawn over this one, or the terminal has wrapped its rows anew."""
        self._cells.shown.forget()
