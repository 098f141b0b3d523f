"""One finder for models, wherever they come from, with what each would do on these cards."""

from __future__ import annotations

import string
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.keys import _character_to_key
from textual.message import Message
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input

from llm_lander_tui.errors import LanderError
from llm_lander_tui.models import shelf
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.glance import Glance, glance
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.screens.sheet import Title
from llm_lander_tui.units import format_count, format_tokens
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import BAD, GOOD, QUIET, fitted, right, shortened

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp
    from llm_lander_tui.models.model import Model

PAUSE = 0.5
"""Seconds without a letter after which the Hub is asked."""
SHORTEST = 3
"""Letters from which the Hub is asked."""
BATCH = 4
"""Models looked at between two updates of the list."""
MOST = 60
GOOD_BITS = 4.0
"""Bits of a weight below which a model is not proposed first."""
EARLY = string.ascii_letters + string.digits + string.punctuation + " "
"""Letters that may be typed before the finder is there."""


class Found(Message):
    """Hits of a source that had to be waited for."""

    def __init__(self, text: str, hits: tuple[Hit, ...], trouble: str = "") -> None:
        super().__init__()
        self.text = text
        self.hits = hits
        self.trouble = trouble


class Hits(Rows):
    """Models with size, format, largest context and verdict."""

    DEFAULT_CSS = "Hits { height: 1fr; background: $panel; }"

    always_marked = True

    def __init__(self) -> None:
        super().__init__(id="hits")
        self.hits: tuple[Hit, ...] = ()
        self.seen: dict[str, Glance | None] = {}
        self.wanted = 0
        self.text = ""

    def show(self, hits: tuple[Hit, ...], wanted: int, text: str) -> None:
        """Show hits: what is named in full, then those that land, the most context on top."""
        self.wanted = wanted
        self.text = text.lower()
        self.hits = tuple(sorted(hits, key=self._rank))
        self.redraw()

    def _rank(self, hit: Hit) -> tuple[int, int, int]:
        if self.text in {hit.name.lower(), hit.name.lower().rpartition("/")[2]}:
            return (-1, 0, 0)
        if not hit.local:
            return ({"Hub": 4, shelf.QUANTISED: 3}.get(hit.source, 0), 0, 0)
        seen = self.seen.get(hit.name)
        if seen is None:
            return (2, 0, 0)
        lands = seen.max_context is not None and seen.max_context >= min(self.wanted, 2048)
        if not self.text:
            good = seen.weights is not None and seen.weights.bits >= GOOD_BITS
            return (0 if lands and good else 1, -seen.parameters, -(seen.max_context or 0))
        return (0 if lands else 1, -(seen.max_context or 0), -seen.parameters)

    @property
    def hit(self) -> Hit | None:
        """The model under the cursor."""
        return self.hits[self.cursor] if self.cursor < len(self.hits) else None

    def headings(self, width: int) -> Sequence[Content]:
        """The columns."""
        line = _columns(
            "model",
            "from",
            "size",
            "weights",
            "max context" if width >= 90 else "context",
            "",
            width=width,
        )
        return (Content.styled(line.plain, QUIET),)

    def rows(self, width: int) -> Sequence[Content]:
        """A model a row."""
        return [self._row(hit, width) for hit in self.hits]

    def _row(self, hit: Hit, width: int) -> Content:
        seen = self.seen.get(hit.name)
        if seen is None:
            note = hit.note or ("looking …" if hit.local and hit.name not in self.seen else "")
            return _columns(hit.name, hit.source, "", "", "", note, width=width)
        lands = seen.max_context is not None
        return _columns(
            hit.name,
            hit.source,
            format_count(seen.parameters),
            seen.weights.name if seen.weights is not None else "–",
            format_tokens(seen.max_context) if seen.max_context is not None else "–",
            "lands" if lands else "does not land",
            width=width,
        )


def _columns(*cells: str, width: int) -> Content:
    name, source, size, weights, most, verdict = cells
    roomy = width >= 90
    room = max(16, width - (9 + 9 + 12 + 13 + 15 if roomy else 9 + 9 + 12 + 9))
    style = GOOD if verdict == "lands" else BAD if verdict == "does not land" else QUIET
    if not roomy:
        verdict = ""
    return Content.assemble(
        fitted(Content(shortened(name, room - 1)), room),
        (fitted(Content(source), 9).plain, QUIET),
        right(size, 8),
        " ",
        fitted(Content(weights), 12),
        (right(most, 12 if roomy else 9).plain, "" if roomy else style),
        "  " if roomy else "",
        (verdict, style),
    )


class Words(Input):
    """What is looked for."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave the finder's bindings for letters in force: they were typed before the focus."""
        return False


