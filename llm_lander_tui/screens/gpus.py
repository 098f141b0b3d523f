"""The cards: what is on them, who holds it, and which of them the plan uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from llm_lander_tui.screens.lander_screen import LanderScreen
from llm_lander_tui.widgets.gpu_list import GpuList


class GpusScreen(LanderScreen):
    """Mode 1."""

    CSS_PATH = "gpus.tcss"
    AUTO_FOCUS = "#gpus"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "use", "use / leave out", id="gpus.use"),
        Binding("a", "add", "add what-if", id="gpus.add"),
        Binding("d", "remove", "remove", id="gpus.remove"),
        Binding("r", "app.read_now", "read now", id="gpus.read"),
    ]

    def body(self) -> Iterable[Widget]:
        """One list."""
        yield GpuList(self.state)

    def action_use(self) -> None:
        """Use the card under the cursor, or leave it out."""
        card = self.query_one(GpuList).card
        if card is None:
            self.state.status = "No card is under the cursor."
            return
        fleet = self.state.fleet.toggled(card)
        if not fleet.chosen:
            self.state.status = "A plan needs one GPU: choose another before leaving this one out."
            return
        self.state.choose_cards(fleet, "")

    def action_remove(self) -> None:
        """Take the hypothetical card under the cursor away."""
        card = self.query_one(GpuList).card
        if card is None or not card.hypothetical:
            self.state.status = "Only what-if cards can be removed; space leaves a real one out."
            return
        fleet = self.state.fleet.without(card)
        if not fleet.chosen:
            self.state.status = "A plan needs one GPU: add another before removing this one."
            return
        self.state.choose_cards(fleet, "")
