"""One finder for models, wherever they come from, with what each would do on these cards."""

from __future__ import annotations

import string
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.keys import _character_to_key
from textual.message import Message
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input

from llm_lander_tui.errors import LanderError, UsageError
from llm_lander_tui.models import shelf
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.peeks import Peeks
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.planner.glance import Glance, promised
from llm_lander_tui.planner.launched import is_command, parse_command
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.screens.sheet import Title
from llm_lander_tui.widgets.hits import Foot, Hits
from llm_lander_tui.widgets.rows import Rows

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp

PAUSE = 0.5
"""Seconds without a letter after which the Hub is asked."""
SHORTEST = 3
"""Letters from which the Hub is asked."""
TICK = 1.0
"""Seconds between two words about how long the Hub has been taking."""
BATCH = 4
"""Models looked at in one go, between which a letter may come."""
ORDER = 0.4
"""Seconds between two times that new figures put the list in another order."""
MOST = 60
OLLAMA, SEARCH, SISTERS, FILES = "ollama", "search", "sisters", "files"
"""The parts of the list that have to be waited for."""
COMMAND = "command"
"""The source of the hit that is a start command."""
EARLY = string.ascii_letters + string.digits + string.punctuation + " "
"""Letters that may be typed before the finder is there."""


class Found(Message):
    """Hits of a source that had to be waited for; `part` is which of the sources."""

    def __init__(self, text: str, part: str, hits: tuple[Hit, ...], trouble: str = "") -> None:
        super().__init__()
        self.text = text
        self.part = part
        self.hits = hits
        self.trouble = trouble


class Peeked(Message):
    """More is known of hits that had to be looked into."""

    def can_replace(self, message: Message) -> bool:
        """One look at what is known is enough."""
        return isinstance(message, Peeked)


class Words(Input):
    """What is looked for."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave the finder's bindings for letters in force: they were typed before the focus."""
        return False

    def _on_paste(self, event: events.Paste) -> None:
        """Leave a start command, which no model is named like, to the app."""
        if is_command(event.text):
            event.prevent_default()
            self.screen.dismiss()


