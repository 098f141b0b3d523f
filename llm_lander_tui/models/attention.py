"""The attention kinds: grouped-query with its spans, and latent (MLA)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.models.architecture import Mixer
from llm_lander_tui.models.cache import FULL, KvRow, Span
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector


class QkNorm(StrEnum):
    """Normalisation of queries and keys before attention."""

    NONE = "none"
    PER_HEAD = "per_head"
    """One weight of head_dim for all heads (Qwen3, Gemma 3)."""
    FULL_WIDTH = "full_width"
    """One weight over all heads (OLMo 2, MiniMax M2)."""


@dataclass(frozen=True, slots=True)
class GroupedAttention(Mixer):
    """Multi-head, grouped-query or multi-query attention over `span`.

    MHA is `kv_heads == heads`, MQA `kv_heads == 1`. Parameters (memory_models A.1):
    hidden·heads·head_dim for q, hidden·kv_heads·(head_dim + v_head_dim) for k and v,
    heads·v_head_dim·hidden for o, and what the flags add.
    """

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    span: Span = FULL
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: QkNorm = QkNorm.NONE
    output_gate: bool = False
    """A gate per query element, computed by the query projection (Qwen3-Next)."""
    sinks: bool = False
    """One learned sink logit per head (gpt-oss)."""
    owns_cache: bool = True
    """False where the layer reads an earlier layer's keys and values (Gemma 3n / 4)."""
    value_is_key: bool = False
    """No value projection: values are the keys (Gemma 4 full-attention layers)."""
    fused: bool = False
    """The checkpoint holds one projection for queries, keys and values (Phi-3, GPT-2, Falcon)."""
    head_gate: bool = False
    """A gate per head from a projection of its own (Step 3.5, Laguna)."""
    wide_gate: bool = False
    """A gate per query element from a projection of its own (AFMoE)."""
    qk_norm_bias: bool = False
    shared_projections: bool = False
    """Key and value projections are there although the layer reads another's cache (Gemma 3n)."""
    index_dim: int = 0
    """Width of the index key that is cached beside each row (MiniMax M3's sparse layers)."""
    extra: tuple[Tensor, ...] = ()
    """Further tensors of the block (gates of cross-attention, hyper-connections)."""
    module: str = "self_attn"
    """The Hugging Face path of the block inside the layer."""

    @property
    def kind(self) -> str:
        return self.span.kind.value if self.owns_cache else f"{self.span.kind.value} shared"

    @property
    def kv_row(self) -> KvRow | None:
        if not self.owns_cache:
            return None
        return KvRow(
            self.kv_heads, self.head_dim, self.v_head_dim, self.span, indexer_dim=self.index_dim
        )

    def tensors(self) -> tuple[Tensor, ...]:
        q = self.heads * self.head_dim
        found = self._fused() if self.fused else self._projections()
        found += self._output()
        if self.qk_norm is not QkNorm.NONE:
            per_head = self.qk_norm is QkNorm.PER_HEAD
            found += self._norm("q", self.head_dim if per_head else q)
            if self._has_keys:
                k = self.kv_heads * self.head_dim
                found += self._norm("k", self.head_dim if per_head else k)
        return (*found, *self.extra)

    @property
    def _has_keys(self) -> bool:
        return self.owns_cache or self.shared_projections

    def _fused(self) -> list[Tensor]:
        q, kv = self.heads * self.head_dim, self.kv_heads * (self.head_dim + self.v_head_dim)
        path = f"{self.module}.qkv_proj"
        found = [
            Tensor(
                "attn_qkv", path, Part.ATTENTION, q + kv, self.hidden, Shard.QKV,
                kv_heads=self.kv_heads, kv_rows=kv,
            )
        ]  # fmt: skip
        if self.qkv_bias:
            found.append(
                vector(
                    "attn_qkv", path, Part.ATTENTION, q + kv, Shard.QKV,
                    kv_heads=self.kv_heads, kv_rows=kv, bias=True,
                )
            )  # fmt: skip
        return found

    def _projections(self) -> list[Tensor]:
        q = self.heads * self.head_dim * (2 if self.output_gate else 1)
        rows = [("q", q, Shard.COLUMN, 0)]
        if self._has_keys:
            rows.append(("k", self.kv_heads * self.head_dim, Shard.KV_HEADS, self.kv_heads))
            if not self.value_is_key:
                rows.append(("v", self.kv_heads * self.v_head_dim, Shard.KV_HEADS, self.kv_heads))
        found = [
            Tensor(
                f"attn_{x}", f"{self.module}.{x}_proj", Part.ATTENTION, n, self.hidden, shard,
                kv_heads=heads,
            )
            for x, n, shard, heads in rows
        ]  # fmt: skip
        if self.qkv_bias:
            found += [
                vector(
                    f"attn_{x}", f"{self.module}.{x}_proj", Part.ATTENTION, n, shard,
                    kv_heads=heads, bias=True,
                )
                for x, n, shard, heads in rows
            ]  # fmt: skip
        return found

    def _output(self) -> list[Tensor]:
        part, o = Part.ATTENTION, self.heads * self.v_head_dim
        path = f"{self.module}.o_proj"
        found = [Tensor("attn_output", path, part, self.hidden, o, Shard.ROW)]
        if self.out_bias:
            found.append(vector("attn_output", path, part, self.hidden, bias=True))
        if self.sinks:
            found.append(
                vector("attn_sinks", f"{self.module}.sinks", part, self.heads, Shard.COLUMN)
            )
        if self.head_gate or self.wide_gate:
            rows = self.heads if self.head_gate else self.heads * self.head_dim
            found.append(
                Tensor("attn_gate", f"{self.module}.g_proj", part, rows, self.hidden, Shard.COLUMN)
            )
        return found

    def _norm(self, which: str, width: int) -> list[Tensor]:
        name, path = f"attn_{which}_norm", f"{self.module}.{which}_norm"
        found = [vector(name, path, Part.NORM, width)]
        if self.qk_norm_bias:
            found.append(vector(name, path, Part.NORM, width, bias=True))
        return found

    def core_flops(self, context: int) -> int:
        return 2 * self.heads * (self.head_dim + self.v_head_dim) * self.span.tokens(context)


