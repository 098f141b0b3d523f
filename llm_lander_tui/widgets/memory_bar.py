"""Where the memory of each GPU goes: a bar to scale, and how each part is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from textual.content import Content

from llm_lander_tui.engines.base import Allocation, Kind
from llm_lander_tui.units import GIB
from llm_lander_tui.widgets.header import ROOMY
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import (
    BAD,
    KIND_STYLE,
    QUIET,
    byte_change,
    fitted,
    format_bytes,
    known_mark,
    right,
    short_gpu,
    shortened,
)

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Gpu
    from llm_lander_tui.planner.plan import Device, Plan
    from llm_lander_tui.state import LanderState

IN_USE = "in use"
OTHERS = "$foreground on $foreground 20%"
"""How memory that others hold is named and drawn."""
HOST_NAMED = GIB
"""Host memory from which the legend names it; the explanation always does."""


def letters(labels: Iterable[str]) -> dict[str, str]:
    """A letter for each label that no other has: its first that is still free."""
    found: dict[str, str] = {}
    for label in labels:
        free = (c.upper() for c in label if c.isalpha() and c.upper() not in found.values())
        found[label] = next(free, "?")
    return found


FREE = "free"
LETTERS = letters([IN_USE, *(kind.value for kind in Kind), FREE])
"""What tells the parts of the bar apart where colours do not."""


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that look alike, shown as one bar."""

    devices: tuple[Device, ...]
    gpus: tuple[Gpu, ...]

    @property
    def label(self) -> str:
        """`0: RTX 4090`, `0-3: H100 SXM5`."""
        first, last = self.gpus[0], self.gpus[-1]
        numbers = f"{first.index}" if len(self.gpus) == 1 else f"{first.index}-{last.index}"
        return f"{numbers}: {short_gpu(first.name)}"


def groups(plan: Plan) -> tuple[Group, ...]:
    """Neighbouring devices with the same card, need and budget, taken together."""
    found: list[Group] = []
    for device in plan.devices:
        gpu = plan.scenario.gpus[device.gpu]
        if found and _alike(found[-1], device, gpu):
            last = found[-1]
            found[-1] = Group((*last.devices, device), (*last.gpus, gpu))
        else:
            found.append(Group((device,), (gpu,)))
    return tuple(found)


def _alike(group: Group, device: Device, gpu: Gpu) -> bool:
    first, card = group.devices[0], group.gpus[0]
    return (
        _card(card) == _card(gpu)
        and first.needed_bytes == device.needed_bytes
        and first.budget.bytes == device.budget.bytes
    )


def _card(gpu: Gpu) -> tuple[str, int | None, int]:
    """What tells cards apart in the bars."""
    return gpu.name, gpu.free_bytes, gpu.total_bytes


