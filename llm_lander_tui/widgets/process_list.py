"""Who is in the way: the processes of a card, and what each costs in tokens of context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.gpus.fleet import key
from llm_lander_tui.gpus.gpu import Gpu, GpuProcess
from llm_lander_tui.gpus.processes import process_kind
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.tenants import tokens_held
from llm_lander_tui.state import LanderState
from llm_lander_tui.units import format_tokens
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import MINUS, QUIET, fitted, format_bytes, right, short_gpu


class ProcessList(Rows):
    """The processes of the card under the list's cursor, the largest first."""

    DEFAULT_CSS = "ProcessList { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "plan from its command", id="processes.plan"),
    ]

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="processes")
        self.state = state
        self._card: Gpu | None = None
        self._costs: dict[int, int | None] = {}
        self._costed: tuple[Plan | None, tuple[tuple[int, int | None], ...]] | None = None

    def show(self, card: Gpu | None) -> None:
        """Show a card as it was read just now."""
        self._card = card
        plan = self.state.plan
        held = tuple((p.pid, p.memory_bytes) for p in self.processes)
        if self._costed != (plan, held):
            self._costed = (plan, held)
            self._costs = {p.pid: _cost(plan, card, p) for p in self.processes}
        self.redraw()

    @property
    def processes(self) -> tuple[GpuProcess, ...]:
        """The largest first."""
        found = (self._card.processes if self._card is not None else None) or ()
        return tuple(sorted(found, key=lambda p: -(p.memory_bytes or 0)))

    @property
    def process(self) -> GpuProcess | None:
        """The process under the cursor."""
        found = self.processes
        return found[self.cursor] if self.cursor < len(found) else None

    def headings(self, width: int) -> Sequence[Content]:
        """What there is to know of the card itself, and the columns."""
        card = self._card
        if card is None:
            return ()
        name = f"GPU {card.index}  {short_gpu(card.name)}  {details(card)}"
        about = fitted(Content.styled(name, QUIET), width)
        if not self.processes:
            return (about, Content.styled(nobody(card), QUIET))
        head = _columns(
            "process", "user", "pid", "memory", "costs the plan", "command", width=width
        )
        return (about, Content.styled(head.plain, QUIET))

    def rows(self, width: int) -> Sequence[Content]:
        """A process a row."""
        return [self._row(process, width) for process in self.processes]

    def _row(self, process: GpuProcess, width: int) -> Content:
        size = "hidden" if process.memory_bytes is None else format_bytes(process.memory_bytes)
        cost = self._costs.get(process.pid)
        worth = "–" if cost is None else f"{MINUS}{format_tokens(cost)} tok" if cost else "nothing"
        return _columns(
            process_kind(process.command).name,
            process.user or "–",
            str(process.pid),
            size,
            worth,
            process.command or "",
            width=width,
        )


def _columns(*cells: str, width: int) -> Content:
    kind, user, pid, size, cost, command = cells
    line = Content.assemble(
        (fitted(Content(kind), 13).plain, ""),
        fitted(Content(user), 10),
        right(pid, 8),
        right(size, 11),
        right(cost, 17),
        "  ",
        (command, QUIET),
    )
    return fitted(line, width)


def _cost(plan: Plan | None, card: Gpu | None, process: GpuProcess) -> int | None:
    """Tokens that the process costs; None when the plan does not use the card."""
    if plan is None or card is None or process.memory_bytes is None:
        return None
    for position, gpu in enumerate(plan.scenario.gpus):
        if key(gpu) == key(card):
            return tokens_held(plan, position, process.memory_bytes)
    return None


def nobody(card: Gpu) -> str:
    """Why there is no process to show."""
    if card.hypothetical:
        return "A what-if card: nothing runs on it."
    if card.processes is None:
        return "The driver does not tell which processes run here."
    return "No process holds memory here."


def details(card: Gpu) -> str:
    """Clocks, links and limits, those that are known."""
    spec = card.spec
    found = [
        f"{format_bytes(card.total_bytes)}",
        f"{card.sm_clock_mhz} MHz" if card.sm_clock_mhz is not None else "",
        f"memory {card.memory_clock_mhz} MHz" if card.memory_clock_mhz is not None else "",
        f"limit {card.power_limit_w:.0f} W" if card.power_limit_w is not None else "",
        f"PCIe {card.pcie_generation}.0 x{card.pcie_width}"
        if card.pcie_generation and card.pcie_width
        else "",
        f"{card.nvlinks} NVLinks" if card.nvlinks else "",
        f"{spec.bandwidth_gb_s:,.0f} GB/s" if spec and spec.bandwidth_gb_s else "",
        spec.architecture if spec else "",
    ]
    return " · ".join(part for part in found if part)
