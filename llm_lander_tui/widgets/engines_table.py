"""The same question to every engine, and the reason for each difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.engines import registry
from llm_lander_tui.planner.compare import EngineRow, by_engine
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB, format_tokens
from llm_lander_tui.widgets.header import ROOMY
from llm_lander_tui.widgets.memory_bar import by_kind
from llm_lander_tui.widgets.rows import ComparingRows
from llm_lander_tui.widgets.view import View
from llm_lander_tui.widgets.words import (
    BAD,
    GOOD,
    QUIET,
    byte_change,
    fitted,
    format_bytes,
    right,
    signed_bytes,
    token_change,
)

NOTICED = 64 * MIB
"""Differences below this are not named."""


class EnginesTable(ComparingRows, View):
    """Two lines an engine: its answer, and what it spends otherwise than the plan's own."""

    DEFAULT_CSS = "EnginesTable { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "use this engine", id="engines.apply"),
    ]
    per_row = 2

    def __init__(self) -> None:
        super().__init__(id="engines")
        self.plan: Plan | None = None
        self.found: tuple[EngineRow, ...] = ()

    def work(self, plan: Plan) -> Callable[[], tuple[EngineRow, ...]]:
        """What has to be worked out for a plan: the answer of every engine."""
        return partial(by_engine, plan.scenario, registry.engines())

    def show(self, plan: Plan, found: tuple[EngineRow, ...]) -> None:
        """Show the answers."""
        self.plan = plan
        self.found = found
        ids = [row.engine.id for row in self.found]
        if plan.scenario.engine.id in ids:
            self.cursor = ids.index(plan.scenario.engine.id)
        self.redraw()

    def under_cursor(self) -> Scenario | None:
        """The scenario on the engine under the cursor."""
        if self.cursor >= len(self.found):
            return None
        plan = self.found[self.cursor].plan
        return None if plan is None else plan.scenario

    def headings(self, width: int) -> Sequence[Content]:
        """The columns."""
        names = ("engine", "", "weights", "KV", "needs", "of", "max context", "at once")
        line = _columns(*names, width=width)
        return (Content.styled(fitted(line, width).plain, QUIET),)

    def rows(self, width: int) -> Sequence[Content]:
        """Two lines an engine."""
        lines: list[Content] = []
        for row in self.found:
            lines += [fitted(self._answer(row, width), width), fitted(self._reason(row), width)]
        return lines

    def _answer(self, row: EngineRow, width: int) -> Content:
        plan = row.plan
        if plan is None:
            return Content.assemble(
                fitted(Content(row.engine.title), 16), ("runs it in no format", QUIET)
            )
        tightest = min(plan.devices, key=lambda d: d.spare_bytes, default=None)
        if tightest is None:
            return Content(row.engine.title)
        limits = plan.limits
        return _columns(
            row.engine.title,
            "lands" if plan.fits else "does not",
            plan.scenario.weights.name,
            plan.scenario.kv.name,
            format_bytes(tightest.needed_bytes),
            format_bytes(tightest.budget.bytes),
            format_tokens(limits.max_context) if limits.lands else "–",
            f"×{limits.max_concurrency}" if limits.lands else "–",
            width=width,
        )

    def _reason(self, row: EngineRow) -> Content:
        plan, own = row.plan, self.plan
        if plan is None or own is None or not plan.devices:
            return Content("")
        if plan.problems:
            return Content.styled(f"  {plan.problems[0]}", BAD)
        why = plan.devices[0].budget.why
        pinned = None if self.baseline is None else self.baseline.limits.max_context
        spare = None if self.baseline is None else self.baseline.spare_bytes
        parts = [token_change(plan.limits.max_context, pinned)]
        left = byte_change(plan.spare_bytes, spare, more_is_better=True)
        parts.append(Content.assemble(" spare", left) if left else left)
        parts += [Content.styled(f" {word}", QUIET) for word in (*differences(plan, own), why)]
        return Content.assemble(" ", Content.styled(";", QUIET).join([p for p in parts if p]))


def differences(plan: Plan, own: Plan) -> list[str]:
    """The two kinds of memory in which a plan differs most from another, in words."""
    mine = dict(by_kind(a for d in own.devices for a in d.allocations))
    theirs = dict(by_kind(a for d in plan.devices for a in d.allocations))
    deltas = {kind: theirs.get(kind, 0) - mine.get(kind, 0) for kind in {*mine, *theirs}}
    largest = sorted(deltas.items(), key=lambda item: -abs(item[1]))[:2]
    return [f"{kind.value} {signed_bytes(d)}" for kind, d in largest if abs(d) >= NOTICED]


def _columns(*cells: str, width: int) -> Content:
    engine, verdict, weights, kv, need, of, most, load = cells
    return Content.assemble(
        fitted(Content(engine), 15),
        (fitted(Content(verdict), 9).plain, GOOD if verdict == "lands" else BAD),
        fitted(Content(weights), 12),
        fitted(Content(kv), 7),
        right(need, 9),
        right(of, 11) if width >= ROOMY else "",
        right(most, 12),
        right(load, 8),
    )
