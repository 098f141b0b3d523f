"""Layers of hybrid families: which mixer stands where, built from the config's own pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Mixer, Mlp
from llm_lander_tui.models.config.fields import bounded, refuse
from llm_lander_tui.models.config.parts import dense, experts, grouped, latent
from llm_lander_tui.models.linear_attention import (
    KimiDelta,
    Lightning,
    Mamba1,
    Mamba2,
    Rwkv5,
    ShortConv,
)
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector
from llm_lander_tui.units import ceil_div

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

ATTENTION, LINEAR = "full_attention", "linear_attention"


def mamba1(reading: Reading, inner: int, module: str, *, norms: bool = False) -> Mamba1:
    """A Mamba mixer; an "auto" dt rank is a sixteenth of the hidden size."""
    fields = reading.fields
    rank = fields.get("ssm_dt_rank")
    automatic = rank is None or rank == "auto"
    return Mamba1(
        reading.hidden,
        inner,
        fields.positive("ssm_state_size"),
        ceil_div(reading.hidden, 16) if automatic else fields.positive("ssm_dt_rank"),
        fields.positive("conv_kernel"),
        conv_bias=fields.flag("ssm_conv_bias", default=True),
        bias=fields.flag("ssm_bias"),
        inner_norms=norms,
        module=module,
    )


def mamba2(reading: Reading, inner: int, module: str, *, gated_norm: bool = True) -> Mamba2:
    """A Mamba-2 mixer of `inner` channels."""
    fields = reading.fields
    return Mamba2(
        reading.hidden,
        inner,
        fields.positive("ssm_state_size"),
        fields.positive("ssm_groups"),
        fields.positive("ssm_heads"),
        fields.positive("conv_kernel"),
        conv_bias=fields.flag("ssm_conv_bias", default=True),
        bias=fields.flag("ssm_bias"),
        gated_norm=gated_norm,
        module=module,
    )


def only_mamba1(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Mamba in every layer."""
    inner = reading.fields.positive("ssm_expand", 2) * reading.hidden
    return (mamba1(reading, reading.fields.positive("intermediate_size", inner), "mixer"),)


