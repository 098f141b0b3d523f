"""Hypothetical GPUs from the catalogue, those that would carry the plan at hand first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from llm_lander_tui.errors import LanderError
from llm_lander_tui.gpus.catalog import all_specs, parse_gpus
from llm_lander_tui.gpus.gpu import Gpu, GpuSpec
from llm_lander_tui.planner.cards import Carrier, carriers
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.screens.sheet import Title
from llm_lander_tui.units import format_tokens
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import GOOD, QUIET, fitted, format_bytes, right

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp
    from llm_lander_tui.state import LanderState


class Cards(Rows):
    """Cards with memory, bandwidth, and how many would carry the plan."""

    DEFAULT_CSS = "Cards { height: 1fr; background: $panel; }"

    always_marked = True

    def __init__(self) -> None:
        super().__init__(id="cards")
        self.specs: tuple[GpuSpec, ...] = ()
        self.carry: dict[str, Carrier] = {}

    def show(self, specs: Sequence[GpuSpec]) -> None:
        """Show cards; those that carry the plan alone stand first."""
        ranks = {name: n for n, name in enumerate(self.carry)}
        self.specs = tuple(sorted(specs, key=lambda s: ranks.get(s.name, len(ranks))))
        self.redraw()

    @property
    def spec(self) -> GpuSpec | None:
        """The card under the cursor."""
        return self.specs[self.cursor] if self.cursor < len(self.specs) else None

    def headings(self, width: int) -> Sequence[Content]:
        """The columns."""
        line = _columns("GPU", "memory", "GB/s", "year", "for this plan", width=width)
        return (Content.styled(line.plain, QUIET),)

    def rows(self, width: int) -> Sequence[Content]:
        """A card a row."""
        return [self._row(spec, width) for spec in self.specs]

    def _row(self, spec: GpuSpec, width: int) -> Content:
        carrier = self.carry.get(spec.name)
        speed = f"{spec.bandwidth_gb_s:,.0f}" if spec.bandwidth_gb_s else "–"
        worth = ""
        if carrier is not None:
            most = format_tokens(carrier.plan.limits.max_context)
            worth = f"{carrier.count}× lands, {most} tokens, {carrier.headroom:.0%} free"
        year = str(spec.year or "–")
        return _columns(spec.name, format_bytes(spec.memory_bytes), speed, year, worth, width=width)


def _columns(*cells: str, width: int) -> Content:
    name, memory, speed, year, worth = cells
    line = Content.assemble(
        fitted(Content(name), 24), right(memory, 10), right(speed, 8), right(year, 7), "   ",
        (worth, GOOD),
    )  # fmt: skip
    return fitted(line, width)


class GpuFinder(ModalScreen[tuple[tuple[Gpu, ...], bool]], Painted[tuple[tuple[Gpu, ...], bool]]):
    """Dismissed with cards, and whether they are the only ones of the plan.

    The cards are those under the cursor, as many as the typed text begins with ("4x H100").
    """

    CSS_PATH = "finder.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False),
        Binding("ctrl+r", "choose(True)", "these alone", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "move(-10)", "up", show=False),
        Binding("pagedown", "move(10)", "down", show=False),
    ]

    def __init__(self, state: LanderState) -> None:
        super().__init__()
        self.state = state

    def compose(self) -> ComposeResult:
        """A line to type in, and the cards."""
        with VerticalGroup(classes="finder"):
            yield Title("Add what-if GPUs", "enter add   ^r these alone   esc")
            text = Input(placeholder="h100, 4x 4090, L40S", compact=True)
            text.cursor_blink = False
            yield text
            yield Cards()

    def on_mount(self) -> None:
        """Show the catalogue, and rank it for the plan."""
        self._list("")
        plan = self.state.plan
        if plan is not None:
            lander = cast("LanderApp", self.app)
            work = partial(carriers, plan.scenario, all_specs(), len(all_specs()))
            lander.workbench.ask("carriers", work, self._ranked)

    def _ranked(self, found: tuple[Carrier, ...]) -> None:
        if self.is_attached:
            self.query_one(Cards).carry = {carrier.spec.name: carrier for carrier in found}
            self._list(self.query_one(Input).value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(Cards).cursor = 0
        self._list(event.value)

    def _list(self, text: str) -> None:
        words = [w for w in text.lower().replace("×", "x").split() if not w.rstrip("x").isdigit()]
        specs = [
            spec
            for spec in all_specs()
            if all(word in f"{spec.name} {spec.nvml_name}".lower() for word in words)
        ]
        self.query_one(Cards).show(specs)

    def action_move(self, by: int) -> None:
        """Move the cursor of the list."""
        self.query_one(Cards).cursor += by

    @on(Input.Submitted)
    @on(Rows.Chosen)
    def _add(self) -> None:
        self.action_choose(alone=False)

    def action_choose(self, alone: bool) -> None:
        """Take the cards."""
        cards = self.query_one(Cards)
        text = self.query_one(Input).value.strip()
        count = text.lower().replace("×", "x").split("x")[0].strip()
        spec = cards.spec
        try:
            if spec is None:
                self.dismiss((parse_gpus(text), alone))
            elif count.isdigit() and int(count):
                self.dismiss((parse_gpus(f"{count}x {spec.name}"), alone))
            else:
                self.dismiss((parse_gpus(spec.name), alone))
        except LanderError as error:
            self.notify(f"{error.message} {error.remedy}", markup=False)
