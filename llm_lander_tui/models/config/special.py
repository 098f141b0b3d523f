"""Builders of families whose layers differ among each other in heads, widths or kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Mixer, Mlp
from llm_lander_tui.models.attention import GroupedAttention, QkNorm
from llm_lander_tui.models.cache import Span, SpanKind
from llm_lander_tui.models.config.fields import Fields, bounded, refuse
from llm_lander_tui.models.config.parts import dense, grouped
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part, Tensor, vector
from llm_lander_tui.units import round_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llm_lander_tui.models.config.reading import Reading

SLIDING = "sliding_attention"
MLLAMA_IMAGE_TOKENS = 4 * 1601
"""Four tiles of 40 x 40 patches and a class token (kv.csv, Llama-3.2-Vision)."""


def _block(reading: Reading, layer: int) -> Fields:
    """The entry of a Nemotron-NAS layer in `block_configs`."""
    blocks = reading.fields.items("block_configs")
    if blocks is None or len(blocks) < reading.layers:
        raise refuse("block_configs does not list every layer.")
    return Fields({"block": blocks[layer]}, {}).inner("block")


def nas(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Nemotron-NAS: attention of its own group size, none, or a linear layer in its place."""
    block = _block(reading, layer).inner("attention")
    if block.flag("no_op"):
        return ()
    if block.flag("replace_with_linear"):
        raise refuse("a layer replaces attention by a linear map, a kind that is not known here.")
    group = block.positive("n_heads_in_group")
    if reading.heads % group:
        raise refuse(f"{reading.heads} heads do not divide into groups of {group}.")
    dim = reading.head_dim
    return (GroupedAttention(reading.hidden, reading.heads, reading.heads // group, dim, dim),)


def nas_mlp(reading: Reading, layer: int) -> Mlp | None:
    """Nemotron-NAS: a gated part of `ffn_mult` times the hidden size, or none."""
    block = _block(reading, layer).inner("ffn")
    if block.flag("no_op"):
        return None
    width = round_up(int(2 * block.number("ffn_mult", 0.0) * reading.hidden / 3), 256)
    return DenseMlp(reading.hidden, bounded("intermediate_size", width))


def nas_others(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """A norm before each part that is there."""
    found = []
    if nas(reading, layer):
        found.append(vector("attn_norm", "input_layernorm", Part.NORM, reading.hidden))
    if nas_mlp(reading, layer) is not None:
        found.append(vector("ffn_norm", "post_attention_layernorm", Part.NORM, reading.hidden))
    return tuple(found)


def openelm(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """OpenELM: heads by layer, one fused projection, a norm per head."""
    heads = reading.fields.per_layer("num_query_heads", reading.layers)[layer]
    kv_heads = reading.fields.per_layer("num_key_value_heads", reading.layers)[layer]
    normed = reading.fields.flag("normalize_qk_projections")
    return (
        GroupedAttention(
            reading.hidden,
            heads,
            kv_heads,
            reading.head_dim,
            reading.head_dim,
            fused=True,
            qk_norm=QkNorm.PER_HEAD if normed else QkNorm.NONE,
            module="attn",
        ),
    )


def openelm_mlp(reading: Reading, layer: int) -> Mlp:
    """OpenELM: `ffn_multipliers` times the hidden size, to a multiple of `ffn_dim_divisor`."""
    multipliers = reading.fields.items("ffn_multipliers")
    if multipliers is None or len(multipliers) < reading.layers:
        raise refuse("ffn_multipliers does not list every layer.")
    multiplier = Fields({"x": multipliers[layer]}, {}).number("x", 1.0)
    divisor = reading.fields.positive("ffn_dim_divisor", 256)
    width = max(divisor, int(multiplier * reading.hidden + divisor / 2) // divisor * divisor)
    return DenseMlp(reading.hidden, bounded("intermediate_size", width), fused=True, module="ffn")


def mllama_pattern(reading: Reading) -> tuple[str, ...]:
    """Cross-attention in the layers of `cross_attention_layers`."""
    listed = frozenset(reading.fields.integers("cross_attention_layers") or ())
    return tuple("cross" if i in listed else "full_attention" for i in range(reading.layers))


def mllama(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Llama's attention, or cross-attention over image tokens with a gate for each part."""
    if reading.layer_types[layer] != "cross":
        return grouped(reading, layer)
    dim = reading.head_dim
    gates = tuple(
        vector(name, path, Part.ATTENTION, 1)
        for name, path in (
            ("cross_attn_attn_gate", "cross_attn_attn_gate"),
            ("cross_attn_mlp_gate", "cross_attn_mlp_gate"),
        )
    )
    return (
        GroupedAttention(
            reading.hidden,
            reading.heads,
            reading.kv_heads,
            dim,
            dim,
            Span(SpanKind.CROSS, MLLAMA_IMAGE_TOKENS),
            qk_norm=QkNorm.PER_HEAD,
            extra=gates,
            module="cross_attn",
        ),
    )


def llama4_pattern(reading: Reading) -> tuple[str, ...]:
    """Chunked attention, but for the layers without rotary embedding, which see everything."""
    listed = reading.fields.integers("no_rope_layers")
    every = reading.fields.positive("no_rope_layer_interval", 4)
    rope = listed or tuple(int((i + 1) % every != 0) for i in range(reading.layers))
    if len(rope) < reading.layers:
        raise refuse(f"no_rope_layers lists {len(rope)} of {reading.layers} layers.")
    return tuple(
        "chunked_attention" if flag else "full_attention" for flag in rope[: reading.layers]
    )


def llama4_sparse(reading: Reading) -> tuple[bool, ...]:
    """Experts in `moe_layers`, or in every `interleave_moe_layer_step`-th layer."""
    listed = reading.fields.integers("moe_layers")
    step = reading.fields.positive("interleave_moe_layer_step", 1)
    if listed is not None:
        chosen = frozenset(listed)
        return tuple(i in chosen for i in range(reading.layers))
    return tuple((i + 1) % step == 0 for i in range(reading.layers))


def llama4_mlp(reading: Reading, layer: int) -> Mlp:
    """Experts with one shared of the same width, or a dense part of `intermediate_size_mlp`."""
    fields, width = reading.fields, reading.intermediate
    if not reading.expert_layers[layer]:
        return DenseMlp(
            reading.hidden, fields.positive("intermediate_size_mlp"), module="feed_forward"
        )
    return ExpertsMlp(
        reading.hidden,
        fields.positive("num_experts"),
        fields.positive("num_experts_per_tok"),
        width,
        shared_intermediate=width,
        module="feed_forward",
        router="router",
        shared="shared_expert",
    )


def mimo_v2_pattern(reading: Reading) -> tuple[str, ...]:
    """MiMo-V2: 1 slides and 0 is full in `hybrid_layer_pattern`."""
    listed = reading.fields.integers("hybrid_layer_pattern")
    if listed is None:
        return ("full_attention",) * reading.layers
    if len(listed) < reading.layers:
        raise refuse(f"hybrid_layer_pattern lists {len(listed)} of {reading.layers} layers.")
    return tuple(SLIDING if flag else "full_attention" for flag in listed[: reading.layers])


def mimo_v2(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """MiMo-V2: sliding layers have heads, widths and sinks of their own."""
    fields = reading.fields
    sliding = reading.layer_types[layer] == SLIDING
    prefix, sinks = ("swa_", "add_swa_attention_sink_bias") if sliding else (
        "", "add_full_attention_sink_bias"
    )  # fmt: skip
    dim, v_dim = reading.head_dim, fields.positive("v_head_dim", reading.head_dim)
    return (
        GroupedAttention(
            reading.hidden,
            fields.positive(f"{prefix}num_attention_heads", reading.heads),
            fields.positive(f"{prefix}num_key_value_heads", reading.kv_heads),
            fields.positive(f"{prefix}head_dim", dim),
            fields.positive(f"{prefix}v_head_dim", v_dim),
            reading.spans[layer],
            qkv_bias=fields.flag("attention_bias"),
            sinks=fields.flag(sinks, default=sliding),
        ),
    )


def laguna(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Laguna: heads by layer, normed queries and keys, a gate per head or element."""
    fields = reading.fields
    dim = reading.head_dim
    gate = fields.get("gating")
    per_layer = fields.names("gating_types")
    if per_layer is not None and layer < len(per_layer):
        gate = per_layer[layer].replace("_", "-")
    return (
        GroupedAttention(
            reading.hidden,
            fields.per_layer("num_attention_heads_per_layer", reading.layers, reading.heads)[layer],
            reading.kv_heads,
            dim,
            dim,
            reading.spans[layer],
            qkv_bias=fields.flag("attention_bias"),
            out_bias=fields.flag("attention_bias"),
            qk_norm=QkNorm.PER_HEAD,
            head_gate=gate is True or gate == "per-head",
            wide_gate=gate not in {True, "per-head"},
        ),
    )


def step(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Step 3.5: normed queries and keys, a gate per head, other heads in sliding layers."""
    fields = reading.fields
    other = fields.mapping("attention_other_setting")
    sliding = reading.layer_types[layer] == SLIDING
    own = _sliding_heads(other) if sliding else {}
    dim = reading.head_dim
    return (
        GroupedAttention(
            reading.hidden,
            own.get("num_attention_heads", reading.heads),
            own.get("num_attention_groups", reading.kv_heads),
            dim,
            dim,
            reading.spans[layer],
            qk_norm=QkNorm.PER_HEAD,
            head_gate=fields.flag("use_head_wise_attn_gate", default=True),
        ),
    )


def _sliding_heads(other: Mapping[str, object]) -> dict[str, int]:
    """The heads of sliding layers in Step's `attention_other_setting`."""
    fields = Fields(other, {})
    if fields.text("attention_type") != SLIDING:
        return {}
    return {
        name: int(value)
        for name in ("num_attention_heads", "num_attention_groups")
        if isinstance(value := other.get(name), int) and 0 < value < 2**16
    }


def step_layers(reading: Reading) -> int:
    """Step 3.5 may count its multi-token-prediction layers among the hidden ones."""
    fields = reading.fields
    stated = fields.positive("num_hidden_layers")
    text = fields.text("moe_layers_enum")[:20_000]
    numbers = (part.strip() for part in text.split(","))
    last = max((int(n) for n in numbers if n.isdecimal() and len(n) < 5), default=stated - 1)
    extra = fields.integer("mtp_layers", 0)
    return stated - extra if 0 < stated - extra == last + 1 else stated


def step_sparse(reading: Reading) -> tuple[bool, ...]:
    """Experts in the layers that `moe_layers_enum` names, or after the dense ones."""
    text = reading.fields.text("moe_layers_enum")
    if not text:
        first = reading.fields.integer("first_k_dense_replace", 3)
        return tuple(i >= first for i in range(reading.layers))
    numbers = frozenset(part.strip() for part in text[:20_000].split(","))
    return tuple(str(i) in numbers for i in range(reading.layers))


def step_mlp(reading: Reading, layer: int) -> Mlp:
    """Routed experts beside a shared one of `share_expert_dim`."""
    if not reading.expert_layers[layer]:
        return dense(reading, layer)
    fields = reading.fields
    return ExpertsMlp(
        reading.hidden,
        fields.positive("num_experts"),
        fields.positive("num_experts_per_tok"),
        fields.positive("moe_intermediate_size"),
        shared_intermediate=fields.integer("share_expert_dim", 0),
        score_correction=fields.flag("use_moe_router_bias", default=True),
        module="moe",
    )


def hunyuan_mlp(reading: Reading, layer: int) -> Mlp:
    """Hunyuan: experts, their width and number by layer; a lone expert is a dense part."""
    fields, n = reading.fields, reading.layers
    count = fields.per_layer("num_experts", n, 1)[layer]
    if count <= 1:
        return dense(reading, layer)
    width = fields.per_layer("moe_intermediate_size", n, reading.intermediate)[layer]
    active = fields.per_layer("num_experts_per_tok", n, 1)[layer]
    shared = fields.per_layer("num_shared_experts", n, 1)[layer]
    mixed = fields.flag("use_mixed_mlp_moe", default=True)
    return ExpertsMlp(
        reading.hidden,
        count,
        min(active, count),
        width,
        shared_intermediate=reading.intermediate * shared if mixed else 0,
        router="gate.wg",
        shared="shared_mlp",
    )


def minimax_m3_mlp(reading: Reading, layer: int) -> Mlp:
    """MiniMax M3: dense layers of their own width, experts with a shared one after them."""
    fields = reading.fields
    if not reading.expert_layers[layer]:
        return DenseMlp(reading.hidden, fields.positive("dense_intermediate_size"))
    return ExpertsMlp(
        reading.hidden,
        fields.positive("num_experts"),
        fields.positive("num_experts_per_tok"),
        reading.intermediate,
        shared_intermediate=fields.integer("shared_intermediate_size", 0)
        * fields.integer("num_shared_experts", 1),
        score_correction=True,
        module="block_sparse_moe",
    )


def minimax_m3(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """MiniMax M3: grouped attention; sparse layers keep index keys beside the cache."""
    (mixer,) = grouped(reading, layer)
    sparse = reading.fields.inner("sparse_attention_config")
    flags = sparse.integers("sparse_attention_freq")
    if flags is None or layer >= len(flags) or not flags[layer]:
        return (mixer,)
    heads, dim = sparse.positive("sparse_num_index_heads"), sparse.positive("sparse_index_dim")
    index = (
        Tensor(
            "indexer.attn_q", "self_attn.index_q_proj", Part.ATTENTION, heads * dim, reading.hidden
        ),
        Tensor("indexer.attn_k", "self_attn.index_k_proj", Part.ATTENTION, dim, reading.hidden),
        vector("indexer.q_norm", "self_attn.index_q_norm", Part.NORM, dim),
        vector("indexer.k_norm", "self_attn.index_k_norm", Part.NORM, dim),
    )
    return (replace(mixer, index_dim=dim, extra=index),)


def wide_gated(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """AFMoE: grouped attention with a gate per element from a projection of its own."""
    (mixer,) = grouped(reading, layer)
    return (replace(mixer, wide_gate=True),)


def xielu(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """Apertus: the two learned scalars of its activation."""
    return tuple(
        vector(f"xielu_{name}", f"mlp.act_fn.{name}", Part.MLP, 1)
        for name in ("alpha_p", "alpha_n")
    )


def sub_norms(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """BitNet: norms before the output and the down projection."""
    width = reading.heads * reading.head_dim
    return (
        vector("attn_sub_norm", "self_attn.attn_sub_norm", Part.NORM, width),
        vector("ffn_sub_norm", "mlp.ffn_sub_norm", Part.NORM, reading.intermediate),
    )


def post_norms(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """HyperCLOVA X: norms behind both parts where `use_post_norm` is set."""
    if not reading.fields.flag("use_post_norm"):
        return ()
    return (
        vector("post_attention_norm", "post_norm1", Part.NORM, reading.hidden),
        vector("post_ffw_norm", "post_norm2", Part.NORM, reading.hidden),
    )