def only_mamba2(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Mamba-2 in every layer."""
    return (mamba2(reading, reading.fields.positive("ssm_expand", 2) * reading.hidden, "mixer"),)


def no_mlp(reading: Reading, layer: int) -> None:
    """No feed-forward part."""


def jamba_pattern(reading: Reading) -> tuple[str, ...]:
    """Attention every `attn_layer_period` layers, Mamba between."""
    fields = reading.fields
    period = fields.positive("attn_layer_period")
    offset = fields.integer("attn_layer_offset", 0)
    return tuple(ATTENTION if i % period == offset else LINEAR for i in range(reading.layers))


def jamba_sparse(reading: Reading) -> tuple[bool, ...]:
    """Experts every `expert_layer_period` layers."""
    fields = reading.fields
    period = fields.positive("expert_layer_period")
    offset = fields.integer("expert_layer_offset", 0)
    several = fields.integer("num_experts", 0) > 1
    return tuple(several and i % period == offset for i in range(reading.layers))


def jamba(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Mamba with inner norms, or attention."""
    if reading.layer_types[layer] == LINEAR:
        inner = reading.fields.positive("ssm_expand", 2) * reading.hidden
        return (mamba1(reading, inner, "mamba", norms=True),)
    return grouped(reading, layer)


def granite(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Granite 4: Mamba-2, or attention."""
    if reading.layer_types[layer] == LINEAR:
        inner = reading.fields.positive("ssm_expand", 2) * reading.hidden
        return (mamba2(reading, inner, "mamba"),)
    return grouped(reading, layer)


def granite_mlp(reading: Reading, layer: int) -> Mlp:
    """A shared part of its own width in every layer, routed experts beside it where there are."""
    fields = reading.fields
    shared = fields.integer("shared_intermediate_size", 0)
    count = fields.integer("num_experts", 0)
    if not count:
        return DenseMlp(
            reading.hidden, shared or reading.intermediate, fused=True, module="shared_mlp"
        )
    return ExpertsMlp(
        reading.hidden,
        count,
        min(count, fields.positive("num_experts_per_tok")),
        reading.intermediate,
        shared_intermediate=shared,
        module="block_sparse_moe",
        router="router.layer",
    )


def falcon_h1(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Attention and Mamba-2 side by side in every layer."""
    fields = reading.fields
    inner = fields.integer("mamba_d_ssm", 0)
    inner = inner or fields.positive("ssm_expand", 2) * reading.hidden
    normed = fields.flag("mamba_rms_norm")
    return (*grouped(reading, layer), mamba2(reading, inner, "mamba", gated_norm=normed))


_NEMOTRON = {"M": LINEAR, "*": ATTENTION, "-": "mlp", "E": "moe"}


def nemotron_h_types(reading: Reading) -> tuple[str, ...]:
    """One block a layer, from `layers_block_type` or one sign a layer: M, *, -, E."""
    listed = reading.fields.names("layers_block_type")
    if listed is not None:
        return listed
    signs = reading.fields.text("hybrid_override_pattern")
    unknown = set(signs) - set(_NEMOTRON)
    if not signs or unknown:
        raise refuse("hybrid_override_pattern is missing or holds other signs than M, *, - and E.")
    return tuple(_NEMOTRON[sign] for sign in signs)


def nemotron_h_layers(reading: Reading) -> int:
    """As many layers as the pattern has blocks, where the config does not count them."""
    fields = reading.fields
    pattern = fields.names("layers_block_type") or fields.text("hybrid_override_pattern")
    return bounded("num_hidden_layers", fields.positive("num_hidden_layers", len(pattern)))


def nemotron_h(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Mamba-2 or attention; feed-forward layers have no mixer."""
    kind = reading.layer_types[layer]
    if kind == LINEAR:
        inner = reading.fields.positive("ssm_heads") * reading.fields.positive("ssm_head_dim")
        return (mamba2(reading, inner, "mixer"),)
    return grouped(reading, layer) if kind == ATTENTION else ()


def nemotron_h_mlp(reading: Reading, layer: int) -> Mlp | None:
    """Squared-ReLU feed-forward or experts, in layers of their own."""
    kind, fields = reading.layer_types[layer], reading.fields
    if kind == "mlp":
        return dense(reading, layer)
    if kind != "moe":
        return None
    return ExpertsMlp(
        reading.hidden,
        fields.positive("num_experts"),
        fields.positive("num_experts_per_tok"),
        fields.positive("moe_intermediate_size"),
        shared_intermediate=fields.integer("moe_shared_expert_intermediate_size", 0)
        * min(1, fields.integer("num_shared_experts", 1)),
        gated=False,
        score_correction=True,
        latent=fields.integer("moe_latent_size", 0),
        module="mixer",
    )


def lfm2_pattern(reading: Reading) -> tuple[str, ...]:
    """Attention in the layers of `full_attn_idxs`, a short convolution in the others."""
    listed = frozenset(reading.fields.integers("full_attn_idxs") or range(reading.layers))
    return tuple(ATTENTION if i in listed else LINEAR for i in range(reading.layers))


def lfm2(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """A gated short convolution, or attention."""
    if reading.layer_types[layer] == LINEAR:
        fields = reading.fields
        bias = fields.flag("conv_bias")
        return (ShortConv(reading.hidden, fields.positive("conv_kernel"), bias=bias),)
    return grouped(reading, layer)


def lfm2_width(reading: Reading) -> int:
    """Two thirds of the stated width, rounded up, where `block_auto_adjust_ff_dim` is set."""
    fields = reading.fields
    width = fields.integer("block_ff_dim", 0) or fields.positive("intermediate_size")
    if not fields.flag("block_auto_adjust_ff_dim"):
        return width
    width = int(fields.number("block_ffn_dim_multiplier", 1.0) * (2 * width // 3))
    multiple = fields.positive("block_multiple_of", 256)
    return bounded("intermediate_size", ceil_div(width, multiple) * multiple)


def stated(reading: Reading) -> int:
    """The stated width, as it is (LFM2 MoE)."""
    return reading.fields.positive("intermediate_size")


def lfm2_sparse(reading: Reading) -> tuple[bool, ...]:
    """Dense layers first, then experts."""
    first = reading.fields.integer("num_dense_layers", 0)
    return tuple(i >= first for i in range(reading.layers))


def kimi_pattern(reading: Reading) -> tuple[str, ...]:
    """Kimi Linear numbers its layers from 1 in `linear_attn_config`."""
    listed = reading.fields.inner("linear_attn_config").integers("full_attn_layers")
    if listed is None:
        raise refuse("linear_attn_config has no full_attn_layers.")
    full = frozenset(listed)
    return tuple(ATTENTION if i + 1 in full else LINEAR for i in range(reading.layers))


def kimi(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Kimi Delta Attention, or latent attention."""
    if reading.layer_types[layer] == ATTENTION:
        return latent(reading, layer)
    fields, linear = reading.fields, reading.fields.inner("linear_attn_config")
    return (
        KimiDelta(
            reading.hidden,
            linear.integer("num_heads", 0) or fields.positive("linear_num_heads"),
            linear.integer("head_dim", 0) or fields.positive("linear_head_dim"),
            linear.positive("short_conv_kernel_size", fields.integer("conv_kernel", 4)),
            full_rank_gate=linear.flag("use_full_rank_gate"),
        ),
    )


def kimi_mlp(reading: Reading, layer: int) -> Mlp:
    """DeepSeek's experts; Kimi K3 routes in a narrower space, with a norm behind it."""
    if not reading.expert_layers[layer]:
        return dense(reading, layer)
    fields = reading.fields
    latent_width = fields.integer("routed_expert_hidden_size", 0)
    if not latent_width:
        return experts(reading, layer)
    width = fields.positive("moe_intermediate_size")
    return ExpertsMlp(
        reading.hidden,
        fields.positive("num_experts"),
        fields.positive("num_experts_per_tok"),
        width,
        shared_intermediate=fields.integer("num_shared_experts", 0) * width,
        score_correction=True,
        latent=latent_width,
        latent_norm=fields.flag("latent_moe_use_norm"),
        module="block_sparse_moe",
    )


def minimax_pattern(reading: Reading) -> tuple[str, ...]:
    """MiniMax-01 / M1: 1 is attention and 0 lightning in `attn_type_list`."""
    listed = reading.fields.integers("attn_type_list")
    if listed is None:
        return tuple(ATTENTION if i % 2 else LINEAR for i in range(reading.layers))
    if len(listed) < reading.layers:
        raise refuse(f"attn_type_list lists {len(listed)} of {reading.layers} layers.")
    return tuple(ATTENTION if flag else LINEAR for flag in listed[: reading.layers])


def minimax(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Lightning attention, or softmax attention."""
    if reading.layer_types[layer] == ATTENTION:
        return grouped(reading, layer)
    return (Lightning(reading.hidden, reading.heads, reading.head_dim),)


def rwkv5(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """RWKV time mixing in every layer."""
    width = reading.fields.positive("attention_hidden_size", reading.hidden)
    size = reading.fields.positive("head_size", 64)
    if width % size:
        raise refuse(f"an attention width of {width} does not divide into heads of {size}.")
    return (Rwkv5(reading.hidden, width, size),)


def rwkv_channel_mix(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """The channel mixing of RWKV 5 beside its two wide matrices."""
    h = reading.hidden
    return (
        Tensor("channel_mix_receptance", "feed_forward.receptance", Part.MLP, h, h, Shard.COLUMN),
        vector("channel_mix_lerp", "feed_forward.time_mix", Part.MLP, h, copies=2),
    )


def rwkv_width(reading: Reading) -> int:
    """Three and a half times the hidden size, in steps of 32, where none is stated."""
    return reading.fields.positive("intermediate_size", 7 * reading.hidden // 2 // 32 * 32)
