"""The base of every widget here: lines of text of which only the changed cells are repainted."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from llm_lander_tui.painting import changed_runs

_UNSEEN = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
"""Control characters and those that turn the writing round, none of which takes a cell."""


def seen(text: str) -> str:
    """The text without what a terminal would obey: names come from anywhere."""
    return text if text.isprintable() else text.translate(_UNSEEN)


class LaidOutOnce(Widget):
    """A widget that does not scroll: the size that a layout gave it needs no second layout."""

    def _size_updated(
        self,
        size: Size,
        virtual_size: Size,
        container_size: Size,
        layout: bool = True,
    ) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)


class Lines(LaidOutOnce):
    """Draws what `content_lines` returns, and compares it with what is on the screen.

    A terminal on a slow line pays for every byte: `redraw` asks for exactly the runs of cells that
    differ, so that a reading that stands still costs nothing.
    """

    DEFAULT_CSS = "Lines { height: auto; width: 1fr; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._drawn: list[Strip] | None = None
        self._drawn_size = Size(0, 0)

    def on_mount(self) -> None:
        """Write sizes anew when they are to be in other units."""
        state = getattr(self.app, "state", None)
        if state is not None:
            self.watch(state, "units", self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """The lines for a widget of `width` cells; `height` is 0 while it is being measured."""
        raise NotImplementedError

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """All that there is."""
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as there are lines."""
        return len(self.content_lines(width, 0))

    def redraw(self) -> None:
        """Bring the screen up to date after something changed."""
        if not self.is_attached:
            return
        if self._drawn is None or self._drawn_size != self.size or not self.screen.is_current:
            self._drawn = None
            self.refresh(layout=self._is_auto_height)
            return
        before, self._drawn = self._drawn, self._draw()
        if len(before) != len(self._drawn):
            self.refresh(layout=self._is_auto_height)
            return
        regions = [
            Region(start, y, end - start, 1)
            for y, (old, new) in enumerate(zip(before, self._drawn, strict=True))
            for start, end in changed_runs(old, new)
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """The strip of a row, drawn with all others when something was lost."""
        if self._drawn is None or self._drawn_size != self.size:
            self._drawn = self._draw()
            self._drawn_size = self.size
        if y < len(self._drawn):
            return self._drawn[y]
        return Strip.blank(self.size.width, self.visual_style.background_style.rich_style)

    def notify_style_update(self) -> None:
        """Draw again in the new colours."""
        self._drawn = None
        super().notify_style_update()

    @property
    def _is_auto_height(self) -> bool:
        height = self.styles.height
        return height is not None and height.is_auto

    def _draw(self) -> list[Strip]:
        width, height = self.size
        return [self._strip(line, width) for line in self.content_lines(width, height)]

    def _strip(self, line: Content, width: int) -> Strip:
        base = self.visual_style
        parse = self.app.stylesheet.parse_style
        segments = [
            Segment(seen(text), (base + style).rich_style)
            for text, style in line.render(base, end="", parse_style=parse)
        ]
        strip = Strip(segments, line.cell_length)
        return strip.adjust_cell_length(width, base.background_style.rich_style)
