"""The rooms below the line load neither the screen nor a source's library."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {"textual", "rich", "pynvml", "huggingface_hub", "plotext", "numpy"}
ROOMS = {
    "planner": "from llm_lander_tui.planner import evaluate, changes, compare, recommend, "
    "launched, report, explain, cards, question",
    "engines": "from llm_lander_tui.engines.registry import engines; engines()",
    "memory": "from llm_lander_tui.memory import recipes, sharding",
    "models": "from llm_lander_tui.models import config, presets, manual, summary",
    "gpus": "from llm_lander_tui.gpus import catalog, nvml, sampler; catalog.all_specs()",
    "command line": "from llm_lander_tui import cli, api, machine, printed",
}


@pytest.mark.parametrize("room", ROOMS)
def test_room_loads_no_screen_and_no_source_library(room):
    code = f"import sys\n{ROOMS[room]}\nprint(*{{m.partition('.')[0] for m in sys.modules}})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert FORBIDDEN.isdisjoint(found.stdout.split())
