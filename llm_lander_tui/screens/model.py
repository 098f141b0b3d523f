"""What the model is made of."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from llm_lander_tui.screens.lander_screen import LanderScreen
from llm_lander_tui.widgets.model_view import ModelView


class ModelScreen(LanderScreen):
    """Mode 2."""

    def body(self) -> Iterable[Widget]:
        """One view."""
        yield ModelView(self.state)
