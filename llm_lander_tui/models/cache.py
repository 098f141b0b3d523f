"""What a layer keeps between tokens: KV rows that grow with the context, states that do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SpanKind(StrEnum):
    """Which of the earlier tokens an attention layer looks at."""

    FULL = "full"
    SLIDING = "sliding"
    CHUNKED = "chunked"
    CROSS = "cross"
    """The tokens of an encoder, not of the text."""


@dataclass(frozen=True, slots=True)
class Span:
    """FULL, or a window / chunk of `size` tokens (CROSS: `size` encoder tokens)."""

    kind: SpanKind = SpanKind.FULL
    size: int = 0

    def tokens(self, context: int) -> int:
        """Tokens held of a sequence of `context` tokens, without any engine's rounding."""
        if self.kind is SpanKind.FULL:
            return context
        return self.size if self.kind is SpanKind.CROSS else min(context, self.size)


FULL = Span()


@dataclass(frozen=True, slots=True)
class Compressed:
    """What a layer keeps of the tokens beyond its window: one row of `dim` every `ratio` tokens.

    `indexer_dim` elements come on top of each row where an indexer picks among them (DeepSeek-V4).
    """

    dim: int
    ratio: int
    indexer_dim: int = 0


@dataclass(frozen=True, slots=True)
class KvRow:
    """What one attention layer caches for one token.

    Each of `kv_heads` heads holds `k_dim` key and `v_dim` value elements. A latent row (MLA) is one
    head of kv_lora_rank + qk_rope_head_dim elements with no value part (values are a view of it)
    and cannot be divided by tensor parallelism. `indexer_dim` elements of a sparse-attention
    indexer (DeepSeek-V3.2) come on top. Engines add their own paging and padding.
    """

    kv_heads: int
    k_dim: int
    v_dim: int
    span: Span = FULL
    latent: bool = False
    indexer_dim: int = 0
    latent_rope_dim: int = 0
    """The rope part inside a latent row's `k_dim`."""
    values_are_keys: bool = False
    """Values are the keys: transformers keeps both, engines that know it keep `k_dim` alone."""
    compressed: Compressed | None = None
    """What grows with the context beside the window (DeepSeek-V4)."""

    @property
    def k_elements(self) -> int:
        return self.kv_heads * self.k_dim

    @property
    def v_elements(self) -> int:
        return self.kv_heads * self.v_dim

    @property
    def elements(self) -> int:
        """Key and value elements for one token, without the indexer."""
        return self.k_elements + self.v_elements


class StateKind(StrEnum):
    """The mixer that a recurrent state belongs to; engines store them differently."""

    MAMBA1 = "mamba1"
    MAMBA2 = "mamba2"
    GATED_DELTA_NET = "gated_delta_net"
    KIMI_DELTA = "kimi_delta"
    LIGHTNING = "lightning"
    RWKV = "rwkv"
    SHORT_CONV = "short_conv"


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """What one state-space or linear-attention layer keeps for one sequence, whatever its length.

    `conv_channels` columns of the last inputs (`conv_kernel` of them in transformers,
    `conv_kernel` - 1 in the engines), and `recurrent_elements`, held in FP32 by most engines. RWKV
    has no convolution: its two token-shift vectors stand as 2·hidden channels, kernel 1, and are
    kept whole everywhere.
    """

    kind: StateKind
    conv_channels: int
    conv_kernel: int
    recurrent_elements: int
    recurrent_heads: int = 1
    """How many heads the recurrent elements divide into (tensor parallelism)."""
    recurrent_dtype: str = ""
    """What the config asks engines to hold the recurrence in (mamba_ssm_dtype); empty: not said."""
    groups: int = 0
    """Mamba-2: groups of B and C, of which tensor parallelism copies what it cannot divide."""
    group_channels: int = 0
    """Mamba-2: the convolution columns of B and C of all groups, part of `conv_channels`."""
