"""Whose process it is and how it was started, from the proc file system."""

from __future__ import annotations

import contextlib
import shlex
from functools import lru_cache
from pathlib import Path

ANCESTORS = 4
"""How far up the process that a person started may be: launcher, API server, engine, worker."""


@lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    """The login name of a user id, or the id itself where no account has it."""
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(uid).pw_name
    return str(uid)


def owner(pid: int, proc: Path) -> str | None:
    """The user of a process; None when it has gone, or without a proc file system (Windows)."""
    try:
        return user_name((proc / str(pid)).stat().st_uid)
    except OSError:
        return None


def command_line(pid: int, proc: Path) -> str | None:
    """The command line, arguments joined by blanks; None when gone, hidden or empty."""
    return " ".join(_arguments(pid, proc)).strip() or None


def started_by(pid: int, proc: Path) -> tuple[str, ...]:
    """Command lines as a shell takes them: of the process, then of those that started it.

    A worker of vLLM or SGLang gives itself a title ("VLLM::Worker_TP0") that says nothing of the
    server it belongs to; one of its ancestors does.
    """
    found = []
    for _ in range(ANCESTORS):
        arguments = _arguments(pid, proc)
        if arguments:
            found.append(shlex.join(arguments))
        parent = _parent(pid, proc)
        if parent is None or parent <= 1:
            break
        pid = parent
    return tuple(found)


def _arguments(pid: int, proc: Path) -> list[str]:
    """A process's arguments; what a terminal would take for orders of its own is left out."""
    try:
        raw = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    words = raw.rstrip(b"\0").decode(errors="replace").split("\0")
    return [shown for shown in ("".join(filter(str.isprintable, word)) for word in words) if shown]


def _parent(pid: int, proc: Path) -> int | None:
    """The process that started another, the fourth field of its status (proc(5))."""
    try:
        status = (proc / str(pid) / "stat").read_bytes()
        # The name in brackets may hold anything, blanks and brackets too.
        return int(status.rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def system_memory(proc: Path) -> tuple[int, int] | None:
    """Total and available bytes of the system's memory; None where it is not told."""
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    sizes = {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) >= 2}
    try:
        return int(sizes["MemTotal"]) * 1024, int(sizes["MemAvailable"]) * 1024
    except (KeyError, ValueError):
        return None
