"""What is not imported before the first frame."""

from __future__ import annotations

import subprocess
import sys

LATER = (
    "huggingface_hub",
    "pynvml",
    "plotext",
    "textual_plotext",
    "llm_lander_tui.engines.registry",
    "llm_lander_tui.gpus.catalog",
    "llm_lander_tui.models.config",
    "llm_lander_tui.planner.evaluate",
    "llm_lander_tui.screens.finder",
    "llm_lander_tui.widgets.fit_details",
)


def test_the_first_frame_waits_for_nothing_heavy():
    code = (
        "import sys, llm_lander_tui.app, llm_lander_tui.screens.fit;"
        f"print(*[name for name in {LATER!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
