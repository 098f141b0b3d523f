"""How a change is named where there is little room."""

from __future__ import annotations

from llm_lander_tui.widgets.prices import _named


def test_an_option_that_is_too_long_keeps_its_value():
    assert _named("--gpu-layers 54", 15) == "--gpu-layers 54"
    assert _named("--gpu-layers 54", 13) == "--gpu-lay… 54"
    assert _named("--max-num-batched-tokens 16384", 6) == "--max-num-batched-tokens 16384"
    assert _named("one more NVIDIA GeForce RTX 4090", 10) == "one more RTX 4090"