class ModelFinder(ModalScreen[str]):
    """Dismissed with the name of a model; esc keeps the one that is planned."""

    CSS_PATH = "finder.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "move(-10)", "up", show=False),
        Binding("pagedown", "move(10)", "down", show=False),
        Binding("ctrl+n", "manual", "by hand", show=False),
        # Letters come this way only until the input line has the focus.
        *(Binding(_character_to_key(letter), f"early({letter!r})", show=False) for letter in EARLY),
    ]

    def __init__(self, scenario: Scenario | None, text: str = "") -> None:
        super().__init__()
        self.scenario = scenario
        self.text = text
        self._elsewhere: tuple[Hit, ...] = ()
        self._ollama: tuple[Hit, ...] = ()
        self._pause: Timer | None = None
        self._trouble = ""
        self._early = ""
        self._open = False

    def compose(self) -> ComposeResult:
        """A line to type in, and the hits."""
        with VerticalGroup(classes="finder"):
            yield Title("Find a model", "enter plan it   ^n by hand   esc")
            text = Words(
                self.text,
                placeholder="name, owner/name, /path/to.gguf, ollama:name",
                compact=True,
                select_on_focus=False,
            )
            text.cursor_blink = False
            yield text
            yield Hits()

    @property
    def lander(self) -> LanderApp:
        """The app, by its own type."""
        return cast("LanderApp", self.app)

    def on_mount(self) -> None:
        """Show what is at hand, and ask Ollama what it has; letters replace the last words."""
        entry = self.query_one(Input)
        entry.select_all()
        self._open = True
        if self._early:
            self._type_early()
        self._list()
        threading.Thread(target=self._ask_ollama, daemon=True).start()

    def action_early(self, letter: str) -> None:
        """A letter that was typed before the input line had the focus."""
        self._early += letter
        if self._open:
            self._type_early()

    def _type_early(self) -> None:
        entry = self.query_one(Input)
        before = "" if entry.selected_text == entry.value else entry.value
        entry.value = before + self._early
        entry.cursor_position = len(entry.value)
        self._early = ""

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.text = event.value
        self._elsewhere = ()
        self._trouble = ""
        self.query_one(Hits).cursor = 0
        self._list()
        if self._pause is not None:
            self._pause.stop()
        local = self.text.startswith(("/", ".", "~")) or self.text.lower().startswith("ollama:")
        if len(self.text.strip()) >= SHORTEST and not local:
            self._pause = self.set_timer(PAUSE, self._ask_hub)

    def _list(self) -> None:
        text = self.text.strip()
        mine = [hit for hit in self._ollama if text.lower() in hit.name.lower()]
        near = [
            *shelf.files(self.text),
            *shelf.typed(text),
            *shelf.presets(text),
            *shelf.cached(text),
            *mine,
        ]
        # Without words every preset is looked at, so that the best for these cards come first.
        hits = shelf.distinct([*(near[:MOST] if text else near), *self._elsewhere])
        wanted = self.scenario.context if self.scenario is not None else 0
        self.query_one(Hits).show(hits, wanted, text)
        self._look()

    def _look(self) -> None:
        """Work out the next few models that are shown and not known yet."""
        rows, scenario = self.query_one(Hits), self.scenario
        names = [hit.name for hit in rows.hits if hit.local and hit.name not in rows.seen]
        if names and scenario is not None:
            work = partial(_glances, scenario, names[:BATCH])
            self.lander.workbench.ask("finder", work, self._looked)

    def _looked(self, found: dict[str, Glance | None]) -> None:
        if not self.is_attached:
            return
        rows = self.query_one(Hits)
        rows.seen.update(found)
        under = rows.hit
        rows.show(rows.hits, rows.wanted, rows.text)
        if under is not None and rows.cursor:
            rows.cursor = [hit.name for hit in rows.hits].index(under.name)
        self._look()

    def _ask_hub(self) -> None:
        threading.Thread(target=self._search, args=(self.text.strip(),), daemon=True).start()

    def _search(self, text: str) -> None:
        """In a thread of its own: a slow Hub keeps nobody waiting."""
        try:
            named = shelf.sisters(text) if text.count("/") == 1 and not text.endswith("/") else ()
            self.post_message(Found(text, (*named, *shelf.hub(text))))
        except LanderError as error:
            self.post_message(Found(text, (), f"{error.title}: {error.message}"))

    def _ask_ollama(self) -> None:
        self.post_message(Found("", shelf.ollama()))

    @on(Found)
    def _found(self, event: Found) -> None:
        if not event.text:
            self._ollama = event.hits
        elif event.text == self.text.strip():
            self._elsewhere = event.hits
            if event.trouble:
                self._elsewhere = (Hit(event.text, "Hub", event.trouble),)
        self._list()

    def action_move(self, by: int) -> None:
        """Move the cursor of the list."""
        self.query_one(Hits).cursor += by

    @on(Input.Submitted)
    @on(Rows.Chosen)
    def _choose(self) -> None:
        hit = self.query_one(Hits).hit
        if hit is not None and hit.source == "folder":
            self.query_one(Input).value = hit.name
            self.query_one(Input).cursor_position = len(hit.name)
            return
        name = hit.name if hit is not None else self.text.strip()
        if name:
            self.lander.finder_text = self.text
            self.dismiss(name)

    def action_manual(self) -> None:
        """Describe a model by hand instead."""
        self.dismiss(None)
        self.lander.action_manual()


def promised(scenario: Scenario, model: Model) -> Glance:
    """What `LanderState.with_model` plans for a model. Raises `UsageError` where it cannot."""
    moved = moves.with_model(scenario, model)
    plan = evaluate(moved)
    if not plan.fits:
        return glance(moved, model)
    return Glance(model.architecture.parameters, moved.weights, plan.limits.max_context)


def _glances(scenario: Scenario, names: Sequence[str]) -> dict[str, Glance | None]:
    """What each model would do; None where it cannot be read."""
    from llm_lander_tui.models.sources import resolve

    found: dict[str, Glance | None] = {}
    for name in names:
        try:
            found[name] = promised(scenario, resolve(name))
        except (LanderError, NotImplementedError):
            found[name] = None
    return found
