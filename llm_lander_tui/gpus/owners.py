"""Whose process it is and how it was started, from the proc file system."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from pathlib import Path


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
    try:
        raw = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() or None


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
