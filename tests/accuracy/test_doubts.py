"""What a record's own facts leave open."""

from __future__ import annotations

import pytest

from llm_lander_tui.accuracy.doubts import doubts, rounding
from llm_lander_tui.units import GIB, MIB

VLLM = {
    "engine": "vllm", "engine_version": "0.8.5", "v1": False, "gpu_name": None,
    "config_match": "exact", "gpu_memory_utilization": 0.9, "max_num_batched_tokens": None,
    "max_num_seqs": None, "usable_why": "other processes on the card",
}  # fmt: skip


def test_options_that_are_not_stated_matter_where_the_run_does():
    assert doubts(VLLM, "available_kv") == (
        "V0 engine",
        "card not named",
        "batched tokens, sequences not stated: defaults taken",
        "the record says: other processes on the card",
    )
    assert doubts(VLLM, "weights_per_gpu") == ("the record says: other processes on the card",)


def test_a_model_that_is_not_the_records_own_is_told():
    record = {"config_match": "same-architecture", "model_confirmed": False}
    assert doubts(record, "kv_buffers") == (
        "the model was inferred from the figures",
        "config of another repository (same-architecture)",
    )


def test_a_record_that_states_everything_leaves_nothing_open():
    record = VLLM | {
        "v1": True, "gpu_name": "L4", "max_num_batched_tokens": 2048, "max_num_seqs": 256,
        "usable_why": "",
    }  # fmt: skip
    assert doubts(record, "available_kv") == ()
    assert doubts({}, "available_kv") == ()


@pytest.mark.parametrize(
    ("measured", "quantity", "size", "share"),
    [
        ({"weights_gib": 14.99}, "weights_per_gpu", 14.99 * GIB, 0.005 / 14.99),
        ({"gpu_mem_gb": 0.5}, "process_total", 0.5 * GIB, 0.1),
        ({"model_size_mib": 7024}, "file_size", 7024 * MIB, 0.5 / 7024),
        ({"kv_cache_tokens": 1000}, "kv_capacity_tokens", 1000, 0.0005),
        ({"available_kv_gib": 2.5, "kv_cache_tokens": 9}, "kv_bytes_per_token", 7, 0.05 / 2.5),
        ({"weights_gib": 14.99}, "weights_per_gpu", 3 * GIB, 0.0),
        ({}, "weights_per_gpu", 0.0, 0.0),
    ],
)
def test_the_last_digit_of_a_figure_is_its_rounding(measured, quantity, size, share):
    found = rounding({"measured": measured}, quantity, size)
    assert found == pytest.approx(share)


@pytest.mark.parametrize("measured", [None, [], {"kv_gib": 0}, {"kv_gib": 1e-9}, {"a_gib": True}])
def test_figures_that_make_no_sense_have_no_rounding(measured):
    assert rounding({"measured": measured}, "kv_bytes_per_token", 1.0) >= 0
