"""Cache formats as logs write them."""

from __future__ import annotations

import pytest

from llm_lander_tui.accuracy.kv_names import logged_kv_format
from llm_lander_tui.errors import UsageError


@pytest.mark.parametrize(
    ("written", "name", "bits"),
    [
        ("bfloat16", "bf16", (16, 16)),
        ("fp16", "f16", (16, 16)),
        ("k=q8_0/v=q4_0", "q8_0/q4_0", (8.5, 4.5)),
        ("Q8_0", "q8_0", (8.5, 8.5)),
        ("fp8_ds_mla", "fp8", (8, 8)),
        ("fp8_e5m2", "fp8_e5m2", (8, 8)),
        # 18 bytes for 128 values, 26 for 32, 50 for 128.
        ("q1_0", "Q1_0", (1.125, 1.125)),
        ("q6_0/f16", "q6_0/f16", (6.5, 16)),
        ("turbo3", "turbo3", (3.125, 3.125)),
    ],
)
def test_formats_are_told_by_what_logs_call_them(written, name, bits):
    found = logged_kv_format(written)
    assert found.name == name
    assert (found.k.bits, found.v.bits) == bits


@pytest.mark.parametrize("written", ["", "auto", "turboquant_4bit_nc", "nvfp4_ds_mla", "k=/v="])
def test_an_unknown_format_is_told(written):
    with pytest.raises(UsageError, match="unknown cache format"):
        logged_kv_format(written)