class MemoryBar(Lines):
    """One bar for each kind of device of the plan, then the legend."""

    DEFAULT_CSS = "MemoryBar { padding: 0 1; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="memory")
        self.state = state
        self._tallest: tuple[object, int] = None, 0

    def on_mount(self) -> None:
        """Follow the plan."""
        self.watch(self.state, "plan", self.redraw, init=False)
        self.watch(self.state, "baseline", self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Bars and legend."""
        plan = self.state.plan
        if plan is None:
            return ()
        found = groups(plan)
        most = most_bars(width)
        shown = found if len(found) <= most else _tightest(found, most)
        lines = [bar_line(group, width) for group in shown]
        if len(shown) < len(found):
            rest = len(found) - len(shown)
            lines.append(Content.styled(f"and {rest} more with more to spare", QUIET))
        lines += legend(plan, self.state.baseline, width)
        return [*lines, *[Content("")] * (self._usual_rows(plan, width, len(lines)) - len(lines))]

    def _usual_rows(self, plan: Plan, width: int, rows: int) -> int:
        """Rows that these cards are given even where less would do: a key moves nothing below."""
        cards = tuple(_card(gpu) for gpu in plan.scenario.gpus)
        kinds = len(list(groupby(cards)))
        alike = width, len(cards), kinds, self.state.baseline is None
        usual = min(kinds, most_bars(width) + 1) + (2 if width >= ROOMY else 3)
        before, tallest = self._tallest
        self._tallest = alike, max(usual, rows, tallest if before == alike else 0)
        return self._tallest[1]


def most_bars(width: int) -> int:
    """Bars that there is room for; beyond them the tightest are shown."""
    return 4 if width >= ROOMY else 3


def _tightest(found: Sequence[Group], most: int) -> Sequence[Group]:
    tight = sorted(found, key=lambda group: group.devices[0].spare_bytes)[:most]
    return [group for group in found if group in tight]


def bar_line(group: Group, width: int) -> Content:
    """`0: RTX 4090  ▕ weights 18.4 GiB │ KV 1.1 │ …  ▏ 1.34 GiB spare`."""
    device = group.devices[0]
    label = fitted(Content(shortened(group.label, 15)), 16)
    spare = device.spare_bytes
    words = (
        Content.assemble(format_bytes(spare), (" spare", QUIET))
        if spare >= 0
        else Content.assemble((f"{format_bytes(-spare)} missing", BAD))
    )
    end = right(words, 17)
    room = width - label.cell_length - end.cell_length
    return Content.assemble(label, bar(device, group.gpus[0], max(8, room)), end)


def bar(device: Device, gpu: Gpu, width: int) -> Content:
    """The card's memory to scale: in use by others, each kind of the plan, and what stays free.

    A plan that does not fit is drawn beyond the card's end, which a heavy line marks.
    """
    used = gpu.used_bytes + gpu.reserved_bytes
    parts: list[tuple[str, int, str]] = []
    if used:
        parts.append((IN_USE, used, OTHERS))
    parts += [
        (kind.value, size, f"$background on {KIND_STYLE[kind]}")
        for kind, size in by_kind(device.allocations)
    ]
    needed = used + device.needed_bytes
    if needed < gpu.total_bytes:
        parts.append((FREE, gpu.total_bytes - needed, f"{QUIET} on $foreground 6%"))
    scale = max(needed, gpu.total_bytes)
    line = _segments(parts, scale, width)
    if needed > gpu.total_bytes:
        end = min(width - 1, round(width * gpu.total_bytes / scale))
        line = Content.assemble(line[:end], ("┃", f"bold {BAD}"), line[end + 1 :])
    return line


def _segments(parts: Iterable[tuple[str, int, str]], scale: int, width: int) -> Content:
    cells: list[Content] = []
    summed = start = 0
    for label, size, style in parts:
        summed += size
        end = round(width * summed / scale)
        cells.append(Content.styled(_inside(label, size, end - start), style))
        start = end
    return Content("").join(cells)


def _inside(label: str, size: int, room: int) -> str:
    """The longest wording that fits the segment."""
    for text in (f" {label} {format_bytes(size)}", f" {label}"):
        if len(text) < room:
            return text.ljust(room)
    # A letter tells neighbours apart where colours do not.
    return letter(label).ljust(room)[:room]


def letter(label: str) -> str:
    """What a part of the bar too narrow for its name is marked with, and the legend begins with."""
    return LETTERS[label]


def by_kind(allocations: Iterable[Allocation]) -> list[tuple[Kind, int]]:
    """Bytes by kind, in the order of the bar."""
    sums = dict.fromkeys(Kind, 0)
    for allocation in allocations:
        sums[allocation.kind] += allocation.bytes
    return [(kind, size) for kind, size in sums.items() if size]


def legend(plan: Plan, baseline: Plan | None, width: int) -> Iterator[Content]:
    """Every kind with its bytes over all GPUs and how it is known, in as few lines as it takes."""
    everything = [a for device in plan.devices for a in device.allocations]
    pinned = (
        None
        if baseline is None
        else dict(by_kind(a for device in baseline.devices for a in device.allocations))
    )
    entries = []
    for kind, size in by_kind(everything):
        marks = sorted({known_mark(a) for a in everything if a.kind is kind})
        entries.append(
            Content.assemble(
                (letter(kind.value), f"$background on {KIND_STYLE[kind]}"), f" {kind.value} ",
                (format_bytes(size), "bold"),
                (f" {marks[-1]}" if width >= ROOMY or marks[-1] != "exact" else "", QUIET),
                byte_change(size, pinned.get(kind, 0), more_is_better=False) if pinned else "",
            )
        )  # fmt: skip
    used = sum(gpu.used_bytes + gpu.reserved_bytes for gpu in plan.scenario.gpus)
    if used:
        others = Content.assemble(
            (letter(IN_USE), OTHERS), f" {IN_USE} ", (format_bytes(used), "bold")
        )
        entries.insert(0, others)
    if len(plan.devices) > 1:
        total = (f"all {len(plan.devices)} GPUs ", QUIET)
        entries.insert(0, Content.assemble(total, (format_bytes(plan.total_bytes), "bold")))
    host = sum(a.bytes for a in plan.host)
    if host >= HOST_NAMED:
        entries.append(Content.styled(f"and {format_bytes(host)} of host memory", QUIET))
    line = Content("")
    for entry in entries:
        if line and line.cell_length + 3 + entry.cell_length > width:
            yield line
            line = Content("")
        line = Content.assemble(line, "   ", entry) if line else entry
    if line:
        yield line
