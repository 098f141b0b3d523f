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

    @property
    def kind(self) -> str:
        return self.span.kind.value if self.owns_cache else f"{self.span.kind.value} shared"

    @property
    def kv_row(self) -> KvRow | None:
        if not self.owns_cache:
            return None
        return KvRow(self.kv_heads, self.head_dim, self.v_head_dim, self.span)

    def tensors(self) -> tuple[Tensor, ...]:
        q = self.heads * self.head_dim
        k, v = self.kv_heads * self.head_dim, self.kv_heads * self.v_head_dim
        o = self.heads * self.v_head_dim
        gated = 2 if self.output_gate else 1
        part, kv = Part.ATTENTION, self.kv_heads
        found = [Tensor("attn_q", "self_attn.q_proj", part, gated * q, self.hidden, Shard.COLUMN)]
        if self.owns_cache:
            found.append(
                Tensor(
                    "attn_k", "self_attn.k_proj", part, k, self.hidden, Shard.KV_HEADS, kv_heads=kv
                )
            )
            if not self.value_is_key:
                found.append(
                    Tensor(
                        "attn_v",
                        "self_attn.v_proj",
                        part,
                        v,
                        self.hidden,
                        Shard.KV_HEADS,
                        kv_heads=kv,
                    )
                )
        found.append(Tensor("attn_output", "self_attn.o_proj", part, self.hidden, o, Shard.ROW))
        if self.qkv_bias:
            found.append(
                vector("attn_q", "self_attn.q_proj", part, gated * q, Shard.COLUMN, bias=True)
            )
            found.append(
                vector(
                    "attn_k", "self_attn.k_proj", part, k, Shard.KV_HEADS, kv_heads=kv, bias=True
                )
            )
            found.append(
                vector(
                    "attn_v", "self_attn.v_proj", part, v, Shard.KV_HEADS, kv_heads=kv, bias=True
                )
            )
        if self.out_bias:
            found.append(vector("attn_output", "self_attn.o_proj", part, self.hidden, bias=True))
        if self.qk_norm is QkNorm.PER_HEAD:
            found.append(vector("attn_q_norm", "self_attn.q_norm", Part.NORM, self.head_dim))
            found.append(vector("attn_k_norm", "self_attn.k_norm", Part.NORM, self.head_dim))
        elif self.qk_norm is QkNorm.FULL_WIDTH:
            found.append(vector("attn_q_norm", "self_attn.q_norm", Part.NORM, q))
            found.append(vector("attn_k_norm", "self_attn.k_norm", Part.NORM, k))
        if self.sinks:
            found.append(vector("attn_sinks", "self_attn.sinks", part, self.heads, Shard.COLUMN))
        return tuple(found)

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

    @property
    def kind(self) -> str:
        return "latent"

    @property
    def kv_row(self) -> KvRow:
        width = self.kv_lora_rank + self.qk_rope_head_dim
        indexer_dim = self.indexer.head_dim if self.indexer is not None else 0
        return KvRow(
            1,
            width,
            0,
            latent=True,
            indexer_dim=indexer_dim,
            latent_rope_dim=self.qk_rope_head_dim,
        )

    def tensors(self) -> tuple[Tensor, ...]:
        part, h, heads = Part.ATTENTION, self.hidden, self.heads
        q = heads * (self.qk_nope_head_dim + self.qk_rope_head_dim)
        latent = self.kv_lora_rank
        if self.q_lora_rank is None:
            found = [Tensor("attn_q", "self_attn.q_proj", part, q, h, Shard.COLUMN)]
        else:
            r = self.q_lora_rank
            found = [
                Tensor("attn_q_a", "self_attn.q_a_proj", part, r, h),
                vector("attn_q_a_norm", "self_attn.q_a_layernorm", Part.NORM, r),
                Tensor("attn_q_b", "self_attn.q_b_proj", part, q, r, Shard.COLUMN),
            ]
        expanded = heads * (self.qk_nope_head_dim + self.v_head_dim)
        found += [
            Tensor(
                "attn_kv_a_mqa",
                "self_attn.kv_a_proj_with_mqa",
                part,
                latent + self.qk_rope_head_dim,
                h,
            ),
            vector("attn_kv_a_norm", "self_attn.kv_a_layernorm", Part.NORM, latent),
            Tensor("attn_kv_b", "self_attn.kv_b_proj", part, expanded, latent, Shard.COLUMN),
            Tensor("attn_output", "self_attn.o_proj", part, h, heads * self.v_head_dim, Shard.ROW),
        ]
        return tuple(found)

    def core_flops(self, context: int) -> int:
        width = 2 * self.kv_lora_rank + self.qk_rope_head_dim
        seen = min(context, self.indexer.top_k) if self.indexer is not None else context
        return 2 * self.heads * width * seen
