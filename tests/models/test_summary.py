"""The JSON object of `llm-lander model`, and the strip of layers."""

from __future__ import annotations

import json

from llm_lander_tui.errors import RefusedModel
from llm_lander_tui.models import presets
from llm_lander_tui.models.summary import pattern, refusal, summary


def test_summary_of_a_hybrid() -> None:
    """Qwen3-Next: 36 Gated DeltaNet and 12 full layers, all of experts."""
    report = summary(presets.load("Qwen/Qwen3-Next-80B-A3B-Instruct"))
    assert json.loads(json.dumps(report)) == report
    assert report["parameters"] == 79_674_391_296
    assert report["active_parameters"] == 3_874_929_408
    assert report["layers"] == {
        "attention": {"gated_delta_net": 36, "full": 12},
        "mlp": {"experts": 48},
    }
    assert report["kv_bytes_per_token"] == 12 * 2 * 2 * 256 * 2 == 24_576
    assert report["state_bytes_per_sequence"] == 36 * (2 * 8192 * 4 + 4 * 32 * 128 * 128)
    assert report["context_limit"] == 262_144
    assert report["refused"] is None


def test_parts_of_a_multimodal_model() -> None:
    report = summary(presets.load("google/gemma-3-4b-it"))
    assert report["parts"] == {
        "embedding": 671_252_480,
        "lm_head": 0,
        "attention": 534_773_760,
        "mlp": 2_673_868_800,
        "norms": 368_128,
        "other": 419_816_304,
    }


def test_pattern_is_the_runs_of_layers() -> None:
    runs = pattern(presets.load("google/gemma-3-4b-it").architecture)
    assert runs == (("sliding", "dense", 5), ("full", "dense", 1)) * 5 + (("sliding", "dense", 4),)


def test_refusal() -> None:
    assert refusal("x", RefusedModel("t", "it is an encoder.")) == {
        "name": "x",
        "refused": "it is an encoder.",
    }
