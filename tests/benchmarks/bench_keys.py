"""From a key to its answer on the screen: our own processor time, beside an empty Textual app.

    python tests/benchmarks/bench_keys.py [presses]

For each what-if key: the median and the greatest time of deriving the plan alone (`plan`), and of
everything that the key causes until the screen is painted and the program waits again (`screen`).
Lists and charts follow when the keys have stopped, and are kept from following here.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from llm_lander_tui.app import LanderApp, LaunchOptions
from llm_lander_tui.gpus.demo import DemoSource
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.widgets import fit_details

KEYS = {
    "w": ("w", "W"),
    "k": ("k", "K"),
    "e": ("e", "E"),
    "g": ("G", "g"),
    "[ ]": ("left_square_bracket", "right_square_bracket"),
    "{ }": ("left_curly_bracket", "right_curly_bracket"),
    "c": ("c", "C"),
    "t": ("t", "T"),
    "p": ("p", "p"),
    "u U": ("u", "U"),
}


class Empty(App[None]):
    """One number that a key changes."""

    number = 0

    def compose(self) -> ComposeResult:
        yield Static("0")

    def key_w(self) -> None:
        self.number += 1
        self.query_one(Static).update(str(self.number))


async def pressed(pilot: Pilot[object], keys: tuple[str, ...], presses: int) -> list[float]:
    """Processor milliseconds of each press until nothing is left to do."""
    spent = []
    for n in range(presses):
        began = time.thread_time()
        await pilot.press(keys[n % len(keys)])
        spent.append((time.thread_time() - began) * 1000)
    return spent


def line(label: str, plan: list[float], screen: list[float]) -> str:
    """A row of the table."""
    cells = [
        f"{statistics.median(times):8.1f} {max(times):8.1f}" if times else " " * 17
        for times in (plan, screen)
    ]
    return f"{label:8} {'   '.join(cells)}"


async def main() -> None:
    """Measure and print."""
    presses = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print("ms of processor time    plan median, max     screen median, max")
    empty = Empty()
    async with empty.run_test(size=(120, 36)) as pilot:
        await pressed(pilot, ("w",), 3)
        print(line("empty", [], await pressed(pilot, ("w",), presses)))
    fit_details.SETTLED = fit_details.STILL = 3600.0
    with tempfile.TemporaryDirectory() as name:
        app = LanderApp(
            LaunchOptions(model="Qwen/Qwen3-32B", gpu="2x RTX 4090"),
            source=DemoSource(),
            keep_in=Path(name),
        )
        async with app.run_test(size=(120, 36)) as pilot:
            while app.state.plan is None:
                await pilot.pause(0.05)
            for label, keys in KEYS.items():
                await pressed(pilot, keys, 2)
                plans: list[float] = []
                for n in range(presses):
                    scenario = app.state.scenario
                    assert scenario is not None
                    began = time.thread_time()
                    evaluate(scenario)
                    plans.append((time.thread_time() - began) * 1000)
                    if n == 0:
                        await pressed(pilot, keys, 1)
                print(line(label, plans, await pressed(pilot, keys, presses)))


if __name__ == "__main__":
    asyncio.run(main())
