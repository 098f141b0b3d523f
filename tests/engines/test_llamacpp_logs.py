"""Measured logs of llama.cpp and its kin, predicted from their launch options."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.llamacpp import predict
from llm_lander_tui.accuracy.records import Skipped
from llm_lander_tui.engines.llamacpp.builds import build_at
from llm_lander_tui.errors import LanderError

DATA = Path(__file__).parents[1] / "data" / "accuracy" / "llamacpp.jsonl"
LIBRARY = ConfigLibrary()


def logs() -> list[dict[str, object]]:
    return [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def errors() -> dict[str, list[float]]:
    found = defaultdict(list)
    for log in logs():
        try:
            result = predict(log, LIBRARY)
        except LanderError:
            continue
        if not isinstance(result, Skipped):
            for comparison in result:
                found[comparison.quantity].append(abs(comparison.error))
    return {quantity: sorted(values) for quantity, values in found.items()}


def test_kv_buffers(errors) -> None:
    assert len(errors["kv_buffers"]) >= 30
    assert median(errors["kv_buffers"]) == pytest.approx(0, abs=1e-3)
    assert sum(e <= 0.005 for e in errors["kv_buffers"]) >= 0.95 * len(errors["kv_buffers"])


def test_model_buffers_and_file_sizes(errors) -> None:
    assert median(errors["model_buffers"]) <= 0.005
    assert median(errors["file_size"]) <= 0.005


def test_a_log_without_usable_quantities_is_skipped() -> None:
    assert isinstance(predict({"config": "Qwen__Qwen3-8B", "usable": []}, LIBRARY), Skipped)
    assert isinstance(predict({"usable": ["kv_buffers"]}, LIBRARY), Skipped)


BASE = {
    "config": "Qwen__Qwen3-0.6B",
    "usable": ["kv_buffers", "state_buffers", "model_buffers", "compute_buffers", "file_size"],
    "n_ctx": 4096,
    "weight_format": "Q8_0",
    "measured": {"kv_self_size_mib": 448.0, "compute_buffers_mib": {"CUDA0": 298.0}},
}


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(
        ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "ngl", "n_gpus", "n_cpu_moe", "type_k",
         "type_v", "options", "measured", "usable", "engine_version", "date", "bytes")
    ),
    value=st.one_of(
        st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False),
        st.text(max_size=8), st.lists(st.integers(), max_size=2),
        st.dictionaries(st.sampled_from(("CUDA0", "breakdown")), st.integers(), max_size=2),
    ),
)  # fmt: skip
def test_any_field_may_hold_anything(key, value) -> None:
    try:
        result = predict(BASE | {key: value}, LIBRARY)
    except LanderError:
        return
    assert isinstance(result, Skipped | tuple)


@pytest.mark.parametrize(
    ("number", "date", "window_cache", "logits_of_batch", "padding"),
    [
        (5000, "", False, True, (256, 32)),
        (5500, "", True, True, (256, 32)),
        (None, "2026-02", True, True, (256, 256)),
        (9893, "2020-01", True, False, (256, 256)),
        (None, "", True, False, (256, 256)),
    ],
)
def test_builds_switch_by_number_else_by_date(
    number, date, window_cache, logits_of_batch, padding
) -> None:
    build = build_at(number, date)
    assert build.window_cache is window_cache
    assert build.logits_of_batch is logits_of_batch
    assert build.padding == padding