class ModelFinder(ModalScreen[str], Painted[str]):
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
        Binding("ctrl+s", "sort", "sort", show=False),
        # Letters come this way only until the input line has the focus.
        *(Binding(_character_to_key(letter), f"early({letter!r})", show=False) for letter in EARLY),
    ]

    def __init__(
        self, scenario: Scenario | None, text: str = "", peeks: Peeks | None = None
    ) -> None:
        super().__init__()
        self.scenario = scenario
        self.text = text
        self.peeks = peeks or Peeks()
        self._parts: dict[str, tuple[Hit, ...]] = {}
        self._troubles: dict[str, str] = {}
        self._asked: set[str] = set()
        self._waited = 0.0
        self._cancel = threading.Event()
        self._pause: Timer | None = None
        self._ordering: Timer | None = None
        self._paused_at = ""
        self._early = ""
        self._open = False

    def compose(self) -> ComposeResult:
        """A line to type in, and the hits."""
        with VerticalGroup(classes="finder"):
            yield Title("Find a model", "↑↓ enter plan it   ^n by hand   esc")
            text = Words(
                self.text,
                placeholder="name, owner/name, /path/to.gguf, ollama:name, a start command",
                compact=True,
                select_on_focus=False,
            )
            text.cursor_blink = False
            yield text
            hits = Hits()
            yield hits
            yield Foot(hits)

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
        self.set_interval(TICK, self._tick)
        self._ask(OLLAMA, "", lambda _: shelf.ollama())

    def on_unmount(self) -> None:
        """Give up what is still being asked."""
        self._cancel.set()
        self.peeks.stop()

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
        self._cancel.set()
        self._cancel = threading.Event()
        self._parts = {part: hits for part, hits in self._parts.items() if part == OLLAMA}
        self._asked &= {OLLAMA}
        self._troubles.clear()
        self.query_one(Hits).cursor = 0
        self._list()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._ask_hub)

    def _list(self) -> None:
        text = self.text.strip()
        ollama = self._parts.get(OLLAMA, ())
        near = [
            *_command(text),
            *shelf.files(self.text),
            *shelf.typed(text),
            *shelf.presets(text),
            *shelf.cached(text),
            *(hit for hit in ollama if text.lower() in hit.name.lower()),
        ]
        elsewhere = [hit for part in (FILES, SISTERS, SEARCH) for hit in self._parts.get(part, ())]
        # Without words every preset is looked at, so that the best for these cards come first.
        hits = shelf.distinct([*(near[:MOST] if text else near), *elsewhere])
        wanted = self.scenario.context if self.scenario is not None else 0
        self.query_one(Hits).show(hits, wanted, text)
        self._look()

    @on(Peeked)
    @on(Rows.Moved)
    def _look(self) -> None:
        """Work out the next few models that are shown and not known yet."""
        rows, scenario = self.query_one(Hits), self.scenario
        self._say()
        if scenario is None:
            return
        self._look_elsewhere(rows)
        if ready := self._ready():
            work = partial(_glances, scenario, ready[:BATCH])
            self.lander.workbench.ask("finder", work, self._looked)

    def _ready(self) -> list[tuple[Hit, Model | None]]:
        """The hits that can be looked at and were not yet; with those elsewhere what was seen."""
        rows = self.query_one(Hits)
        new = [hit for hit in rows.hits if hit.name not in rows.seen]
        return [(hit, self._model(hit)) for hit in new if hit.local or self._model(hit)]

    def _model(self, hit: Hit) -> Model | None:
        """What was seen of a hit that is not on this machine."""
        known = None if hit.local else self.peeks.known(hit)
        return known if isinstance(known, Model) else None

    def _look_elsewhere(self, rows: Hits) -> None:
        """Ask for what is on the screen and not on this machine, once the words stand still."""
        unknown = [hit for hit in rows.in_view if hit.elsewhere and hit.name not in rows.seen]
        for hit in unknown:
            failure = self.peeks.known(hit)
            if isinstance(failure, LanderError):
                rows.failed[hit.name] = word_of(failure)
        still = self._paused_at == self.text.strip()
        asked = [h for h in unknown if h.source == shelf.OLLAMA or still]
        self.peeks.want(asked, lambda: self.post_message(Peeked()))

    def _looked(self, found: dict[str, Glance | str]) -> None:
        if not self.is_attached:
            return
        rows = self.query_one(Hits)
        for name, seen in found.items():
            rows.seen[name] = seen if isinstance(seen, Glance) else None
            if isinstance(seen, str):
                rows.failed[name] = seen
        self._look()
        if not self._ready():
            self._order()
        elif self._ordering is None:
            self._ordering = self.set_timer(ORDER, self._order)

    def _order(self) -> None:
        """Put the list in order: every time costs a line of the terminal for each that moves."""
        if self._ordering is not None:
            self._ordering.stop()
            self._ordering = None
        rows = self.query_one(Hits)
        rows.show(rows.hits, rows.wanted, rows.text)
        self._look_elsewhere(rows)

    def _ask_hub(self) -> None:
        """The words stand still: search, or list the files of the repository that was named."""
        text = self._paused_at = self.text.strip()
        of = shelf.gguf_repo(text)
        # A command line may hold keys and names that are nobody's business.
        private = " -" in text or is_command(text)
        if private or text.startswith(("/", ".", "~")) or text.lower().startswith("ollama:"):
            return
        if of is not None:
            self._ask(FILES, text, partial(_files, *of))
        elif len(text) >= SHORTEST:
            self._ask(SEARCH, text, partial(shelf.hub, text))
            if shelf.hub_name(text):
                self._ask(SISTERS, text, partial(shelf.sisters, text))
        self._look()

    def _ask(
        self, part: str, text: str, find: Callable[[threading.Event], tuple[Hit, ...]]
    ) -> None:
        """Ask in a thread of its own: a slow server keeps nobody waiting."""
        cancel = self._cancel

        def ask() -> None:
            try:
                found = Found(text, part, find(cancel))
            except LanderError as error:
                found = Found(text, part, (), f"{error.title}: {error.message}")
            self.post_message(found)

        self._asked.add(part)
        self._waited = time.monotonic()
        threading.Thread(target=ask, daemon=True).start()

    @on(Found)
    def _found(self, event: Found) -> None:
        if event.part != OLLAMA and event.text != self.text.strip():
            return
        self._asked.discard(event.part)
        self._parts[event.part] = event.hits
        if event.trouble:
            self._troubles[event.part] = event.trouble
        self._list()

    def _tick(self) -> None:
        if self._asked - {OLLAMA}:
            self._say()

    def _say(self) -> None:
        """What is being waited for, and what did not work; a failed part leaves the others."""
        waiting = ""
        if self._asked - {OLLAMA}:
            seconds = int(time.monotonic() - self._waited)
            waiting = f"asking the Hub … {f'{seconds} s ' if seconds else ''}"
        trouble = next((self._troubles[p] for p in (SEARCH, FILES) if p in self._troubles), "")
        if not trouble and SISTERS in self._troubles:
            trouble = f"Quantised repositories not listed. {self._troubles[SISTERS]}"
        self.query_one(Foot).say(waiting, trouble)

    def action_move(self, by: int) -> None:
        """Move the cursor of the list."""
        self.query_one(Hits).cursor += by

    def action_sort(self) -> None:
        """Sort by something else."""
        self.query_one(Hits).sort_next()
        self._look()

    @on(Input.Submitted)
    @on(Rows.Chosen)
    def _choose(self) -> None:
        hit = self.query_one(Hits).hit
        inside = "" if hit is None else _inside(hit)
        if inside:
            self.query_one(Input).value = inside
            self.query_one(Input).cursor_position = len(inside)
            return
        if hit is not None and hit.source == COMMAND:
            self.dismiss(None)
            self.lander.plan_text(hit.name)
            return
        name = hit.name if hit is not None else self.text.strip().rstrip(":")
        if name:
            self.lander.finder_text = self.text
            self.dismiss(name)

    def action_manual(self) -> None:
        """Describe a model by hand instead."""
        self.dismiss(None)
        self.lander.action_manual()


