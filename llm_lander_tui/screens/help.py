"""Every key, and what it does here."""

from __future__ import annotations

from collections.abc import Iterator

from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen

from llm_lander_tui.keys import PROGRAM, WHAT_IF
from llm_lander_tui.screens.sheet import Sheet
from llm_lander_tui.widgets.key_bar import written
from llm_lander_tui.widgets.words import KEY, QUIET, fitted

SIDE_BY_SIDE = 78
"""Columns from which the two keys of a pair stand in one line."""
ENTRY = 38
"""Columns of a key and its description."""


class HelpSheet(Sheet):
    """Made from the bindings that are in force, so that a changed key map shows as it is."""

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__("Keys", list(_lines(screen, screen.app.size.width)))


def _lines(screen: Screen[object], width: int) -> Iterator[Content]:
    active = {a.binding.id: a.binding for a in screen.active_bindings.values() if a.binding.id}
    shared = {binding.id for binding in (*PROGRAM, *WHAT_IF)}
    yield Content.styled("what if: the answer follows at once, on every screen", QUIET)
    pairs = [(active.get(b.id or "", b), b) for b in WHAT_IF]
    for (one, _), (two, _) in zip(pairs[::2], pairs[1::2], strict=True):
        if width >= SIDE_BY_SIDE:
            yield Content.assemble(fitted(_entry(one), ENTRY), _entry(two))
        else:
            yield from (_entry(one), _entry(two))
    yield Content("")
    yield Content.styled("here", QUIET)
    own = [b for name, b in active.items() if name not in shared and b.show]
    for binding in own:
        yield _entry(binding)
    yield Content.assemble(_word("↑ ↓ ← →", "move the cursor"))
    yield Content.assemble(_word("tab", "next list"))
    yield Content("")
    yield Content.styled("everywhere", QUIET)
    for binding in PROGRAM:
        now = active.get(binding.id or "", binding)
        yield _word(written(now.key), binding.tooltip or binding.description)
    yield _word("^p", "Every command by name")
    yield _word("^q", "Leave the program")
    yield Content("")
    yield Content.styled(
        "Numbers are exact where the engine counts them itself; ±6% is the spread seen of a law "
        "that was fitted to measured runs; rough is a rule of thumb. x shows each sum.",
        QUIET,
    )


def _entry(binding: Binding) -> Content:
    return _word(written(binding.key), binding.description)


def _word(key: str, description: str) -> Content:
    return Content.assemble((f"{key:>8}", KEY), "  ", description)
