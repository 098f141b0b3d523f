"""The views of one place, the open one marked."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import KEY, QUIET


class ViewTabs(Lines):
    """`v  chart · map · engines`."""

    DEFAULT_CSS = "ViewTabs { height: 1; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id="views")
        self.names: tuple[str, ...] = ()
        self.open = ""

    def show(self, names: Sequence[str], opened: str) -> None:
        """Mark the view that is open."""
        self.names, self.open = tuple(names), opened
        self.redraw()

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """One line."""
        cells = [
            Content.styled(f" {name} ", "reverse" if name == self.open else QUIET)
            for name in self.names
        ]
        return (Content.assemble(("v", KEY), " ", Content(" ").join(cells)),)
