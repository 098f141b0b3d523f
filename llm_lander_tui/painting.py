"""What goes over the line when cells change: those cells, and no style that is already set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor

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

    def move(self, x: int, y: int) -> None:
        """Go to a cell."""
        self._written.append(Control.move_to(x, y).segment.text)

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


class CellUpdate(ChopsUpdate):
    """A partial update that begins at the first changed cell.

    Textual's own begins each changed run at the left edge of its widget, and sets and resets the
    style of every piece: on a line of a hundred cells in six colours ten times the bytes.
    """

    def render_segments(self, console: Console) -> str:
        """The update as it is written to the terminal."""
        pen = Pen(console._color_system)
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                first, last = max(x, x1), min(end, x2)
                pen.move(first, y)
                pen.write(strip.crop(first - x, last - x))
        return pen.done()


class CellCompositor(Compositor):
    """Composes as Textual does, and sends less."""

    def render_partial_update(self) -> ChopsUpdate | None:
        """What changed since the last update."""
        update = super().render_partial_update()
        if update is None:
            return None
        return CellUpdate(update.chops, update.spans, update.chop_ends)