def _command(text: str) -> tuple[Hit, ...]:
    """What was typed as a server's start command, once it can be read."""
    try:
        launched = parse_command(text)
    except UsageError:
        return ()
    return (Hit(text, COMMAND, launched.in_words),)


def _inside(hit: Hit) -> str:
    """What is typed to see what a hit holds: a folder's entries, the files of a repository."""
    if hit.source == "folder":
        return hit.name
    return f"{hit.name}:" if hit.holds_files else ""


def _files(repo: str, start: str, cancel: threading.Event) -> tuple[Hit, ...]:
    """The GGUF files of a repository whose quantization begins like this."""
    found = shelf.gguf_files(repo, cancel)
    return tuple(
        hit for hit in found if hit.name[len(repo) + 1 :].lower().startswith(start.lower())
    )


def word_of(failure: LanderError) -> str:
    """A failure in as few words as a row has room for."""
    return failure.title.lower().removesuffix(" model")


def _glances(
    scenario: Scenario, asked: Sequence[tuple[Hit, Model | None]]
) -> dict[str, Glance | str]:
    """What each hit would do, of the model that was looked into or else of the one on this machine.

    A word in its place where it cannot be read, or where the engine does not load such a file.
    """
    from llm_lander_tui.models.sources import resolve
    from llm_lander_tui.planner import choices

    found: dict[str, Glance | str] = {}
    for hit, model in asked:
        try:
            read = resolve(hit.name) if model is None else model
            if hit.source == shelf.GGUF_OF_HUB:
                able = {r.name for r in choices.weight_formats(read, scenario.engine)}
                if able.isdisjoint(hit.files):
                    found[hit.name] = ""
                    continue
            found[hit.name] = promised(scenario, read, hit.files)
        except (LanderError, NotImplementedError) as error:
            found[hit.name] = word_of(error) if isinstance(error, LanderError) else ""
    return found
