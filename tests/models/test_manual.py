"""Manual entry: sentences for wrong fields, shapes through the one parser, spoken sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.models.manual import ManualModel, default_width, suggest

LLAMA_8B = ManualModel(
    name="mine", layers=32, hidden_size=4096, heads=32, kv_heads=8, vocab_size=128_256,
    intermediate_size=14_336, context=131_072,
)  # fmt: skip


def test_a_shape_is_the_model_of_that_shape() -> None:
    model = LLAMA_8B.to_model()
    assert LLAMA_8B.validate() == {}
    assert model.source == "manual"
    assert model.architecture.parameters == 8_030_261_248
    assert model.architecture.kv_bytes_per_token == 131_072
    assert model.architecture.context_limit is not None
    assert model.architecture.context_limit.trained == 131_072


def test_experts() -> None:
    """A layer has 8 routed experts and 1 shared of 3·4096·1024, and a router of 8·4096."""
    moe = replace(LLAMA_8B, experts=8, active_experts=2, expert_size=1024, shared_experts=1)
    a = moe.to_model().architecture
    attention = 2 * 4096 * 4096 + 2 * 4096 * 1024
    layer = attention + 9 * 3 * 4096 * 1024 + 8 * 4096 + 2 * 4096
    assert a.parameters == 32 * layer + 2 * 128_256 * 4096 + 4096
    assert a.parameters - a.active_parameters == 32 * 6 * 3 * 4096 * 1024


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "), ("layers", 0), ("layers", 2001), ("hidden_size", -1), ("heads", 0),
        ("kv_heads", 0), ("kv_heads", 5), ("vocab_size", 0), ("head_dim", 0),
        ("intermediate_size", 10**9), ("parameters", 0), ("context", 0), ("experts", -1),
    ],
)  # fmt: skip
def test_each_wrong_field_gets_a_sentence(field: str, value: object) -> None:
    problems = replace(LLAMA_8B, **{field: value}).validate()  # type: ignore[arg-type]
    assert list(problems) == [field]
    assert problems[field].endswith(".")


def test_wrong_combinations() -> None:
    assert "head_dim" in replace(LLAMA_8B, hidden_size=4100).validate()
    assert replace(LLAMA_8B, hidden_size=4100, head_dim=128).validate() == {}
    assert "active_experts" in replace(LLAMA_8B, experts=8).validate()


def test_a_stated_size_that_disagrees_is_said() -> None:
    assert replace(LLAMA_8B, parameters=8 * 10**9).to_model().warnings == ()
    (warning,) = replace(LLAMA_8B, parameters=70 * 10**9).to_model().warnings
    assert "70.0 B parameters were stated; this shape has 8.03 B" in warning


def test_default_width() -> None:
    """8/3 of 4096 is 10,922.7, to a multiple of 256: 11,008."""
    assert default_width(4096) == 11_008


@pytest.mark.parametrize("size", ["0.5B", "7B", "8b", "13B", "34B", "70B", "70", "405B"])
def test_suggestions_are_near_their_size(size: str) -> None:
    model = suggest(size)
    assert model is not None
    assert model.validate() == {}
    assert model.parameters is not None
    counted = model.to_model().architecture.parameters
    assert abs(counted / model.parameters - 1) < 0.05


@pytest.mark.parametrize("size", ["", "big", "7Q", "-7B", "0B", "9" * 30 + "T"])
def test_no_suggestion_without_a_size(size: str) -> None:
    assert suggest(size) is None
