"""The verdict and everything that explains or changes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from llm_lander_tui.screens.lander_screen import FIRST_FRAME, LanderScreen

if TYPE_CHECKING:
    from llm_lander_tui.planner.scenario import Scenario
    from llm_lander_tui.widgets.fit_details import FitDetails


class FitScreen(LanderScreen):
    """Mode 3."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "view", id="fit.view"),
        Binding("tab", "app.focus_next", "next list", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._details: FitDetails | None = None

    def body(self) -> Iterable[Widget]:
        """Nothing yet: the first frame does not wait for the details."""
        return ()

    def on_mount(self) -> None:
        """Show the frame, then what is in it."""
        self.call_after_refresh(self.set_timer, FIRST_FRAME, self._furnish)

    async def _furnish(self) -> None:
        from llm_lander_tui.widgets.fit_details import FitDetails

        self._details = FitDetails()
        await self.mount(self._details)

    def action_view(self) -> None:
        """Open the next view."""
        if self._details is not None:
            self._details.next_view()

    def on_screen_resume(self) -> None:
        """Catch up with what changed while another screen was open."""
        if self._details is not None:
            self._details.catch_up()

    def under_cursor(self) -> Scenario | None:
        """The scenario of the focused list's row."""
        return None if self._details is None else self._details.under_cursor()
