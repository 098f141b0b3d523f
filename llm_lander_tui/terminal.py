"""Whether there is still a terminal, and the way out when there is none."""

from __future__ import annotations

import os
import sys
import threading


def lost() -> bool:
    """Whether the terminal that the program was started on is gone."""
    if not hasattr(os, "tcgetpgrp"):
        return False
    try:
        os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except OSError:
        return True
    return False


def leave_after(seconds: float) -> None:
    """End the program unless it has ended by itself until then.

    Textual's writer may wait for ever on a terminal that is gone.
    """
    leave = threading.Timer(seconds, os._exit, (1,))
    leave.daemon = True
    leave.start()
