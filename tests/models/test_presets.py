"""Presets: many, offline, through the one parser, found by what people type."""

from __future__ import annotations

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models import presets


def test_at_least_120_models_all_read() -> None:
    names = presets.names()
    assert len(names) >= 120
    assert len(set(names)) == len(names)
    for name in names:
        model = presets.load(name)
        assert (model.name, model.source) == (name, "preset")
        assert model.architecture.parameters > 10**8
        limit = model.architecture.context_limit
        assert limit is None or limit.trained >= 1024, name


def test_names_are_hub_ids_in_order() -> None:
    names = presets.names()
    assert list(names) == sorted(names, key=str.lower)
    assert all(name.count("/") == 1 for name in names)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("qwen3-8b", "Qwen/Qwen3-8B"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("GPT-OSS-20B", "openai/gpt-oss-20b"),
        ("llama 3.1 8b instruct", "meta-llama/Llama-3.1-8B-Instruct"),
    ],
)
def test_find(text: str, first: str) -> None:
    assert presets.find(text)[0] == first


def test_find_ranks_the_exact_name_first() -> None:
    found = presets.find("qwen3-32b")
    assert found[0] == "Qwen/Qwen3-32B"
    assert "Qwen/Qwen3-32B-FP8" in found
    assert presets.find("no such model") == ()
    assert presets.find("") == presets.names()


def test_quantised_presets_carry_their_recipe() -> None:
    fp8 = presets.load("Qwen/Qwen3-32B-FP8").quantization
    assert fp8 is not None
    assert fp8["quant_method"] == "fp8"
    assert presets.load("Qwen/Qwen3-32B").quantization is None
    nested = presets.load("nvidia/Kimi-K2.5-NVFP4").quantization
    assert nested is not None


def test_an_unknown_preset_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="not among the presets"):
        presets.load("org/nothing")


def test_loading_one_reads_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the line of the model is parsed as JSON."""
    parsed = []
    loads = presets.json.loads

    def counting(text: str) -> object:
        parsed.append(text)
        return loads(text)

    presets.names()
    monkeypatch.setattr(presets.json, "loads", counting)
    presets.config("Qwen/Qwen3-8B")
    assert len(parsed) == 1


def test_most_presets_know_the_month_in_which_they_came_to_the_hub() -> None:
    assert presets.created("Qwen/Qwen3-32B") == "2025-04"
    assert presets.created("openai/gpt-oss-120b") == "2025-08"
    assert presets.created("openai-community/gpt2") == "", "older than the Hub's own records"
    assert presets.created("no such model") == ""
    months = [presets.created(name) for name in presets.names()]
    known = [month for month in months if month]
    assert len(known) > 0.8 * len(months)
    assert all("2022-03" <= month <= "2026-12" for month in known)
