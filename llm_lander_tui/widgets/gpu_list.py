"""The cards one below the other: use, owners, sensors, history."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from llm_lander_tui.gpus.fleet import key
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.state import LanderState
from llm_lander_tui.units import format_bytes
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import QUIET, fitted, right, short_gpu, shortened


class GpuList(Rows):
    """A row per card."""

    DEFAULT_CSS = "GpuList { padding: 0 1; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="gpus")
        self.state = state

    def on_mount(self) -> None:
        """Follow readings and the choice of cards."""
        for name in ("reading", "fleet", "plan"):
            self.watch(self.state, name, self.redraw, init=False)

    @property
    def cards(self) -> tuple[Gpu, ...]:
        """Real cards with their sensors, then hypothetical ones."""
        reading = self.state.reading
        return (*(reading.gpus if reading else ()), *self.state.fleet.hypothetical)

    @property
    def card(self) -> Gpu | None:
        """The card under the cursor."""
        cards = self.cards
        return cards[self.cursor] if self.cursor < len(cards) else None

    def rows(self, width: int) -> Sequence[Content]:
        """One row per card."""
        return [self._row(card, width) for card in self.cards]

    def _row(self, card: Gpu, width: int) -> Content:
        used = key(card) not in self.state.fleet.unused
        mark = "●" if used else "○"
        name = fitted(Content(shortened(f"{card.index} {short_gpu(card.name)}", 24)), 25)
        free = right(format_bytes(card.free_bytes), 10)
        return Content.assemble(
            mark, " ", name, free, (" free of ", QUIET), format_bytes(card.total_bytes)
        )
