"""Readings on a timer, from one thread of their own.

A call into the NVIDIA driver can hang for good (a card that falls off the bus), and nothing can
interrupt it. So readings come from a daemon thread that nobody waits for: while it hangs, the rest
of the program runs on and sees the age of the last reading grow, and the process can end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from llm_lander_tui.gpus.gpu import GpuSource, Problem, Reading

STOP_SECONDS = 0.2
"""How long `stop` waits for a reading in progress."""


class Sampler:
    """Calls `on_reading`, in its own thread, with a reading of `source` every `interval` seconds.

    The first reading is taken at once. All methods may be called from any thread and return at
    once (`stop` within STOP_SECONDS), whatever the source does.
    """

    def __init__(
        self,
        source: GpuSource,
        on_reading: Callable[[Reading], None],
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._on_reading = on_reading
        self._interval = interval
        self._clock = clock
        self._wake = threading.Event()
        self._asked = True
        self._stopped = False
        self._read_at: float | None = None
        self._asking_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="gpu-sampler", daemon=True)

    def start(self) -> None:
        """Take the first reading and go on; once in a sampler's life."""
        self._thread.start()

    def ask(self) -> None:
        """Take a reading now."""
        self._asked = True
        self._wake.set()

    def set_interval(self, seconds: float) -> None:
        """Take a reading every so many seconds, counted from now."""
        self._interval = seconds
        self._wake.set()

    def stop(self) -> bool:
        """End for good: no call of `on_reading` begins after this; True when the thread has ended.

        A reading that hangs is left behind.
        """
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)
        return not self._thread.is_alive()

    @property
    def interval(self) -> float:
        return self._interval

    @property
    def age(self) -> float | None:
        """Seconds since the last reading came in; None before the first."""
        read_at = self._read_at
        return None if read_at is None else self._clock() - read_at

    @property
    def waiting(self) -> float:
        """Seconds that the source has been keeping us waiting; 0 between readings."""
        since = self._asking_since
        return 0.0 if since is None else self._clock() - since

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._stopped:
                return
            if self._asked:
                self._asked = False
                self._take()
            elif not self._wake.wait(self._interval):
                self._asked = True

    def _take(self) -> None:
        self._asking_since = self._clock()
        try:
            reading = self._source.read()
        except Exception as error:  # noqa: BLE001 - the thread has to outlive any source
            reading = Reading(
                problem=Problem(
                    "Reading failed",
                    f"The GPUs could not be read ({type(error).__name__}: {error}).",
                    "The next reading tries again.",
                )
            )
        self._asking_since = None
        self._read_at = self._clock()
        if not self._stopped:
            self._on_reading(reading)
