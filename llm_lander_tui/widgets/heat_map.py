"""Context against concurrency: how full the tightest card would be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive

from llm_lander_tui.engines.base import Slotted
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.compare import Fill, heat
from llm_lander_tui.planner.evaluate import most_sequences
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_tokens, format_tokens_short
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.view import FiguresAsked, View
from llm_lander_tui.widgets.words import BAD, GOOD, QUIET, fitted, format_bytes, right

HEADINGS = 3
LABEL, CELL = 6, 8
CORNER = "seqs ↓".ljust(LABEL)
FIRST_CONTEXT = 1024
FAR_BEYOND = 2.5
"""Loads that need more than so many times the memory at the first context are left out."""


@dataclass(frozen=True, slots=True)
class Heat:
    """How far loads fill the memory: a row per number of sequences, a value per context."""

    contexts: list[int]
    loads: list[int]
    fills: tuple[tuple[Fill, ...], ...]


def heat_around(scenario: Scenario, columns: int, rows: int) -> Heat:
    """The map around a scenario, without the loads that are far beyond the memory."""
    contexts = spread(scenario.context, moves.longest_context(scenario.model), columns)
    most = max(scenario.concurrency, most_sequences(scenario.engine))
    many = [n for n in loads(scenario.concurrency, rows) if n <= most]
    fills = heat(scenario, contexts, many)
    useful = [
        n
        for n, row in enumerate(fills)
        if row[0].share <= FAR_BEYOND or many[n] <= scenario.concurrency
    ]
    return Heat(contexts, [many[n] for n in useful], tuple(fills[n] for n in useful))


class HeatMap(Rows, View):
    """A row per number of sequences, a column per context: the share of the budget."""

    DEFAULT_CSS = "HeatMap { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "aside(-1)", "Left", show=False),
        Binding("right", "aside(1)", "Right", show=False),
        Binding("enter", "choose", "ask this", id="map.apply"),
    ]
    column = reactive(0, repaint=False)
    marks_row = False

    def __init__(self) -> None:
        super().__init__(id="map")
        self.plan: Plan | None = None
        self.contexts: list[int] = []
        self.loads: list[int] = []
        self.fills: tuple[tuple[Fill, ...], ...] = ()

    def work(self, plan: Plan) -> Callable[[], Heat]:
        """What has to be worked out for a plan: the map around it."""
        columns = max(3, (self.size.width - LABEL) // CELL)
        return partial(heat_around, plan.scenario, columns, max(3, self.size.height - HEADINGS))

    def show(self, plan: Plan, found: Heat) -> None:
        """Show the map."""
        self.plan = plan
        scenario = plan.scenario
        self.contexts, self.loads, self.fills = found.contexts, found.loads, found.fills
        self.set_reactive(HeatMap.column, self.contexts.index(scenario.context))
        self.cursor = self.loads.index(scenario.concurrency)
        self.redraw()

    def under_cursor(self) -> Scenario | None:
        """The plan's scenario with the load under the cursor."""
        if self.plan is None or not self.loads:
            return None
        return replace(
            self.plan.scenario,
            context=self.contexts[self.column],
            concurrency=self.loads[self.cursor],
        )

    def on_resize(self) -> None:
        """As many columns and rows as there is room for."""
        self.post_message(FiguresAsked())

    def validate_column(self, column: int) -> int:
        """Within the contexts."""
        return max(0, min(column, len(self.contexts) - 1))

    def watch_column(self) -> None:
        """Repaint."""
        self.redraw()

    def action_aside(self, by: int) -> None:
        """Another context."""
        self.column += by

    def headings(self, width: int) -> Sequence[Content]:
        """What the load under the cursor would need, and the contexts."""
        if self.plan is None or not self.contexts:
            return (Content.styled("working out the map …", QUIET), Content(""), Content(""))
        names = "".join(f"{name:>{CELL}}" for name in self._names())
        return (
            fitted(self._read_out(self.plan), width),
            fitted(Content.styled(self._legend(self.plan), QUIET), width),
            Content.styled(CORNER + names, QUIET),
        )

    def _legend(self, plan: Plan) -> str:
        """What the signs are, and where the model and the engine end."""
        engine = plan.scenario.engine
        words = ["share of the usable memory", "[ ] is asked now"]
        if plan.limits.model_context in self.contexts:
            words.append("≤ the model's limit")
        if isinstance(engine, Slotted):
            words.append(f"{engine.title} serves {engine.most_sequences} at most")
        return " · ".join(words)

    def _names(self) -> list[str]:
        """The contexts in few cells; the model's own limit with its sign."""
        limit = None if self.plan is None else self.plan.limits.model_context
        return [f"{'≤' if n == limit else ''}{format_tokens_short(n)}" for n in self.contexts]

    def _read_out(self, plan: Plan) -> Content:
        """`×4 of 16,384 tokens: 17.2 of 23.0 GiB, 5.80 GiB to spare`."""
        row, column = min(self.cursor, len(self.loads) - 1), self.column
        fill, context, load = self.fills[row][column], self.contexts[column], self.loads[row]
        spare = fill.budget - fill.needed
        verdict = (
            Content.assemble(("lands", f"bold {GOOD}"), f", {format_bytes(spare)} to spare")
            if spare >= 0
            else Content.assemble(
                ("does not land", f"bold {BAD}"), f", {format_bytes(-spare)} missing"
            )
        )
        limit = plan.limits.model_context
        beyond = limit is not None and context > limit
        notes = f" · beyond the model's {limit:,}" if beyond else ""
        return Content.assemble(
            (f"×{load} of {format_tokens(context)} tokens", "bold"),
            f": {format_bytes(fill.needed)} of {format_bytes(fill.budget)}, ", verdict,
            (notes, QUIET),
        )  # fmt: skip

    def rows(self, width: int) -> Sequence[Content]:
        """A row per number of sequences."""
        return [
            Content.assemble((right(f"×{load}", LABEL - 1).plain, QUIET), " ", *self._cells(r))
            for r, load in enumerate(self.loads)
        ]

    def _cells(self, row: int) -> list[Content]:
        return [self._cell(row, column) for column in range(len(self.contexts))]

    def _cell(self, row: int, column: int) -> Content:
        share = self.fills[row][column].share
        plan = self.plan
        current = (
            plan is not None
            and self.contexts[column] == plan.scenario.context
            and self.loads[row] == plan.scenario.concurrency
        )
        text = "never" if share == float("inf") else f"{share:.0%}" if share < 9.995 else ">999%"
        body = f"[{text}]" if current else text
        under = self.has_focus and row == self.cursor and column == self.column
        style = f"{'bold ' if current else ''}{'reverse ' if under else ''}{ink(share)}"
        return Content.styled(f"{body:>{CELL - 1}} ", style)


def ink(share: float) -> str:
    """Quiet where there is plenty, warning where it is tight, and error beyond."""
    if share > 1:
        return "$foreground 45%"
    if share > 0.9:
        return "$foreground on $warning 40%"
    return f"$foreground on $success {35 if share > 0.6 else 20}%"


def spread(here: int, longest: int, columns: int) -> list[int]:
    """At most `columns` contexts by powers of two, with `here` and the longest among them."""
    steps = {longest, here}
    power = FIRST_CONTEXT
    while power < longest:
        steps.add(power)
        power *= 2
    found = sorted(steps)
    while len(found) > columns:
        found.remove(next(n for n in found if n not in {here, longest}))
    return found


def loads(here: int, most: int) -> list[int]:
    """At most `most` numbers of sequences by powers of two, with `here` among them."""
    found = sorted({1 << n for n in range(most)} | {here})
    while len(found) > most:
        found.remove(next(n for n in reversed(found) if n != here))
    return found
