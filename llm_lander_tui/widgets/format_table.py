"""Weight formats against KV formats: how much context each pair gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive

from llm_lander_tui.units import format_tokens_short
from llm_lander_tui.widgets.rows import ComparingRows
from llm_lander_tui.widgets.view import Pointing
from llm_lander_tui.widgets.words import GOOD, QUIET, chosen_units, fitted, right, token_change

if TYPE_CHECKING:
    from llm_lander_tui.planner.compare import Cell, Row
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.planner.scenario import Scenario

LABEL, SIZE = 11, 7
ROOM_FOR_AIR = 48
"""Columns from which cells stand apart."""


def cell_width(width: int, names: Iterable[str]) -> int:
    """Columns of a cell: as many as its heading takes, and one that keeps it from its neighbour."""
    return max([9 if width >= ROOM_FOR_AIR else 8, *(len(name) + 1 for name in names)])


class FormatTable(ComparingRows, Pointing):
    """Rows of weight formats, the most faithful first; the column under the cursor is a KV format.

    A `◆` marks the pairs that no other beats in fidelity and in context at once.
    """

    DEFAULT_CSS = "FormatTable { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "aside(-1)", "Left", show=False),
        Binding("right", "aside(1)", "Right", show=False),
        Binding("enter", "choose", "apply", id="table.apply"),
        Binding("s", "sort", "sort", id="table.sort"),
    ]
    column = reactive(0, repaint=False)

    def __init__(self) -> None:
        super().__init__(id="table")
        self.table: tuple[Row, ...] = ()
        self.faithful_first: tuple[Row, ...] = ()
        self.scenario: Scenario | None = None
        self.by_context = False
        self._left = 0

    def show(self, plan: Plan, rows: tuple[Row, ...]) -> None:
        """Show the pairs of the plan's model and engine; the cursor goes to the plan's own."""
        self.scenario = plan.scenario
        self.faithful_first = rows
        self.table = self._sorted(rows)
        formats = [row.weights for row in self.table]
        kvs = [cell.kv for cell in self.table[0].cells] if self.table else []
        if plan.scenario.kv in kvs:
            self.column = kvs.index(plan.scenario.kv)
        if plan.scenario.weights in formats:
            self.centre(formats.index(plan.scenario.weights))
        self.redraw()

    def _sorted(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        if not self.by_context:
            return rows
        best = {row: max(cell.max_context or 0 for cell in row.cells) for row in rows}
        return tuple(sorted(rows, key=lambda row: -best[row]))

    @property
    def cell(self) -> Cell | None:
        """The pair under the cursor."""
        if not self.table:
            return None
        cells = self.table[self.cursor].cells
        return cells[min(self.column, len(cells) - 1)]

    def under_cursor(self) -> Scenario | None:
        """The scenario of the pair under the cursor."""
        cell = self.cell
        if cell is None or self.scenario is None:
            return None
        return replace(self.scenario, weights=cell.weights, kv=cell.kv)

    def validate_column(self, column: int) -> int:
        """Within the KV formats."""
        cells = len(self.table[0].cells) if self.table else 1
        return max(0, min(column, cells - 1))

    def watch_column(self) -> None:
        """Repaint."""
        self.redraw()

    def action_aside(self, by: int) -> None:
        """Another KV format."""
        self.column += by

    def action_sort(self) -> None:
        """By fidelity, or by the largest context."""
        self.by_context = not self.by_context
        self.table = self._sorted(self.faithful_first)
        self.redraw()

    def headings(self, width: int) -> Sequence[Content]:
        """The KV formats that are in view."""
        if not self.table:
            return (Content.styled("weights × KV", QUIET),)
        first, last = self._window(width)
        cells = self.table[0].cells
        order = "by context" if self.by_context else "weights"
        wide = self._cell_width(width)
        names = [right(cell.kv.name, wide) for cell in cells[first:last]]
        line = Content.assemble(
            fitted(Content(order), LABEL), right(chosen_units().large[1], SIZE), *names
        )
        if last < len(cells):
            more = len(cells) - last
            room = width - line.cell_length
            words = (f" +{more} KV formats →", f" +{more} KV →", f" +{more}→")
            line = Content.assemble(line, next((w for w in words if len(w) <= room), words[-1]))
        heading = Content.assemble((line.plain, QUIET))
        return (heading,) if self.baseline is None else (heading, self._against(self.baseline))

    def _against(self, baseline: Plan) -> Content:
        """The pair under the cursor against the baseline, which its cell has no room for."""
        cell = self.cell
        if cell is None or cell.max_context is None:
            return Content.styled("against the baseline: does not land", QUIET)
        now, then = cell.max_context, baseline.limits.max_context
        change = token_change(now, then) if now != then else Content.styled(" the same", QUIET)
        return Content.assemble((f"{cell.weights.name} × {cell.kv.name}", QUIET), change)

    def _window(self, width: int) -> tuple[int, int]:
        count = len(self.table[0].cells) if self.table else 0
        room = max(1, (width - LABEL - SIZE) // self._cell_width(width))
        left = min(self._left, max(0, count - room))
        left = self.column if self.column < left else max(left, self.column - room + 1)
        self._left = left
        return left, min(count, left + room)

    def rows(self, width: int) -> Sequence[Content]:
        """One row per weight format."""
        first, last = self._window(width)
        return [self._row(row, first, last, width) for row in self.table]

    def _cell_width(self, width: int) -> int:
        return cell_width(width, [cell.kv.name for row in self.table[:1] for cell in row.cells])

    def _row(self, row: Row, first: int, last: int, width: int) -> Content:
        wide = self._cell_width(width)
        cells = [self._cell(cell, wide) for cell in row.cells[first:last]]
        size = right(f"{row.weight_bytes / chosen_units().large[0]:.1f}", SIZE)
        name = fitted(Content(row.weights.name), LABEL)
        return Content.assemble(name, (size.plain, QUIET), *cells)

    def _cell(self, cell: Cell, wide: int) -> Content:
        current = (
            self.scenario is not None
            and cell.weights == self.scenario.weights
            and cell.kv == self.scenario.kv
        )
        text = "–" if cell.max_context is None else format_tokens_short(cell.max_context)
        mark = "◆" if cell.frontier and cell.max_context else " "
        style = QUIET if not cell.max_context else GOOD if cell.frontier else ""
        if current:
            body = right(f"[{text}]", wide - 1)
            return Content.assemble((body.plain, "bold"), (mark, style))
        under = (
            self.has_focus
            and self.table[self.cursor].cells[min(self.column, len(self.table[0].cells) - 1)]
            is cell
        )
        body = right(text, wide - 1)
        return Content.assemble(
            (body.plain, f"{style} underline".strip() if under else style), (mark, style)
        )
