"""Multi-token-prediction layers: what a checkpoint holds beyond the model, for speculation.

Counts were checked against the published totals of checkpoints that hold such layers: GLM-4.5,
GLM-5.1, Qwen3-Next, Qwen3.5, MiMo, Step 3.5, ERNIE 4.5, Nemotron 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Layer
from llm_lander_tui.models.config import parts
from llm_lander_tui.models.config.norms import norm_tensors
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

Found = tuple[tuple[Layer, ...], tuple[Tensor, ...]]
"""The layers, and what joins them to the model."""


def none(reading: Reading) -> Found:
    """No such layers, or none that the family's checkpoints hold."""
    return (), ()


def _layer(reading: Reading, mixer_at: int, mlp_at: int) -> Layer:
    """A layer like those of the model: attention of one of them, feed-forward part of another."""
    family, h = reading.family, reading.hidden
    norms = tuple(
        t for name, path in family.norms for t in norm_tensors(family.norm, name, path, h)
    )
    return Layer(
        family.mixers(reading, mixer_at),
        family.mlp(reading, mlp_at),
        norms + family.others(reading, mlp_at),
    )


def _last(reading: Reading, kind: str) -> int:
    """The last layer of that type, the last of all without one."""
    types = reading.layer_types
    return max((i for i, found in enumerate(types) if found == kind), default=len(types) - 1)


def _join(reading: Reading, count: int, norms: int) -> list[Tensor]:
    """A projection of embedding and hidden state side by side, and the norms around it."""
    h = reading.hidden
    return [
        Tensor("nextn.eh_proj", "mtp.eh_proj", Part.OTHER, h, 2 * h, copies=count),
        vector("nextn.norm", "mtp.norm", Part.NORM, h, copies=count * norms),
    ]


def _copies(reading: Reading, count: int, *, embedding: bool) -> list[Tensor]:
    """Copies of the head, and of the embedding, which engines share with the model's own."""
    h, vocab = reading.hidden, reading.vocab
    head = Tensor(
        "nextn.shared_head_head", "mtp.shared_head.head", Part.LM_HEAD, vocab, h, Shard.VOCAB, count
    )
    if not embedding:
        return [head]
    table = Tensor(
        "nextn.embed_tokens",
        "mtp.embed_tokens",
        Part.EMBEDDING,
        vocab,
        h,
        Shard.VOCAB,
        count,
        linear=False,
    )
    return [table, head]


def deepseek(reading: Reading) -> Found:
    """Layers like the last, with copies of embedding and head (DeepSeek-V3, GLM-4.5)."""
    layers, outer = shared(reading)
    if not layers:
        return (), ()
    return layers, (*outer, *_copies(reading, len(layers), embedding=True))


def shared(reading: Reading) -> Found:
    """Layers like the last that use the model's own embedding and head (GLM-5, Qwen3.5, MiMo)."""
    count = reading.fields.integer("mtp_layers", 0)
    if not count:
        return (), ()
    # A latent layer past the last one has an indexer of its own, whatever the last one shares.
    is_latent = reading.family.mixers is parts.latent
    at = reading.layers if is_latent else _last(reading, "full_attention")
    layer = _layer(reading, at, reading.layers - 1)
    return (layer,) * count, tuple(_join(reading, count, norms=3))


def step(reading: Reading) -> Found:
    """Dense sliding layers with a head of their own (Step 3.5)."""
    count = reading.fields.integer("mtp_layers", 0)
    if not count:
        return (), ()
    layer = _layer(reading, _last(reading, "sliding_attention"), 0)
    outer = _join(reading, count, norms=3) + _copies(reading, count, embedding=False)
    return (layer,) * count, tuple(outer)


def ernie(reading: Reading) -> Found:
    """Dense layers joined with two norms (ERNIE 4.5)."""
    count = reading.fields.integer("mtp_layers", 0)
    if not count:
        return (), ()
    return (_layer(reading, 0, 0),) * count, tuple(_join(reading, count, norms=2))


def nemotron(reading: Reading) -> Found:
    """An attention block and an expert block (Nemotron 3 Super, Ultra)."""
    count = reading.fields.integer("mtp_layers", 0)
    types = reading.layer_types
    if not count or "moe" not in types or "full_attention" not in types:
        return (), ()
    blocks = tuple(
        _layer(reading, _last(reading, kind), _last(reading, kind))
        for kind in ("full_attention", "moe")
    )
    return blocks * count, tuple(_join(reading, count, norms=3))
