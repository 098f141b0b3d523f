"""Bytes to the terminal: at rest with eight live GPUs, and for each what-if key.

python tests/benchmarks/bench_idle_bytes.py [columns rows]
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path

TERMINAL = runpy.run_path(str(Path(__file__).parents[1] / "e2e" / "conftest.py"))
SECONDS = 10.0


def main() -> None:
    """Measure and print."""
    size = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (120, 36)
    command = [sys.executable, "-m", "llm_lander_tui", "--demo"]
    with tempfile.TemporaryDirectory() as name:
        terminal = TERMINAL["Terminal"](command, size, TERMINAL["own_directories"](Path(name)))
        try:
            terminal.wait_for("LANDS", 60)
            terminal.read(5.0)
            print(f"start {len(terminal.written):,} bytes at {size[0]} x {size[1]}")
            for key, screen in (("1", "GPUs"), ("2", "Model"), ("3", "Fit")):
                terminal.press(key)
                terminal.read(6.0)
                spent = len(terminal.read(SECONDS))
                print(f"idle on {screen:6} {spent / SECONDS:6.0f} B/s")
            for screen, number in (("Model", "2"), ("Fit", "3")):
                terminal.press(number)
                terminal.read(3.0)
                for key in "wWkKeEgG[]{}cCtT":
                    terminal.press(key)
                    print(f"{screen:6} {key}  {len(terminal.read(2.0)):6,} bytes")
            terminal.press("q")
            terminal.wait_end()
        finally:
            terminal.kill()


if __name__ == "__main__":
    main()
