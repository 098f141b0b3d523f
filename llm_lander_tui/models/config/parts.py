"""The common builders: grouped or latent attention, a dense or expert feed-forward part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Mixer, Mlp
from llm_lander_tui.models.attention import GroupedAttention, Indexer, LatentAttention, QkNorm
from llm_lander_tui.models.config.fields import refuse
from llm_lander_tui.models.linear_attention import GatedDeltaNet
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading


def grouped(reading: Reading, layer: int) -> tuple[GroupedAttention, ...]:
    """Grouped-query attention by the family's traits."""
    family = reading.family
    normed = reading.switch(family.qk_norm_switch)
    return (
        GroupedAttention(
            reading.hidden,
            reading.heads,
            reading.kv_heads,
            reading.head_dim,
            reading.head_dim,
            reading.spans[layer],
            qkv_bias=reading.switch(family.qkv_bias),
            out_bias=reading.switch(family.out_bias),
            qk_norm=family.qk_norm if normed else QkNorm.NONE,
            qk_norm_bias=family.qk_norm_bias,
            output_gate=family.output_gate,
            sinks=family.sinks,
            fused=family.fused_qkv,
            module=family.attention_module,
        ),
    )


def latent(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Latent attention (MLA), with the indexer where the config sizes one.

    Layers that `indexer_types` calls shared use the choice of the last full one before them.
    """
    fields = reading.fields
    index_heads = fields.integer("index_n_heads", 0)
    types = fields.names("indexer_types")
    if types is not None and layer < len(types) and types[layer] == "shared":
        index_heads = 0
    indexer = (
        Indexer(index_heads, fields.positive("index_head_dim"), fields.positive("index_topk"))
        if index_heads
        else None
    )
    return (
        LatentAttention(
            reading.hidden,
            reading.heads,
            fields.optional_integer("q_lora_rank"),
            fields.positive("kv_lora_rank"),
            fields.positive("qk_nope_head_dim"),
            fields.positive("qk_rope_head_dim"),
            fields.positive("v_head_dim", reading.hidden // reading.heads),
            indexer,
            bias=fields.flag("attention_bias"),
            output_gate=fields.flag("mla_use_output_gate"),
        ),
    )


def gated_delta_net(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Gated DeltaNet where the layer type says linear, grouped attention elsewhere."""
    if reading.layer_types[layer] != "linear_attention":
        return grouped(reading, layer)
    fields = reading.fields
    return (
        GatedDeltaNet(
            reading.hidden,
            fields.positive("linear_num_key_heads"),
            fields.positive("linear_num_value_heads"),
            fields.positive("linear_key_head_dim"),
            fields.positive("linear_value_head_dim"),
            fields.positive("conv_kernel"),
            split=not reading.model_type.startswith("qwen3_next"),
            state_dtype=fields.text("mamba_ssm_dtype"),
        ),
    )


def dense(reading: Reading, layer: int) -> Mlp:
    """A dense feed-forward part by the family's traits."""
    return DenseMlp(
        reading.hidden,
        reading.intermediate,
        gated=reading.family.gated,
        bias=reading.switch(reading.family.mlp_bias),
        fused=reading.family.fused_mlp,
        module=reading.family.mlp_module,
    )


def experts(reading: Reading, layer: int) -> Mlp:
    """A mixture of experts by the family's traits."""
    fields, family = reading.fields, reading.family
    width = fields.integer("moe_intermediate_size", 0) or reading.intermediate
    count, active = fields.positive("num_experts"), fields.positive("num_experts_per_tok")
    if active > count:
        raise refuse(f"a token would use {active} of {count} experts.")
    shared = fields.integer("shared_expert_intermediate_size", 0)
    shared += fields.integer("num_shared_experts", 0) * width
    return ExpertsMlp(
        reading.hidden,
        count,
        active,
        width,
        shared_intermediate=shared,
        shared_gate=family.shared_gate and shared > 0,
        router_bias=reading.switch(family.router_bias),
        expert_bias=family.expert_bias,
        gated=family.gated,
        score_correction=reading.switch(family.score_correction),
        module=family.mlp_module,
        router=family.router,
        shared=family.shared,
    )


def feed_forward(reading: Reading, layer: int) -> Mlp:
    """Experts in the layers that have them, a dense part in the others."""
    if reading.expert_layers[layer]:
        return experts(reading, layer)
    return dense(reading, layer)
