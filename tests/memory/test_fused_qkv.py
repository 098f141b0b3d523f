"""A fused projection on several ranks: queries divided, each key-value head whole."""

from __future__ import annotations

import pytest

from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.sharding import shard_shape
from llm_lander_tui.models.attention import GroupedAttention


@pytest.mark.parametrize(
    ("kv_heads", "tensor_parallel", "rows"),
    [
        (8, 2, 32 * 128 // 2 + 2 * 8 * 128 // 2),
        (8, 8, 32 * 128 // 8 + 2 * 128),
        (2, 8, 32 * 128 // 8 + 2 * 128),
        (1, 4, 32 * 128 // 4 + 2 * 128),
    ],
)
def test_fused_projection(kv_heads: int, tensor_parallel: int, rows: int) -> None:
    """With fewer KV heads than ranks every rank holds one, as with separate projections."""
    attention = GroupedAttention(4096, 32, kv_heads, 128, 128, fused=True, qkv_bias=True)
    weight, bias = (t for t in attention.tensors() if t.name == "attn_qkv")
    assert shard_shape(weight, Degrees(tensor_parallel)) == (rows, 4096, 1)
    assert shard_shape(bias, Degrees(tensor_parallel)) == (1, rows, 1)
    apart = GroupedAttention(4096, 32, kv_heads, 128, 128).tensors()
    assert rows == sum(
        shard_shape(t, Degrees(tensor_parallel))[0] for t in apart if t.name != "attn_output"
    )
