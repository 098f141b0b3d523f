"""What goes over the line when cells change: those cells, and no style that is already set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import repeat

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.strip import Strip

GAP = 6
"""Unchanged cells between two changes that are cheaper to send again than to jump over."""

Codes = tuple[str, str, str]
"""Select-graphic-rendition codes of attributes, foreground and background."""

_ATTRIBUTES = (
    ("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("blink", "5"),
    ("reverse", "7"), ("strike", "9"),
)  # fmt: skip

_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
"""What ends an attribute (ECMA-48, 8.3.117); bold and dim end together."""


@lru_cache(maxsize=4096)
def codes(style: Style, system: ColorSystem | None) -> Codes:
    """The codes of a style in a colour system; no colours without one."""
    attributes = ";".join(code for name, code in _ATTRIBUTES if getattr(style, name))
    if system is None:
        return attributes, "", ""
    front, back = style.color, style.bgcolor
    return (
        attributes,
        ";".join(front.downgrade(system).get_ansi_codes()) if front else "",
        ";".join(back.downgrade(system).get_ansi_codes(foreground=False)) if back else "",
    )


class Pen:
    """Writes text in styles, and only what differs from the style before."""

    def __init__(self, system: ColorSystem | None) -> None:
        self._system = system
        self._now: Codes = ("", "", "")
        self._written: list[str] = []
        self._row = -1

    def move(self, x: int, y: int) -> None:
        """Go to a cell; within a row its column is enough (ECMA-48, 8.3.9 CHA)."""
        there = f"\x1b[{x + 1}G" if y == self._row else Control.move_to(x, y).segment.text
        self._written.append(there)
        self._row = y

    def write(self, segments: Iterable[Segment]) -> None:
        """Write segments where the pen stands."""
        for text, style, control in segments:
            if not text or control:
                continue
            wanted = codes(style, self._system) if style is not None else ("", "", "")
            attributes, front, back = wanted
            if text.isspace() and attributes in {"", "1", "2"} and self._now[0] in {"", "1", "2"}:
                # Blanks show their background alone.
                attributes, front = self._now[:2]
            self._set((attributes, front, back))
            self._written.append(text)

    def _set(self, wanted: Codes) -> None:
        now = self._now
        if wanted == now:
            return
        changed = _attributes_changed(now[0], wanted[0])
        for before, after, usual in zip(now[1:], wanted[1:], ("39", "49"), strict=True):
            if after != before:
                changed.append(after or usual)
        self._written.append(f"\x1b[{';'.join(changed)}m")
        self._now = wanted

    def done(self) -> str:
        """All that was written, with the style put back."""
        if any(self._now):
            self._written.append("\x1b[0m")
        return "".join(self._written)


def _attributes_changed(now: str, wanted: str) -> list[str]:
    """The codes that lead from attributes to others; colours, the longest codes, stay as set."""
    before, after = ([code for code in text.split(";") if code] for text in (now, wanted))
    off = list(dict.fromkeys(_OFF[code] for code in before if code not in after))
    kept = [code for code in before if _OFF[code] not in off]
    return [*off, *(code for code in after if code not in kept)]


class Shown:
    """The rows that the terminal shows, as far as they are known."""

    def __init__(self) -> None:
        self._rows: dict[int, Strip] = {}

    def forget(self) -> None:
        """Something else was written over the rows."""
        self._rows.clear()

    def keep(self, y: int, row: Strip) -> None:
        """A whole row was written."""
        self._rows[y] = row

    def written(self, y: int, x: int, strip: Strip) -> Iterator[tuple[int, int]]:
        """The runs (start, end) of a strip at column `x` that the terminal does not show yet."""
        row, end = self._rows.get(y), x + strip.cell_length
        if row is None or row.cell_length < end:
            yield 0, strip.cell_length
            return
        before = row.crop(x, end)
        if before == strip:
            return
        yield from changed_runs(before, strip)
        self._rows[y] = Strip.join([row.crop(0, x), strip, row.crop(end)])


class CellUpdate(ChopsUpdate):
    """A partial update of the cells that differ from what the terminal shows.

    Textual's own begins each changed run at the left edge of its widget, sends what a moved widget
    leaves as it was, and sets and resets the style of every piece.
    """

    def __init__(self, update: ChopsUpdate, shown: Shown) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._shown = shown

    def render_segments(self, console: Console) -> str:
        """The update as it is written to the terminal."""
        pen = Pen(console._color_system)
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                first, last = max(x, x1), min(end, x2)
                piece = strip.crop(first - x, last - x)
                for begin, stop in self._shown.written(y, first, piece):
                    pen.move(first + begin, y)
                    pen.write(piece.crop(begin, stop))
        return pen.done()


class WholeUpdate(LayoutUpdate):
    """All rows, of which a terminal that is known to show some is sent the others."""

    def __init__(self, update: LayoutUpdate, shown: Shown) -> None:
        super().__init__(update.strips, update.region)
        self._shown = shown

    def render_segments(self, console: Console) -> str:
        """The update as it is written to the terminal."""
        pen = Pen(console._color_system)
        for y, strips in enumerate(self.strips, self.region.y):
            row = Strip.join(list(strips))
            for begin, stop in self._shown.written(y, self.region.x, row):
                pen.move(self.region.x + begin, y)
                pen.write(row.crop(begin, stop))
            self._shown.keep(y, row)
        return pen.done()


class CellCompositor(Compositor):
    """Composes as Textual does, and sends less."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """Everything."""
        return WholeUpdate(super().render_full_update(simplify), self.shown)

    def render_partial_update(self) -> ChopsUpdate | None:
        """What changed since the last update."""
        update = super().render_partial_update()
        return None if update is None else CellUpdate(update, self.shown)


def changed_runs(old: Strip, new: Strip) -> Iterator[tuple[int, int]]:
    """The runs of cells (start, end) in which two strips of one length differ."""
    if old == new:
        return
    before, after = list(_cells(old)), list(_cells(new))
    if len(before) != len(after):
        yield 0, len(after)
        return
    different = [x for x, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if not different:
        return
    start = last = different[0]
    for x in different[1:]:
        if x - last > GAP:
            yield start, last + 1
            start = x
        last = x
    yield start, last + 1


def _cells(strip: Strip) -> Iterator[tuple[str, Style | None]]:
    """A strip cell by cell; the second cell of a wide character is told from its first."""
    for text, style, _ in strip:
        if cell_len(text) == len(text):
            yield from zip(text, repeat(style))
        else:
            yield from ((c * half, style) for c in text for half in range(1, cell_len(c) + 1))
