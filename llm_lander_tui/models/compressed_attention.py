"""Attention over a short window and a compressed past (DeepSeek-V4)."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.models.architecture import Mixer
from llm_lander_tui.models.attention import Indexer
from llm_lander_tui.models.cache import Compressed, KvRow, Span, SpanKind
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector


@dataclass(frozen=True, slots=True)
class CompressedAttention(Mixer):
    """One key-value head for all query heads, values being the keys, over `window` tokens.

    Beyond the window one row stands for `ratio` tokens (0: none). With an `indexer` each row is
    made from two overlapping halves and the indexer picks among the rows. Queries and outputs go
    through low ranks, the output in `groups`.
    """

    hidden: int
    heads: int
    head_dim: int
    q_rank: int
    o_rank: int
    groups: int
    window: int
    ratio: int = 0
    indexer: Indexer | None = None
    module: str = "self_attn"

    @property
    def kind(self) -> str:
        return "sliding" if not self.ratio else f"compressed {self.ratio}"

    @property
    def kv_row(self) -> KvRow:
        index = self.indexer.head_dim if self.indexer is not None else 0
        return KvRow(
            1,
            self.head_dim,
            self.head_dim,
            Span(SpanKind.SLIDING, self.window),
            values_are_keys=True,
            compressed=Compressed(self.head_dim, self.ratio, index) if self.ratio else None,
        )

    def tensors(self) -> tuple[Tensor, ...]:
        part, h, m, dim = Part.ATTENTION, self.hidden, self.module, self.head_dim
        q, low = self.heads * dim, self.groups * self.o_rank
        found = [
            vector("attn_sinks", f"{m}.sinks", part, self.heads, Shard.COLUMN),
            Tensor("attn_q_a", f"{m}.q_a_proj", part, self.q_rank, h),
            vector("attn_q_a_norm", f"{m}.q_a_norm", Part.NORM, self.q_rank),
            Tensor("attn_q_b", f"{m}.q_b_proj", part, q, self.q_rank, Shard.COLUMN),
            Tensor("attn_kv", f"{m}.kv_proj", part, dim, h),
            vector("attn_kv_a_norm", f"{m}.kv_norm", Part.NORM, dim),
            Tensor("attn_output_a", f"{m}.o_a_proj", part, low, q // self.groups, Shard.COLUMN),
            Tensor("attn_output_b", f"{m}.o_b_proj", part, h, low, Shard.ROW),
        ]
        if self.ratio:
            wide = 2 if self.indexer is not None else 1
            found += self._compressor("attn_compressor", f"{m}.compressor", dim, wide)
        if self.indexer is not None:
            path, n, size = f"{m}.compressor.indexer", self.indexer.heads, self.indexer.head_dim
            found += self._compressor("indexer.compressor", path, size, 2)
            found += [
                Tensor("indexer.attn_q_b", f"{path}.q_b_proj", part, n * size, self.q_rank),
                Tensor("indexer.proj", f"{path}.weights_proj", part, n, h),
            ]
        return tuple(found)

    def _compressor(self, name: str, path: str, dim: int, wide: int) -> list[Tensor]:
        """The projections that make one row of `dim` from `ratio` tokens."""
        part, rows = Part.ATTENTION, wide * dim
        return [
            Tensor(f"{name}_ape", f"{path}.position_bias", part, self.ratio, rows, linear=False),
            Tensor(f"{name}_kv", f"{path}.kv_proj", part, rows, self.hidden),
            Tensor(f"{name}_gate", f"{path}.gate_proj", part, rows, self.hidden),
            vector(f"{name}_norm", f"{path}.kv_norm", Part.NORM, dim),
        ]

    def core_flops(self, context: int) -> int:
        rows = context // self.ratio if self.ratio else 0
        scored = 0
        if self.indexer is not None:
            scored = 2 * self.indexer.heads * self.indexer.head_dim * rows
            rows = min(rows, self.indexer.top_k)
        return scored + 4 * self.heads * self.head_dim * (min(context, self.window) + rows)
