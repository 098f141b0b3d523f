"""Models that were found, with what each would do on these cards."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from llm_lander_tui.models import shelf
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.planner.glance import Glance
from llm_lander_tui.units import format_count, format_tokens
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.rows import Lazy, Rows
from llm_lander_tui.widgets.words import (
    BAD,
    GOOD,
    KEY,
    QUIET,
    WARN,
    between,
    fitted,
    format_bytes,
    right,
    shortened,
)

ORDERS = ("best", "context", "size", "newest", "name")
"""What the list can be sorted by: `best` is what lands first, the nearest sources on top."""
GOOD_BITS = 4.0
"""Bits of a weight below which a model is not proposed first."""
ROOMY = 90
"""Columns from which month and verdict have columns of their own."""
GROUPS = {shelf.GGUF_OF_HUB: 2, shelf.QUANTISED: 3, "Hub": 4}
"""Hits of the Hub stand below what is at hand, so that they move nothing when they arrive."""


class Hits(Rows):
    """Models with size, format, largest context and verdict."""

    DEFAULT_CSS = "Hits { height: 1fr; background: $panel; }"

    always_marked = True

    def __init__(self) -> None:
        super().__init__(id="hits")
        self.hits: tuple[Hit, ...] = ()
        self.seen: dict[str, Glance | None] = {}
        self.failed: dict[str, str] = {}
        self.wanted = 0
        self.text = ""
        self.order = ORDERS[0]

    def show(self, hits: tuple[Hit, ...], wanted: int, text: str) -> None:
        """Show hits in the order that was chosen; the cursor stays on its model."""
        self.wanted = wanted
        self.text = text.lower()
        under = self.hit
        self.hits = tuple(sorted(hits, key=self._rank))
        names = [hit.name for hit in self.hits]
        if self.cursor and under is not None and under.name in names:
            self.set_reactive(Hits.cursor, names.index(under.name))
        self.redraw()

    def sort_next(self) -> None:
        """Sort by the next of the orders, from the top."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self.cursor = 0
        self.show(self.hits, self.wanted, self.text)

    def _rank(self, hit: Hit) -> tuple[object, ...]:
        seen = self.seen.get(hit.name)
        parameters = seen.parameters if seen is not None else 0
        reach = (seen.max_context or 0) if seen is not None else -1
        if self.order == "name":
            return (hit.name.lower().rpartition("/")[2], hit.name)
        if self.order == "newest":
            # A month sorts as a number, the latest first and none at the end.
            return (-int(hit.created.replace("-", "") or 0), -parameters)
        if self.order == "size":
            return (-parameters, -hit.bytes)
        if self.order == "context":
            return (-reach, -parameters)
        return self._best(hit, seen)

    def _best(self, hit: Hit, seen: Glance | None) -> tuple[int, int, int, int]:
        if self.text in {hit.name.lower(), hit.name.lower().rpartition("/")[2]}:
            return (-1, 0, 0, 0)
        group = GROUPS.get(hit.source, 0)
        if seen is None:
            return (group, 2, -hit.bytes, 0)
        reach = seen.max_context or 0
        if hit.source == shelf.GGUF_OF_HUB:
            # The largest file that gives the context that is asked for; then what else lands.
            rank = 3 if seen.max_context is None else 0 if reach >= self.wanted else 1
            return (group, rank, -hit.bytes, 0)
        lands = seen.max_context is not None and reach >= min(self.wanted, 2048)
        if not self.text:
            good = seen.weights is not None and seen.weights.bits >= GOOD_BITS
            return (group, 0 if lands and good else 1, -seen.parameters, -reach)
        return (group, 0 if lands else 1, -reach, -seen.parameters)

    @property
    def hit(self) -> Hit | None:
        """The model under the cursor."""
        return self.hits[self.cursor] if self.cursor < len(self.hits) else None

    @property
    def in_view(self) -> tuple[Hit, ...]:
        """The hits that are on the screen."""
        return self.hits[self._top : self._top + max(1, self.size.height - 1)]

    def headings(self, width: int) -> Sequence[Content]:
        """The columns; a mark on the one that is sorted by."""
        width -= self._three_digits
        line = _columns(
            self._heading("model", "name"),
            "from",
            self._heading("size", "size"),
            "weights",
            self._heading("max context" if width >= ROOMY else "context", "context"),
            self._heading("on Hub", "newest"),
            "",
            width=width,
            dated=self.order == "newest",
        )
        return (Content.styled(line.plain, QUIET),)

    def _heading(self, word: str, order: str) -> str:
        return f"{word} ▾" if self.order == order else word

    def validate_cursor(self, cursor: int) -> int:
        """Within the hits."""
        return max(0, min(cursor, len(self.hits) - 1))

    def rows(self, width: int) -> Sequence[Content]:
        """A model a row."""
        width -= self._three_digits
        return Lazy(len(self.hits), lambda n: self._row(self.hits[n], width))

    @property
    def _three_digits(self) -> int:
        """A column more for how many hits are hidden, where that takes three digits."""
        return int(len(self.hits) >= 100)

    def _row(self, hit: Hit, width: int) -> Content:
        seen = self.seen.get(hit.name)
        dated = self.order == "newest"
        if seen is None:
            return _noted(hit, self.note(hit), width, dated=dated)
        lands = seen.max_context is not None
        return _columns(
            hit.name,
            hit.source,
            format_bytes(hit.bytes) if hit.files and hit.bytes else format_count(seen.parameters),
            seen.formats,
            format_tokens(seen.max_context) if seen.max_context is not None else "–",
            hit.created or "–",
            "lands" if lands else "does not land",
            width=width,
            dated=dated,
        )

    def note(self, hit: Hit) -> str:
        """What stands in place of figures."""
        failed = self.failed.get(hit.name)
        if failed:
            return failed
        if hit.local and hit.name not in self.seen:
            return "looking …"
        return hit.note


