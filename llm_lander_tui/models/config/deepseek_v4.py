"""DeepSeek-V4: compressed attention, hash-routed first layers, hyper-connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Mixer
from llm_lander_tui.models.attention import Indexer
from llm_lander_tui.models.compressed_attention import CompressedAttention
from llm_lander_tui.models.config.fields import refuse, shown
from llm_lander_tui.models.tensors import Part, Tensor, vector

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

INDEXED_RATIO = 4
"""The compression ratio of the layers that have an indexer."""
_RATIOS = {
    "sliding_attention": 0,
    "compressed_sparse_attention": INDEXED_RATIO,
    "heavily_compressed_attention": 128,
}


def compressed(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Attention by the layer's entry in `compress_ratios`."""
    fields = reading.fields
    ratio = _ratio(reading, layer)
    indexer = None
    if ratio == INDEXED_RATIO:
        indexer = Indexer(
            fields.positive("index_n_heads"),
            fields.positive("index_head_dim"),
            fields.positive("index_topk"),
        )
    groups = fields.positive("o_groups")
    if reading.heads % groups:
        raise refuse(f"{reading.heads} heads do not divide into {groups} output groups.")
    return (
        CompressedAttention(
            reading.hidden,
            reading.heads,
            reading.head_dim,
            fields.positive("q_lora_rank"),
            fields.positive("o_lora_rank"),
            groups,
            fields.positive("sliding_window"),
            ratio,
            indexer,
        ),
    )


def _ratio(reading: Reading, layer: int) -> int:
    """The compression of a layer, from `compress_ratios` or from its layer type."""
    fields = reading.fields
    ratios = fields.integers("compress_ratios")
    if ratios is None:
        kind = reading.layer_types[layer]
        known = _RATIOS.get(kind)
        if known is None:
            raise refuse(f"{shown(kind)} is no layer type of this model.")
        return fields.inner("compress_rates").integer(kind, known)
    if len(ratios) < reading.layers:
        raise refuse("compress_ratios does not list every layer.")
    return ratios[layer]


def hyper_connections(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """The mixing of residual streams before both parts, and the token hash of the first layers."""
    n, h = reading.fields.positive("hc_mult"), reading.hidden
    rows = n * (n + 2)
    found = []
    for part, which in ((Part.ATTENTION, "attn"), (Part.MLP, "ffn")):
        path = f"{which}_hc"
        found += [
            Tensor(f"hc_{which}_fn", f"{path}.fn", part, rows, n * h, linear=False),
            vector(f"hc_{which}_base", f"{path}.base", part, rows),
            vector(f"hc_{which}_scale", f"{path}.scale", part, 3),
        ]
    if layer < reading.fields.integer("num_hash_layers", 0):
        active = reading.fields.positive("num_experts_per_tok")
        table = Tensor(
            "ffn_gate_tid2eid",
            "mlp.gate.tid2eid",
            Part.MLP,
            reading.vocab,
            active,
            linear=False,
            buffer=True,
        )
        found.append(table)
    return tuple(found)


def hyper_head(reading: Reading) -> tuple[Tensor, ...]:
    """What joins the residual streams before the head."""
    n, h, path = reading.fields.positive("hc_mult"), reading.hidden, "model.hc_head"
    return (
        Tensor("output_hc_fn", f"{path}.hc_fn", Part.OTHER, n, n * h, linear=False),
        vector("output_hc_base", f"{path}.hc_base", Part.OTHER, n),
        vector("output_hc_scale", f"{path}.hc_scale", Part.OTHER, 1),
    )
