"""A start command in short lines is the same command."""

from __future__ import annotations

import ast
import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.engines.registry import engines, get
from llm_lander_tui.errors import LanderError
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.models import presets
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.shell import folded

MODELS = ("Qwen/Qwen3-8B", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V2-Lite")
WIDTH = 74


def words(text: str) -> list[str]:
    """As a shell takes them: a backslash at a line's end is no word."""
    return shlex.split(text.replace("\\\n", ""), comments=True)


@pytest.mark.parametrize("engine", [e.id for e in engines()])
@pytest.mark.parametrize("name", MODELS)
def test_every_command_is_complete_and_the_same_in_short_lines(engine: str, name: str):
    try:
        start = moves.start(presets.load(name), get(engine), parse_gpus("2x H100 PCIe"))
    except LanderError as error:
        pytest.skip(f"{engine} does not run {name}: {error.message}")
    for kv in choices.kv_formats(start.engine):
        command = start.engine.command(start, 8192)
        shown = folded(command, WIDTH)
        long = [line for line in shown.splitlines() if len(line) > WIDTH]
        # A flag stands beside its value even where the two alone are wider.
        assert all(line.split()[0] == "-v" for line in long), kv
        assert parse_command(shown, lambda _: False) == parse_command(command, lambda _: False)
        body = re.search(r"<<'EOF'\n(.*)\nEOF", command, re.DOTALL)
        if body is None:
            assert words(shown) == words(command)
        else:
            again = re.search(r"<<'EOF'\n(.*)\nEOF", shown, re.DOTALL)
            assert ast.dump(ast.parse(again[1])) == ast.dump(ast.parse(body[1]))


@given(st.lists(st.text(max_size=30).map(shlex.quote), min_size=1), st.integers(10, 60))
def test_any_words_come_back(some: list[str], width: int):
    command = " ".join(some)
    if "\n" in command or len(command.splitlines()) != 1 or "<<" in command or command[0] == "#":
        return
    assert words(folded(command, width)) == words(command)
