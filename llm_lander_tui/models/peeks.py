"""Models looked into before they are loaded: one small request each, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.models.background import Cancelled
from llm_lander_tui.models.hub_errors import HubUnreachable
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.shelf import GGUF, OLLAMA, Hit

WORKERS = 4
"""Requests that are under way at once."""
SECONDS = 8.0
"""How long one look may take."""

Look = Callable[[Hit, threading.Event], Model]


class Peeks:
    """Looks into hits in threads of its own and remembers what it saw; each name is asked once.

    `look` reads one hit and raises `LanderError`; its event is set when nobody wants the answer any
    longer.
    """

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or look_into
        self._known: dict[str, Model | LanderError] = {}
        self._queue: list[Hit] = []
        self._running: dict[str, threading.Event] = {}
        self._tell: Callable[[], object] = _nobody
        self._threads = 0
        self._lock = threading.Lock()

    def known(self, hit: Hit) -> Model | LanderError | None:
        """What was seen of a hit, or why nothing was; None when it was not looked into."""
        return self._known.get(hit.repo)

    def want(self, hits: Sequence[Hit], tell: Callable[[], object]) -> None:
        """Look into these, the first ones first, and give up all others.

        `tell` is called in a thread whenever something more is known.
        """
        by_repo = {hit.repo: hit for hit in reversed(hits)}
        with self._lock:
            self._tell = tell
            for repo, cancel in self._running.items():
                if repo not in by_repo:
                    cancel.set()
            self._queue = [
                by_repo.pop(hit.repo)
                for hit in hits
                if hit.repo in by_repo
                and hit.repo not in self._known
                and hit.repo not in self._running
            ]
            fresh = min(WORKERS - self._threads, len(self._queue))
            self._threads += max(0, fresh)
        for _ in range(fresh):
            threading.Thread(target=self._work, name="peek", daemon=True).start()

    def stop(self) -> None:
        """Give up all that is under way, and forget what may go better the next time."""
        self.want((), _nobody)
        with self._lock:
            self._known = {
                name: seen
                for name, seen in self._known.items()
                if not isinstance(seen, HubUnreachable)
            }

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._threads -= 1
                    return
                hit, cancel = self._queue.pop(0), threading.Event()
                self._running[hit.repo] = cancel
            seen: Model | LanderError
            try:
                seen = self._look(hit, cancel)
            except LanderError as error:
                seen = error
            except Exception as error:  # noqa: BLE001 - a defect of a source costs one row
                seen = SourceError("Not read", f"{hit.name} could not be read: {error!r}.")
            with self._lock:
                del self._running[hit.repo]
                if not isinstance(seen, Cancelled):
                    self._known[hit.repo] = seen
                if isinstance(seen, HubUnreachable):
                    # What keeps one answer away keeps the others away: no server is hammered.
                    self._queue.clear()
                tell = self._tell
            tell()


def look_into(hit: Hit, cancel: threading.Event) -> Model:
    """The model of a hit as far as one small request tells it.

    From the cache or a preset where that knows it. Raises `SourceError` or `RefusedModel`.
    """
    from llm_lander_tui.models import presets
    from llm_lander_tui.models.hub import HubSource
    from llm_lander_tui.models.hub_ref import parse_ref
    from llm_lander_tui.models.ollama import OllamaSource
    from llm_lander_tui.models.sources import FRESH_SECONDS
    from llm_lander_tui.storage.profile_cache import ProfileCache

    if hit.source == OLLAMA:
        return OllamaSource(cancel=cancel).load(hit.name.removeprefix("ollama:"))
    hub = HubSource(deadline=SECONDS, cancel=cancel)
    cached = ProfileCache().get(hub.key(parse_ref(hit.repo)))
    if cached is not None and cached.age_seconds < FRESH_SECONDS:
        return cached.profile.model(cached.age_seconds)
    gguf = hit.quant == GGUF
    if gguf and hit.base in presets.names():
        return replace(presets.load(hit.base), name=hit.repo)
    return hub.peek(hit.repo, hit.base if gguf else "", quantised=bool(hit.quant) and not gguf)


def _nobody() -> None:
    """The one who is told when nobody listens."""
