"""What is kept of a failure that nobody foresaw, and the sentence that tells of it."""

from __future__ import annotations

import traceback
from pathlib import Path

from llm_lander_tui.errors import LanderError
from llm_lander_tui.storage.settings import APP, write_whole

BROKEN = 70
"""Exit status of a mistake of this program (sysexits.h, EX_SOFTWARE)."""


def crashed(error: BaseException, path: Path | None = None) -> LanderError:
    """The typed form of a mistake of this program; its traceback goes to a file, never a screen."""
    details = "".join(traceback.format_exception(error))
    path = path or _crash_file()
    told = f"{type(error).__name__}: {error}".strip(": ")
    try:
        write_whole(path, details)
    except LanderError:
        return LanderError("Internal error", f"{told}.", "Please report it.")
    return LanderError("Internal error", f"{told}.", f"Please report it with {path}.")


def _crash_file() -> Path:
    from platformdirs import user_state_path

    return user_state_path(APP) / "crash.txt"