@dataclass(frozen=True, slots=True)
class Indexer:
    """The lightning indexer of DeepSeek sparse attention: picks `top_k` tokens per query."""

    heads: int
    head_dim: int
    top_k: int


@dataclass(frozen=True, slots=True)
class LatentAttention(Mixer):
    """Multi-head latent attention (DeepSeek V2 / V3, Kimi K2): keys and values from one latent.

    `q_lora_rank` None projects queries directly. The cache is one row of kv_lora_rank +
    qk_rope_head_dim elements per token, with no value part.
    """

    hidden: int
    heads: int
    q_lora_rank: int | None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    indexer: Indexer | None = None
    bias: bool = False
    """Biases on the compressing projections and the output (attention_bias)."""
    output_gate: bool = False
    """A gate per output element from a projection of its own (Kimi K3)."""
    module: str = "self_attn"

    @property
    def kind(self) -> str:
        return "latent" if self.indexer is None else "latent sparse"

    @property
    def kv_row(self) -> KvRow:
        width = self.kv_lora_rank + self.qk_rope_head_dim
        indexer_dim = self.indexer.head_dim if self.indexer is not None else 0
        return KvRow(
            1, width, 0, latent=True, indexer_dim=indexer_dim,
            latent_rope_dim=self.qk_rope_head_dim,
        )  # fmt: skip

    def tensors(self) -> tuple[Tensor, ...]:
        part, h, heads, m = Part.ATTENTION, self.hidden, self.heads, self.module
        q = heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        latent, o = self.kv_lora_rank, heads * self.v_head_dim
        wide = latent + self.qk_rope_head_dim
        r = self.q_lora_rank
        if r is None:
            found = [Tensor("attn_q", f"{m}.q_proj", part, q, h, Shard.COLUMN)]
        else:
            found = [
                Tensor("attn_q_a", f"{m}.q_a_proj", part, r, h),
                vector("attn_q_a_norm", f"{m}.q_a_layernorm", Part.NORM, r),
                Tensor("attn_q_b", f"{m}.q_b_proj", part, q, r, Shard.COLUMN),
            ]
            if self.bias:
                found.append(vector("attn_q_a", f"{m}.q_a_proj", part, r, bias=True))
        expanded = heads * (self.qk_nope_head_dim + self.v_head_dim)
        found += [
            Tensor("attn_kv_a_mqa", f"{m}.kv_a_proj_with_mqa", part, wide, h),
            vector("attn_kv_a_norm", f"{m}.kv_a_layernorm", Part.NORM, latent),
            Tensor("attn_kv_b", f"{m}.kv_b_proj", part, expanded, latent, Shard.COLUMN),
            Tensor("attn_output", f"{m}.o_proj", part, h, o, Shard.ROW),
        ]
        if self.bias:
            found += [
                vector("attn_kv_a_mqa", f"{m}.kv_a_proj_with_mqa", part, wide, bias=True),
                vector("attn_output", f"{m}.o_proj", part, h, bias=True),
            ]
        if self.output_gate:
            found.append(Tensor("attn_gate", f"{m}.g_proj", part, o, h, Shard.COLUMN))
        if self.indexer is not None:
            found += _indexer_tensors(self.indexer, h, r or h, f"{m}.indexer")
        return tuple(found)

    def core_flops(self, context: int) -> int:
        width = 2 * self.kv_lora_rank + self.qk_rope_head_dim
        if self.indexer is None:
            return 2 * self.heads * width * context
        scored = 2 * self.indexer.heads * self.indexer.head_dim * context
        return scored + 2 * self.heads * width * min(context, self.indexer.top_k)


def _indexer_tensors(indexer: Indexer, hidden: int, query_width: int, path: str) -> list[Tensor]:
    """Queries from the compressed query, one key head with its norm, a weight per head."""
    part, dim = Part.ATTENTION, indexer.head_dim
    return [
        Tensor("indexer.attn_q_b", f"{path}.wq_b", part, indexer.heads * dim, query_width),
        Tensor("indexer.attn_k", f"{path}.wk", part, dim, hidden),
        vector("indexer.k_norm", f"{path}.k_norm", Part.NORM, dim),
        vector("indexer.k_norm", f"{path}.k_norm", Part.NORM, dim, bias=True),
        Tensor("indexer.proj", f"{path}.weights_proj", part, indexer.heads, hidden),
    ]
