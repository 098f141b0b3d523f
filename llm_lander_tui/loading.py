"""Models are read beside the screen: a slow network or disk keeps no key waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.messages import ModelFailed, ModelLoaded, Progressed

if TYPE_CHECKING:
    from textual.message import Message

    from llm_lander_tui.launch import Load
    from llm_lander_tui.planner.launched import Launched


class Loader:
    """Reads one model at a time, each in a thread of its own; the last one asked for wins.

    `post` is called in those threads, with a `Progressed`, a `ModelLoaded` or a `ModelFailed`.
    """

    def __init__(self, load: Load, post: Callable[[Message], object]) -> None:
        self._load = load
        self._post = post
        self._cancelled = threading.Event()

    def begin(self) -> threading.Event:
        """Give up what is being read; the event that gives up what is read next."""
        self._cancelled.set()
        self._cancelled = threading.Event()
        return self._cancelled

    def start(self, name: str, launched: Launched | None = None) -> None:
        """Read a model in a thread, for a start command where there is one."""
        arguments = (name, self.begin(), launched)
        threading.Thread(target=self.read, args=arguments, daemon=True).start()

    def cancel(self) -> None:
        """Tell nothing more of what is being read."""
        self._cancelled.set()

    def read(self, name: str, cancelled: threading.Event, launched: Launched | None = None) -> None:
        """Read a model in this thread, and tell what came of it unless it was given up."""
        try:
            message: Message = ModelLoaded(self._load(name, self._progress, cancelled), launched)
        except LanderError as error:
            message = ModelFailed(name, error, launched)
        except Exception as error:  # noqa: BLE001 - a defect of a source must not end the program
            failure = SourceError("Unexpected failure", f"{name} could not be read: {error!r}.")
            message = ModelFailed(name, failure, launched)
        if not cancelled.is_set():
            self._post(message)

    def _progress(self, text: str, fraction: float | None = None) -> None:
        """Called by sources in their threads."""
        done = "" if fraction is None else f" {fraction:.0%}"
        self._post(Progressed(f"{text}{done}"))
