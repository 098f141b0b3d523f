"""From start to first paint and to the first answer, beside an empty Textual app.

    python tests/benchmarks/bench_startup.py [runs]

Prints processor and wall time, each the median of the runs. First paint is the first byte after the
alternate screen was opened and drawn on; both programs are measured alike, in turn.
"""

from __future__ import annotations

import runpy
import statistics
import sys
import tempfile
import time
from pathlib import Path

TERMINAL = runpy.run_path(str(Path(__file__).parents[1] / "e2e" / "conftest.py"))
EMPTY = (
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class Empty(App):\n"
    "    def compose(self):\n"
    "        yield Static('painted')\n"
    "Empty().run()\n"
)


def measured(command: list[str], texts: list[str], directory: Path) -> list[tuple[float, float]]:
    """Wall and processor seconds until each text was on the screen."""
    environment = TERMINAL["own_directories"](directory)
    began = time.monotonic()
    terminal = TERMINAL["Terminal"](command, (80, 24), environment)
    found = []
    try:
        for text in texts:
            terminal.wait_for(text, 60)
            found.append((time.monotonic() - began, terminal.cpu_seconds()))
    finally:
        terminal.kill()
    return found


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    lander = [sys.executable, "-m", "llm_lander_tui"]
    empty = [sys.executable, "-c", EMPTY]
    paints, answers, empties = [], [], []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(runs):
            empties += measured(empty, ["painted"], Path(name))
            paint, answer = measured(lander, ["LLM-Lander", "LANDS"], Path(name))
            paints.append(paint)
            answers.append(answer)
    print("                       wall ms   cpu ms   (medians of", runs, "runs)")
    for label, found in (
        ("empty app, first paint", empties),
        ("first paint", paints),
        ("first answer", answers),
    ):
        wall = statistics.median(w for w, _ in found) * 1000
        cpu = statistics.median(c for _, c in found) * 1000
        print(f"{label:22} {wall:7.0f}  {cpu:7.0f}")
    ratio = statistics.median(c for _, c in paints) / statistics.median(c for _, c in empties)
    print(f"first paint / empty app, cpu: {ratio:.2f}")


if __name__ == "__main__":
    main()
