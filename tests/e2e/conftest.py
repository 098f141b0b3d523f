"""The real program in a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

SEQUENCE = re.compile(rb"\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>()].?)")


class Terminal:
    """A program on a pseudo-terminal: what it wrote, and keys to press."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (120, 36),
        environment: Mapping[str, str] | None = None,
        ignore_hangup: bool = False,
    ) -> None:
        self.written = bytearray()
        self.status: int | None = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if ignore_hangup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.execve(command[0], list(command), self._environment(environment))
        self.resize(size)

    @staticmethod
    def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEXTUAL", "COLORTERM"))}
        kept.pop("NO_COLOR", None)
        return kept | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"} | dict(more or {})

    def resize(self, size: tuple[int, int]) -> None:
        """Give the window another size (columns, rows)."""
        columns, rows = size
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> bytes:
        """Everything that is written within so many seconds."""
        start = len(self.written)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self._take(left):
                break
        return bytes(self.written[start:])

    def wait_for(self, text: str, seconds: float = 20.0, since: int = 0) -> str:
        """Everything written so far as plain text, once `text` is in what came after `since`."""
        until = time.monotonic() + seconds
        while text not in (plain := self.plain(since)):
            left = until - time.monotonic()
            assert left > 0, f"{text!r} did not appear in {plain[-2000:]!r}"
            if not self._take(left) and text not in self.plain(since):
                raise AssertionError(f"the program ended without {text!r}: {plain[-2000:]!r}")
        return plain

    def plain(self, since: int = 0) -> str:
        """What was written, without escape sequences."""
        return SEQUENCE.sub(b"", bytes(self.written[since:])).decode("utf-8", "replace")

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def wait_end(self, seconds: float = 10.0) -> int:
        """The exit status, once the program has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
            with contextlib.suppress(OSError):
                self._take(0.05)
        raise AssertionError("the program did not end")

    def cpu_seconds(self) -> float:
        """Processor time that the program has used (Linux)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Take the terminal away."""
        with contextlib.suppress(OSError):
            os.close(self.fd)

    def kill(self) -> None:
        """Make sure that nothing stays behind."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        self.close()

    def _take(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.fd], [], [], max(0.0, seconds))
        if not ready:
            return True
        try:
            found = os.read(self.fd, 65536)
        except OSError:
            return False
        self.written += found
        return bool(found)


def own_directories(tmp_path: Path) -> dict[str, str]:
    """An environment in which the program keeps nothing outside `tmp_path`."""
    names = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME")
    return {name: str(tmp_path / name.lower()) for name in names}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts `llm-lander`, or what `code` makes of it, with arguments; ended when the test is."""
    started: list[Terminal] = []

    def start(*arguments: str, **options: object) -> Terminal:
        environment = own_directories(tmp_path) | options.pop("environment", {})
        code = options.pop("code", None)
        named = ["-m", "llm_lander_tui"] if code is None else ["-c", code]
        command = [sys.executable, *named, *arguments]
        terminal = Terminal(command, environment=environment, **options)
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.kill()
