"""Whether there is still a terminal, and the way out when there is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable


def lost() -> bool:
    """Whether the terminal that the program was started on is gone."""
    if not hasattr(os, "tcgetpgrp"):
        return False
    try:
        os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except OSError:
        return True
    return False


def on_hang_up(leave: Callable[[], None]) -> None:
    """Call `leave` in the running event loop when the terminal hangs up or the program is to end.

    What is ignored (nohup) stays ignored.
    """
    loop = asyncio.get_running_loop()
    for name in ("SIGHUP", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            # Windows has loops without signals.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, leave)


def leave_after(seconds: float) -> None:
    """End the program unless it has ended by itself until then.

    Textual's writer may wait for ever on a terminal that is gone.
    """
    leave = threading.Timer(seconds, os._exit, (1,))
    leave.daemon = True
    leave.start()
