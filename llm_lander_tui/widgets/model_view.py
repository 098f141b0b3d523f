"""A model in figures: parameters by part, layers by kind, cache and state, context limit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from llm_lander_tui.state import LanderState
from llm_lander_tui.units import format_count
from llm_lander_tui.widgets.lines import Lines


class ModelView(Lines):
    """The model of the scenario."""

    DEFAULT_CSS = "ModelView { padding: 1 1; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="model")
        self.state = state

    def on_mount(self) -> None:
        """Follow the scenario."""
        self.watch(self.state, "scenario", self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:  # noqa: ARG002
        """The figures."""
        if self.state.scenario is None:
            return ()
        a = self.state.scenario.model.architecture
        return [
            Content(f"{part.value:<12}{format_count(n):>10}") for part, n in a.parts.items() if n
        ]
