"""A list of rows with a cursor: up and down move, enter chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive

from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import fitted

if TYPE_CHECKING:
    from llm_lander_tui.planner.plan import Plan

MARK = 4
"""Cells at the right that tell how many rows are hidden."""


class Lazy(Sequence[Content]):
    """Rows of which only those that are looked at are made: for lists of hundreds."""

    def __init__(self, count: int, make: Callable[[int], Content]) -> None:
        self._range = range(count)
        self._make = make

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> Content: ...

    @overload
    def __getitem__(self, index: slice) -> list[Content]: ...

    def __getitem__(self, index: int | slice) -> Content | list[Content]:
        if isinstance(index, slice):
            return [self._make(n) for n in self._range[index]]
        return self._make(self._range[index])


class Rows(Lines, can_focus=True):
    """Rows under an optional heading; those that do not fit are scrolled to by the cursor.

    Letters are left to the app, so that a what-if key works wherever the cursor is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("home", "move(-1000000)", "First", show=False),
        Binding("end", "move(1000000)", "Last", show=False),
        Binding("pageup", "move(-10)", "Page up", show=False),
        Binding("pagedown", "move(10)", "Page down", show=False),
        Binding("enter", "choose", "Choose", show=False),
    ]
    cursor = reactive(0, repaint=False)

    @dataclass
    class Chosen(Message):
        """Enter, or a click on the row under the cursor."""

        rows: Rows
        index: int

        @property
        def control(self) -> Rows:
            """The widget, for `@on` selectors."""
            return self.rows

    @dataclass
    class Moved(Message):
        """The cursor stands on another row."""

        rows: Rows
        index: int

        @property
        def control(self) -> Rows:
            """The widget, for `@on` selectors."""
            return self.rows

    per_row = 1
    """Lines of one row."""
    marks_row = True
    """Whether the cursor is the whole row."""
    always_marked = False
    """Whether the cursor shows while an input line has the focus."""
    _top = 0
    _centred = False

    def headings(self, width: int) -> Sequence[Content]:
        """Lines above the rows that do not scroll."""
        return ()

    def rows(self, width: int) -> Sequence[Content]:
        """The rows, without the cursor."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows(self.size.width or 80)) // self.per_row

    def validate_cursor(self, cursor: int) -> int:
        """Within the rows."""
        return max(0, min(cursor, self.count - 1))

    def watch_cursor(self, before: int, after: int) -> None:
        """Repaint the two rows, and tell the screen."""
        self.redraw()
        if before != after:
            self.post_message(self.Moved(self, after))

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Headings, then as many rows as there is room for, the cursor's among them."""
        headings, lines = list(self.headings(width)), self.rows(width)
        size = self.per_row
        count = len(lines) // size
        room = max(1, (height - len(headings)) // size) if height else count
        marked = count > room and width > 4 * MARK
        if marked:
            headings, lines = list(self.headings(width - MARK)), self.rows(width - MARK)
        cursor = min(self.cursor, max(0, count - 1))
        top = max(0, min(self._top, count - room))
        top = cursor if cursor < top else max(top, cursor - room + 1)
        if self._centred:
            self._centred = False
            top = max(0, min(cursor - room // 2, count - room))
        self._top = top
        shown = list(lines[top * size : (top + room) * size])
        if marked:
            shown = [fitted(line, width) for line in shown]
        if (self.has_focus or self.always_marked) and self.marks_row and shown:
            here = (cursor - top) * size
            # Terminal palettes have no shade between background and text: there it is reversed.
            style = "reverse" if self.app.current_theme.ansi else "on $block-cursor-background"
            shown[here] = fitted(shown[here], width).stylize(style)
        if top > 0 and shown:
            shown[0] = _more(shown[0], f" ↑{top}", width)
        if count - top > room and shown:
            shown[-1] = _more(shown[-1], f" ↓{count - top - room}", width)
        return [*headings, *shown]

    def centre(self, index: int) -> None:
        """Put the cursor on a row, and the row in the middle."""
        self._centred = True
        self.cursor = index

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor += by

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; on the cursor it chooses."""
        row = (event.y - len(self.headings(self.size.width))) // self.per_row + self._top
        if not 0 <= row < self.count:
            return
        if row == self.cursor:
            self.action_choose()
        self.cursor = row

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self.cursor += 1

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor."""
        self.cursor -= 1


class ComparingRows(Rows):
    """Rows that can show their change against a pinned plan."""

    baseline: Plan | None = None

    def pin(self, baseline: Plan | None) -> None:
        """Compare with a plan, or no longer."""
        self.baseline = baseline
        self.redraw()


def _more(row: Content, mark: str, width: int) -> Content:
    return Content.assemble(row.truncate(width - len(mark), pad=True), (mark, "dim"))