def _room(width: int) -> int:
    return max(16, width - (67 if width >= ROOMY else 39))


def _lead(name: str, source: str, width: int) -> Content:
    room = _room(width)
    return Content.assemble(
        fitted(Content(shortened(name, room - 1)), room), (fitted(Content(source), 9).plain, QUIET)
    )


def _noted(hit: Hit, note: str, width: int, *, dated: bool) -> Content:
    """A row without figures: what is known instead takes their room."""
    second = hit.created or "–" if dated and width < ROOMY else hit.source
    lead = _lead(hit.name, second, width)
    return Content.assemble(
        lead, (fitted(Content(f" {note}"), width - lead.cell_length).plain, QUIET)
    )


def _columns(*cells: str, width: int, dated: bool) -> Content:
    """In few columns the month stands where the source does, once it is sorted by."""
    name, source, size, weights, most, created, verdict = cells
    roomy = width >= ROOMY
    style = GOOD if verdict == "lands" else BAD if verdict == "does not land" else QUIET
    return Content.assemble(
        _lead(name, created if dated and not roomy else source, width),
        right(size, 8),
        " ",
        fitted(Content(weights), 12),
        (right(most, 12 if roomy else 9).plain, "" if roomy else style),
        (right(created, 10).plain, QUIET) if roomy else "",
        "  " if roomy else "",
        (verdict if roomy else "", style),
    )


class Foot(Lines):
    """What is known of the model under the cursor, what is being waited for, how to sort."""

    DEFAULT_CSS = "Foot { height: 3; }"

    def __init__(self, hits: Hits) -> None:
        super().__init__(id="foot")
        self.hits = hits
        self.waiting = ""
        self.trouble = ""

    def say(self, waiting: str, trouble: str) -> None:
        """What is waited for, and what went wrong."""
        self.waiting = waiting
        self.trouble = trouble
        self.redraw()

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Air, the model or the trouble, the orders."""
        orders = Content("  ").join(
            Content.styled(order, "reverse" if order == self.hits.order else QUIET)
            for order in ORDERS
        )
        keys = Content.assemble(("^s", KEY), " sort ", orders)
        return (Content(""), self._about(width), fitted(keys, width))

    def _about(self, width: int) -> Content:
        waiting = Content.styled(self.waiting, KEY)
        if self.trouble:
            return between(Content.styled(self.trouble, WARN), waiting, width)
        hit = self.hits.hit
        if hit is None:
            return between(
                Content.styled("nothing found yet" if self.waiting else "nothing found", QUIET),
                waiting,
                width,
            )
        since = f"on the Hub since {hit.created}" if hit.created else ""
        opens = "enter shows its files" if hit.holds_files else ""
        words = (hit.name, self.hits.failed.get(hit.name, ""), hit.note, since, opens)
        about = " · ".join(word for word in words if word)
        return between(Content.styled(about, QUIET), waiting, width)
