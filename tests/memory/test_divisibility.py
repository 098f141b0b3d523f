"""Quantisation blocks against tensor parallel degrees."""

from __future__ import annotations

import pytest

from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.divisibility import parallel_problems
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models import presets


def problems(name: str, recipe: str, degree: int, expert_parallel: bool = False):
    architecture = presets.load(name).architecture
    weights = weights_of(architecture, recipes.get(recipe))
    return parallel_problems(architecture, weights, Degrees(degree, whole_experts=expert_parallel))


def test_experts_too_narrow_for_their_blocks_are_refused():
    # 768 / 8 = 96 outputs a rank, and scales for 128 rows.
    (problem,) = problems("Qwen/Qwen3-30B-A3B", "FP8-block", 8)
    assert problem == (
        "96 outputs of ffn_gate_exps on a rank do not divide into quantisation blocks of 128; "
        "tensor parallel degrees that do: 1, 2."
    )


def test_whole_experts_are_not_divided():
    assert problems("Qwen/Qwen3-30B-A3B", "FP8-block", 8, expert_parallel=True) == ()


def test_groups_along_the_inputs_hold_for_divided_inputs_only():
    # down: 27,648 inputs / 8 = 3,456 = 27 x 128; 29,568 / 8 = 3,696 is no multiple of 128.
    assert problems("Qwen/Qwen2.5-32B", "GPTQ-4bit-g128", 8) == ()
    (problem,) = problems("Qwen/Qwen2.5-72B", "GPTQ-4bit-g128", 8)
    assert "3,696 inputs of ffn_down on a rank" in problem


@pytest.mark.parametrize("recipe", ["BF16", "FP8", "FP8-dynamic", "W8A8", "NF4"])
def test_formats_without_blocks_divide_always(recipe):
    assert problems("Qwen/Qwen3-30B-A3B", recipe, 8) == ()


def test_one_rank_holds_everything():
    assert problems("Qwen/Qwen2.5-72B", "GPTQ-4bit-g128", 1) == ()
