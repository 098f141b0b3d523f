"""What a serving engine caches for one token of one layer on one rank, before its own paging."""

from __future__ import annotations

from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.sharding import kv_heads_per_rank
from llm_lander_tui.models.cache import KvRow
from llm_lander_tui.units import ceil_div

SPARSE_FP8_LATENT_BYTES = 656
"""Row of a sparse latent cache in FP8: 512 latent bytes, 4 FP32 scales, 64 rope values in BF16
(memory_models B.2)."""
INDEXER_SCALE_BLOCK = 128
"""Elements of an indexer key that share one FP32 scale."""


def row_bytes(row: KvRow, kv: KvFormat, tensor_parallel: int) -> int:
    """Bytes of a token's keys and values, without an indexer's keys.

    Each rank holds its KV heads, one at least; a latent row is on every rank, and its rope part
    stays at 16 bits in the FP8 cache of sparse attention.
    """
    if row.latent:
        if row.indexer_dim and kv.k.bits == 8:
            return SPARSE_FP8_LATENT_BYTES
        return kv.k.row_bytes(row.k_dim)
    if row.values_are_keys:
        return kv.k.row_bytes(row.k_elements)
    heads = kv_heads_per_rank(row.kv_heads, tensor_parallel)
    return heads * (kv.k.row_bytes(row.k_dim) + kv.v.row_bytes(row.v_dim))


def fp8_key_bytes(dim: int) -> int:
    """Bytes of an indexer's key of `dim` FP8 elements with its FP32 scales."""
    return dim + 4 * ceil_div(dim, INDEXER_SCALE_BLOCK)
