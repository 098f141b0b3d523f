"""Writes the pictures of the README from the running app, on the made-up machine.

python tests/make_screenshots.py [directory]
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from llm_lander_tui.app import LanderApp, LaunchOptions
from llm_lander_tui.gpus.demo import DemoSource

MODEL = "Qwen/Qwen3-32B"
CARD = "RTX 4090"
PICTURES: dict[str, tuple[tuple[int, int], LaunchOptions, tuple[str, ...]]] = {
    "fit": ((120, 36), LaunchOptions(model=MODEL, gpu=CARD), ()),
    "gpus": (
        (120, 36),
        LaunchOptions(model=MODEL, demo=True),
        ("1", *["down"] * 4),
    ),
    "model": ((120, 36), LaunchOptions(model="google/gemma-3-27b-it", gpu=CARD), ("2",)),
    "finder": ((120, 36), LaunchOptions(model=MODEL, gpu=CARD), ("m", *"qwen3")),
    "explain": ((120, 36), LaunchOptions(model=MODEL, gpu=CARD), ("x",)),
    "does-not-land-80x24": ((80, 24), LaunchOptions(model=MODEL, gpu=CARD, weights="Q6_K"), ()),
}
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


async def picture(size: tuple[int, int], options: LaunchOptions, keys: tuple[str, ...]) -> str:
    """The screen after some keys, as SVG that fetches nothing."""
    with tempfile.TemporaryDirectory() as name:
        app = LanderApp(options, source=DemoSource(), keep_in=Path(name))
        async with app.run_test(size=size) as pilot:
            while app.state.plan is None:
                await pilot.pause(0.05)
            for key in keys:
                await pilot.press(key)
            for _ in range(8):
                await pilot.pause(0.4)
                while not app.workbench.idle:
                    await pilot.pause(0.05)
            svg = app.export_screenshot(title="llm-lander", simplify=True)
    svg = FONTS.sub("", svg)
    return svg.replace("Fira Code, monospace", "ui-monospace, DejaVu Sans Mono, monospace")


async def main() -> None:
    """Write every picture."""
    directory = (
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "screenshots"
    )
    directory.mkdir(exist_ok=True)
    for name, (size, options, keys) in PICTURES.items():
        path = directory / f"{name}.svg"
        path.write_text(await picture(size, options, keys), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
