"""The cards one below the other: memory, owners, sensors, history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.gpus.fleet import key
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.gpus.history import History
from llm_lander_tui.gpus.processes import process_kind
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.state import LanderState
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import (
    QUIET,
    WARN,
    fitted,
    format_bytes,
    right,
    short_gpu,
    shortened,
)

HOT_CELSIUS = 85
SENSORS = 19
SHADES = "used █  this plan ▓  free ░"
CHROME = 8
"""Rows of a screen that are not the list's: header, heading, processes, status, keys."""


class GpuList(Rows):
    """A card in two lines, or in one where there are many.

    The bar shows what others use, what the plan would take, and what stays free.
    """

    DEFAULT_CSS = "GpuList { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "screen.use", "use / leave out", id="gpus.use"),
    ]

    def __init__(self, state: LanderState, history: History) -> None:
        super().__init__(id="gpus")
        self.state = state
        self.history = history

    def on_mount(self) -> None:
        """Follow readings and the choice of cards."""
        for name in ("reading", "fleet", "plan"):
            self.watch(self.state, name, self.redraw, init=False)

    @property
    def cards(self) -> tuple[Gpu, ...]:
        """Real cards with their sensors, as last known without a driver; hypothetical ones."""
        reading, fleet = self.state.reading, self.state.fleet
        return (*((reading.gpus if reading else ()) or fleet.real), *fleet.hypothetical)

    @property
    def card(self) -> Gpu | None:
        """The card under the cursor."""
        cards = self.cards
        return cards[self.cursor] if self.cursor < len(cards) else None

    @property
    def count(self) -> int:
        """How many cards."""
        return len(self.cards)

    def headings(self, width: int) -> Sequence[Content]:
        """What the columns are."""
        name, memory, past = columns(width)
        line = Content.assemble(
            "  ",
            fitted(Content("GPU"), name),
            fitted(Content(SHADES if memory > len(SHADES) else "used█ plan▓"), memory),
            right("free", 10),
            right("load  temp power", SENSORS),
            "  " if past else "",
            fitted(Content("last minutes" if past > 12 else "history"), past),
        )
        return [Content.styled(line.plain, QUIET)]

    def rows(self, width: int) -> Sequence[Content]:
        """The cards."""
        cards = self.cards
        room = self.screen.size.height - CHROME - len(reading_notes(self.state, width))
        self.per_row = 2 if 2 * len(cards) <= room else 1
        plan = self.state.plan
        lines: list[Content] = []
        for card in cards:
            lines.append(self._card(card, plan, width))
            if self.per_row == 2:
                lines.append(self._below(card, width))
        return lines

    def _card(self, card: Gpu, plan: Plan | None, width: int) -> Content:
        name, memory, past = columns(width)
        used = key(card) not in self.state.fleet.unused
        label = shortened(f"{card.index} {short_gpu(card.name)}", name - 1)
        style = "bold" if used else QUIET
        return Content.assemble(
            ("● " if used else "○ ", "$primary" if used else QUIET),
            (fitted(Content(label), name).plain, style),
            memory_bar(card, planned_bytes(card, plan), memory - 1),
            " ",
            right(format_bytes(card.free_bytes), 10),
            sensors(card),
            "  " if past else "",
            (self.history.line(card, past), "$primary") if past else "",
        )

    def _below(self, card: Gpu, width: int) -> Content:
        """Who is on the card, in one line."""
        if card.hypothetical:
            return Content.styled("    what-if, empty", QUIET)
        processes = card.processes
        if processes is None:
            return Content.styled("    processes are hidden by the driver", QUIET)
        if not processes:
            return Content.styled("    idle", QUIET)
        parts = []
        for process in sorted(processes, key=lambda p: -(p.memory_bytes or 0)):
            size = "?" if process.memory_bytes is None else format_bytes(process.memory_bytes)
            who = f" {process.user}" if process.user else ""
            parts.append(f"{process_kind(process.command).name}{who} {size}")
        return Content.styled(shortened("    " + " · ".join(parts), width), QUIET)


def reading_notes(state: LanderState, width: int) -> list[Content]:
    """What has to be said of the last reading: what went wrong, with its remedy, and its notes."""
    reading = state.reading
    if reading is None:
        return []
    texts = [Content.styled(note, QUIET) for note in reading.notes]
    problem = reading.problem
    if problem is not None:
        texts.insert(0, Content.assemble((problem.message, WARN), " ", problem.remedy))
    return [line for text in texts for line in text.wrap(max(20, width))]


class ReadingNotes(Lines):
    """What the driver did not tell, in few quiet lines; no line where there is nothing to say."""

    DEFAULT_CSS = "ReadingNotes { padding: 0 1; max-height: 5; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="reading-notes")
        self.state = state

    def on_mount(self) -> None:
        """Follow readings."""
        self.watch(self.state, "reading", self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """The notes, wrapped."""
        return reading_notes(self.state, width)


def columns(width: int) -> tuple[int, int, int]:
    """Cells for name, memory bar and history."""
    name = 18 if width < 100 else 24
    past = 0 if width < 72 else 10 if width < 100 else 24
    rest = width - 2 - name - 10 - SENSORS - (past + 2 if past else 0)
    return name, max(8, rest), past


def planned_bytes(card: Gpu, plan: Plan | None) -> int:
    """What the plan would take of this card."""
    if plan is None:
        return 0
    for device in plan.devices:
        if key(plan.scenario.gpus[device.gpu]) == key(card):
            return device.needed_bytes
    return 0


def memory_bar(card: Gpu, planned: int, width: int) -> Content:
    """Used by others, taken by the plan, free; each by colour and by shade."""
    total = max(1, card.total_bytes)
    used = round(width * (card.used_bytes + card.reserved_bytes) / total)
    used = max(used, 1 if card.used_bytes else 0)
    mine = min(width - used, max(round(width * planned / total), 1 if planned else 0))
    over = planned > card.free_bytes
    style = "$error" if over else "$primary"
    return Content.assemble(
        ("█" * used, "$foreground 45%"),
        ("▓" * mine, style),
        ("░" * (width - used - mine), "$foreground 25%"),
    )


def sensors(card: Gpu) -> Content:
    """Load, temperature and power in one style, so that they are one run of cells."""
    load = "–" if card.utilisation_percent is None else f"{card.utilisation_percent}%"
    heat = "–" if card.temperature_c is None else f"{card.temperature_c}°"
    power = "–" if card.power_w is None else f"{card.power_w:.0f}W"
    hot = card.temperature_c is not None and card.temperature_c >= HOT_CELSIUS
    return Content.styled(
        f"{load:>6}{heat:>5}{'!' if hot else ' '}{power:>6} ", WARN if hot else ""
    )
