"""What single changes are worth in tokens of context, ranked; enter applies one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.units import format_tokens
from llm_lander_tui.widgets.rows import ComparingRows
from llm_lander_tui.widgets.view import Pointing
from llm_lander_tui.widgets.words import (
    BAD,
    GOOD,
    QUIET,
    between,
    fitted,
    format_bytes,
    right,
    short_gpu,
    signed_tokens,
    token_change,
)

if TYPE_CHECKING:
    from llm_lander_tui.planner.changes import Change
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.planner.scenario import Scenario

ROOM_FOR_WORDS = 48
"""Columns from which the first row is written out."""
WORTH = 10
"""Columns of what a change is worth."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A plan's changes: the shortest ways to land, and the others by worth."""

    plan: Plan
    ways: tuple[Change, ...]
    singles: tuple[Change, ...]


def rank(plan: Plan) -> Ranked:
    """Rank the changes of a plan; takes longer than a frame."""
    from llm_lander_tui.planner.changes import changes, landings

    ways = landings(plan)
    named = {way.label for way in ways}
    return Ranked(plan, ways, tuple(c for c in changes(plan) if c.label not in named))


class Prices(ComparingRows, Pointing):
    """The shortest ways to land when the plan does not, then every change with its worth."""

    DEFAULT_CSS = "Prices { padding: 0 1; }"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "apply", id="prices.apply")]

    def __init__(self) -> None:
        super().__init__(id="prices")
        self.plan: Plan | None = None
        self.ways: tuple[Change, ...] = ()
        self.singles: tuple[Change, ...] = ()

    def show(self, ranked: Ranked) -> None:
        """Show the changes of a plan."""
        self.plan = ranked.plan
        self.ways = ranked.ways
        self.singles = ranked.singles
        self.cursor = 0
        self.redraw()

    def action_choose(self) -> None:
        """The first row is the plan as it is, and changes nothing."""
        if self.cursor:
            super().action_choose()

    @property
    def listed(self) -> tuple[Change, ...]:
        """All rows."""
        return (*self.ways, *self.singles)

    def under_cursor(self) -> Scenario | None:
        """The scenario of the change under the cursor."""
        return self.listed[self.cursor - 1].scenario if self.cursor else None

    def headings(self, width: int) -> Sequence[Content]:
        """What the list is."""
        if self.plan is None:
            return ()
        title = "one change gives" if self.plan.fits else "ways to land"
        return (
            between(Content.styled(title, QUIET), Content.styled("memory holds", QUIET), width),
        )

    def rows(self, width: int) -> Sequence[Content]:
        """A change a row."""
        if self.plan is None:
            return []
        limits = self.plan.limits
        most = format_tokens(limits.memory_context) if limits.lands else "none"
        return [
            self._as_it_is(self.plan, most, width),
            *(self._row(change, width, way=True) for change in self.ways),
            *(self._row(change, width, way=False) for change in self.singles),
        ]

    def _as_it_is(self, plan: Plan, most: str, width: int) -> Content:
        """What memory holds now; the model's own limit where it ends earlier."""
        limits = plan.limits
        note: tuple[str, str] | str = ""
        if limits.binding == "model" and limits.model_context is not None:
            room = width >= ROOM_FOR_WORDS and self.baseline is None
            end = format_tokens(limits.model_context)
            note = (f" · the model's limit is {end}" if room else f" · model {end}", QUIET)
        pinned = self.baseline.limits.memory_context if self.baseline is not None else None
        holds = Content.assemble((most, "bold"), token_change(limits.memory_context, pinned))
        return between(Content.assemble("as it is", note), holds, width)

    def _beyond(self, change: Change) -> bool:
        """Whether before and after memory holds more than the model can use."""
        if self.plan is None or self.plan.limits.model_context is None:
            return False
        now = self.plan.limits.memory_context
        return min(now, now + change.context_delta) >= self.plan.limits.model_context

    def _longest(self, change: Change, width: int, *words: str) -> Content:
        """The longest of some notes beside which the change keeps its name; else the shortest."""
        room = width - WORTH - 1 - len(short_gpu(change.label))
        return Content.styled(next((w for w in words if len(w) <= room), words[-1]), QUIET)

    def _row(self, change: Change, width: int, *, way: bool) -> Content:
        delta = change.context_delta
        beyond = self._beyond(change)
        style = QUIET if beyond or not delta else GOOD if delta > 0 else BAD
        worth = right(signed_tokens(delta) if delta else "same", WORTH)
        note = Content("")
        plan = self.plan
        if plan is not None and change.fits != plan.fits:
            slow = (", slow", QUIET) if change.host_bytes else ""
            note = (
                Content.assemble((" lands", f"bold {GOOD}"), slow)
                if change.fits
                else Content.styled(" no longer lands", BAD)
            )
        elif change.host_bytes:
            note = self._longest(
                change, width, f" {format_bytes(change.host_bytes)} to the host: slow", " slow"
            )
        elif way:
            note = Content.styled(f" {format_bytes(change.spare_bytes)} to spare", QUIET)
        elif beyond:
            note = self._longest(change, width, " beyond the model's limit", " beyond it", "")
        room = width - worth.cell_length - note.cell_length - 1
        return Content.assemble(
            fitted(Content(_named(change.label, max(8, room))), max(8, room)),
            note, " ", (worth.plain, style),
        )  # fmt: skip


def _named(label: str, room: int) -> str:
    """A change's name; an option that is too long keeps its value."""
    name = short_gpu(label)
    flag, _, value = name.rpartition(" ")
    cut = room - len(value) - 2
    if len(name) <= room or not flag.startswith("--") or cut < len("--x"):
        return name
    return f"{flag[:cut]}… {value}"
