"""The cards: what is on them, who holds it, and which of them the plan uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from llm_lander_tui.screens.lander_screen import LanderScreen
from llm_lander_tui.widgets.gpu_list import GpuList, ReadingNotes
from llm_lander_tui.widgets.process_list import ProcessList
from llm_lander_tui.widgets.rows import Rows


class GpusScreen(LanderScreen):
    """Mode 1."""

    CSS_PATH = "gpus.tcss"
    AUTO_FOCUS = "#gpus"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "add what-if", id="gpus.add"),
        Binding("d", "remove", "remove", id="gpus.remove"),
        Binding("r", "app.read_now", "read now", id="gpus.read"),
    ]

    def body(self) -> Iterable[Widget]:
        """The cards, what has to be said of them, and the processes of one."""
        yield GpuList(self.state, self.lander.history)
        yield ReadingNotes(self.state)
        yield ProcessList(self.state)

    def on_mount(self) -> None:
        """Follow readings and plan."""
        for name in ("reading", "fleet", "plan"):
            self.watch(self.state, name, self._show_card, init=False)

    @on(Rows.Moved, "#gpus")
    def _show_card(self) -> None:
        if self.is_current:
            self.query_one(ProcessList).show(self.query_one(GpuList).card)

    def on_screen_resume(self) -> None:
        """Catch up with what changed while another screen was open."""
        self._show_card()

    def action_use(self) -> None:
        """Use the card under the cursor, or leave it out."""
        card = self.query_one(GpuList).card
        if card is None:
            self.state.status = "No card is under the cursor: press a to add one."
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

    def action_add(self) -> None:
        """Add hypothetical cards from the catalogue."""
        from llm_lander_tui.screens.gpu_finder import GpuFinder

        self.app.push_screen(GpuFinder(self.state), self.lander.add_cards)

    @on(Rows.Chosen, "#processes")
    def _plan_from_command(self) -> None:
        process = self.query_one(ProcessList).process
        if process is not None:
            self.lander.plan_process(process)
