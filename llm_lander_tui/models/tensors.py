"""The unit that every weight count is made of: one kind of weight tensor of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a tensor belongs to; `model --json` folds MIXER, TOWER and OTHER into "other"."""

    EMBEDDING = "embedding"
    LM_HEAD = "lm_head"
    ATTENTION = "attention"
    MLP = "mlp"
    NORM = "norm"
    MIXER = "mixer"
    """State-space and linear-attention layers."""
    TOWER = "tower"
    """Vision and audio towers with their projectors."""
    OTHER = "other"


class Shard(StrEnum):
    """How tensor parallelism divides a tensor over the ranks."""

    VOCAB = "vocab"
    """Rows (the vocabulary, padded) are divided."""
    COLUMN = "column"
    """Output features (rows of the tensor) are divided."""
    ROW = "row"
    """Input features (columns of the tensor) are divided."""
    KV_HEADS = "kv_heads"
    """Rows are divided by KV heads; with fewer heads than ranks each head is replicated."""
    QKV = "qkv"
    """A fused projection: the last `kv_rows` rows are divided like KV_HEADS, the others COLUMN."""
    EXPERTS = "experts"
    """An expert stack: each expert is divided by COLUMN, or whole experts are (expert parallel)."""
    EXPERTS_ROW = "experts_row"
    """An expert stack whose experts are divided by ROW."""
    REPLICATED = "replicated"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One weight tensor of `copies` equal matrices of `rows` x `columns` elements.

    `name` is the stem that ggml gives it ("attn_q", "ffn_down_exps"); `module` is its Hugging Face
    path inside the layer ("self_attn.q_proj"), which quantization recipes name. `columns` is the
    contiguous dimension (input features), along which quantization blocks run. `linear` tells the
    weights of linear layers, which quantizers touch, from norms, biases, convolutions and tables.
    """

    name: str
    module: str
    part: Part
    rows: int
    columns: int
    shard: Shard = Shard.REPLICATED
    copies: int = 1
    linear: bool = True
    kv_heads: int = 0
    """For KV_HEADS and QKV: how many heads the key and value rows hold."""
    bias: bool = False
    """A one-dimensional companion (bias, scale) of the linear layer of the same module."""
    kv_rows: int = 0
    """For QKV: how many of the rows are keys and values."""
    buffer: bool = False
    """Stored in the checkpoint, but no parameter: left out of every parameter count."""

    @property
    def elements(self) -> int:
        return self.rows * self.columns * self.copies

    @property
    def parameters(self) -> int:
        """Elements that count as parameters: none of a buffer's."""
        return 0 if self.buffer else self.elements


def vector(
    name: str,
    module: str,
    part: Part,
    length: int,
    shard: Shard = Shard.REPLICATED,
    *,
    copies: int = 1,
    kv_heads: int = 0,
    bias: bool = False,
    kv_rows: int = 0,
    buffer: bool = False,
) -> Tensor:
    """A tensor of one dimension: a norm, a bias, a decay."""
    return Tensor(
        name, module, part, 1, length, shard, copies, linear=False, kv_heads=kv_heads, bias=bias,
        kv_rows=kv_rows, buffer=buffer,
    )  # fmt: skip
