"""Work that takes longer than a frame, done beside the screen so that no key ever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What to work out, and who is told. Of the jobs of one name only the latest counts."""

    name: str
    work: Callable[[], Any]
    done: Callable[[Any], None]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of a job; `error` instead of a value when it failed."""

    job: Job
    value: Any = None
    error: Exception | None = None


class Workbench:
    """One daemon thread, started with the first job.

    `deliver` is called in that thread with every result that is still wanted; it has to carry it
    over to the thread of the screen, which asks `wanted` once more.
    """

    def __init__(self, deliver: Callable[[Result], None]) -> None:
        self._deliver = deliver
        self._latest: dict[str, Job] = {}
        self._waiting: list[Job] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def ask(self, name: str, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Work something out; an earlier job of that name is forgotten."""
        job = Job(name, work, done)
        with self._changed:
            self._latest[name] = job
            self._waiting = [other for other in self._waiting if other.name != name]
            self._waiting.append(job)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="workbench", daemon=True)
            self._thread.start()

    def wanted(self, result: Result) -> bool:
        """Whether no later job of the same name was asked for; a wanted result is so once."""
        with self._changed:
            if self._latest.get(result.job.name) is not result.job:
                return False
            del self._latest[result.job.name]
            return True

    @property
    def idle(self) -> bool:
        """Whether every result that is wanted was delivered and taken."""
        return not self._latest

    def stop(self) -> None:
        """Take no more jobs; the one in progress is left behind."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                job = self._waiting.pop(0)
            try:
                result = Result(job, job.work())
            except Exception as error:  # noqa: BLE001 - a defect costs one answer, not the thread
                result = Result(job, error=error)
            if not self._stopped:
                self._deliver(result)
