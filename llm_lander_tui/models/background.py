"""Work that may hang, kept from hanging who asked: a deadline and a cancel for every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from llm_lander_tui.errors import LanderError, SourceError

T = TypeVar("T")
S = TypeVar("S")

Progress = Callable[[str, float | None], None]
"""Told what is going on, and which fraction of it is done where that is known."""

_POLL_SECONDS = 0.05


class Cancelled(SourceError):
    """The person who asked took the question back."""

    def __init__(self) -> None:
        super().__init__("Cancelled", "The request was cancelled.", "Ask again when you like.")


def no_progress(_text: str, _fraction: float | None = None) -> None:
    """The progress of who does not listen."""


class Ticket:
    """Permission to go on: ends at a deadline, or when the asker cancels.

    `cancel` is set by the asker, from any thread.
    """

    def __init__(
        self, seconds: float, overdue: LanderError, cancel: threading.Event | None = None
    ) -> None:
        self._ends = time.monotonic() + seconds
        self._cancel = cancel or threading.Event()
        self._overdue = overdue

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raises `Cancelled`, or the overdue error once the time is up."""
        if self._cancel.is_set():
            raise Cancelled
        if not self.remaining:
            raise self._overdue


def run(task: Callable[[], T], ticket: Ticket) -> T:
    """The result of `task`, run in a thread that is left behind when the ticket ends.

    A daemon thread, because name resolution cannot be interrupted and must keep neither the asker
    nor the exit of the program waiting. Raises what `task` raises, `Cancelled`, or the ticket's
    overdue error.
    """
    return run_all((task,), ticket, workers=1)[0]


def run_all(tasks: Sequence[Callable[[], T]], ticket: Ticket, workers: int) -> list[T]:
    """The results of `tasks` in their order, at most `workers` at a time; fails with the first."""
    waiting = iter(range(len(tasks)))
    lock = threading.Lock()
    answers: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()
    abandoned = threading.Event()

    def work() -> None:
        while not abandoned.is_set():
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            try:
                answers.put((index, tasks[index](), None))
            except BaseException as error:  # noqa: BLE001 - handed over to the asker's thread
                answers.put((index, None, error))

    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=work, name="llm-lander-source", daemon=True).start()
    found: dict[int, T] = {}
    try:
        while len(found) < len(tasks):
            ticket.check()
            try:
                index, answer, error = answers.get(timeout=min(_POLL_SECONDS, ticket.remaining))
            except Empty:
                continue
            if error is not None:
                raise error
            found[index] = answer  # type: ignore[assignment]
    finally:
        abandoned.set()
    return [found[index] for index in range(len(tasks))]
