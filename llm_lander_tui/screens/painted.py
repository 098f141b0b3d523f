"""The base of every screen and sheet: it sends the cells that changed, and knows what is shown."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.screen import Screen, ScreenResultType

from llm_lander_tui.keys import TERMINAL
from llm_lander_tui.painting import CellCompositor


class Painted(Screen[ScreenResultType]):
    """A screen that writes as little as it can to a terminal at the end of a slow line.

    It stands behind `ModalScreen` among the bases of a sheet: of several, Textual takes the type
    that styles are written for from the first alone.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(TERMINAL)

    def __init__(
        self,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(name, id, classes)
        self._cells = CellCompositor()
        self._compositor = self._cells
        # Styles that have not changed since the app began need not be parsed again for a screen.
        self._css_update_count = 0

    def on_mount(self) -> None:
        """Draw again when another program had the terminal."""
        self.app.app_resume_signal.subscribe(self, lambda _: self.draw_all(), immediate=True)

    def draw_all(self) -> None:
        """Draw every cell again, after something else wrote to the terminal."""
        self._cells.shown.forget()
        self.refresh()

    @on(events.ScreenSuspend)
    @on(events.ScreenResume)
    @on(events.Resize)
    def _overwritten(self) -> None:
        """Another screen was drawn over this one, or the terminal has wrapped its rows anew."""
        self._cells.shown.forget()
