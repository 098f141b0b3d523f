"""Gemma 3n and Gemma 4: shared caches, per-layer embeddings, alternating updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Mixer, Mlp
from llm_lander_tui.models.attention import GroupedAttention, QkNorm
from llm_lander_tui.models.config.fields import refuse
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part, Tensor, vector

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

FULL = "full_attention"


def _owns_cache(reading: Reading, layer: int) -> bool:
    """The last `num_kv_shared_layers` layers read the caches of earlier ones."""
    shared = reading.fields.integer("num_kv_shared_layers", 0)
    if shared > reading.layers:
        raise refuse(f"{shared} of {reading.layers} layers share a cache.")
    return layer < reading.layers - shared


def gemma3n(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Normed queries and keys; the last layers read earlier caches."""
    dim = reading.head_dim
    return (
        GroupedAttention(
            reading.hidden,
            reading.heads,
            reading.kv_heads,
            dim,
            dim,
            reading.spans[layer],
            qk_norm=QkNorm.PER_HEAD,
            owns_cache=_owns_cache(reading, layer),
        ),
    )


def gemma4(reading: Reading, layer: int) -> tuple[Mixer, ...]:
    """Full layers have heads and a head size of their own, and may take the keys as values."""
    fields = reading.fields
    full = reading.layer_types[layer] == FULL
    dim = reading.head_dim
    kv_heads = reading.kv_heads
    shared_value = fields.flag("attention_k_eq_v") and full
    if full:
        dim = fields.integer("global_head_dim", 0) or dim
    if shared_value:
        kv_heads = fields.integer("num_global_key_value_heads", 0) or kv_heads
    own = fields.inner("per_layer_config").inner(f"{layer:02d}")
    dim = own.positive("head_dim", dim)
    kv_heads = own.positive("num_key_value_heads", kv_heads)
    return (
        GroupedAttention(
            reading.hidden,
            reading.heads,
            kv_heads,
            dim,
            dim,
            reading.spans[layer],
            qk_norm=QkNorm.PER_HEAD,
            owns_cache=_owns_cache(reading, layer),
            value_is_key=shared_value,
        ),
    )


def gemma3n_mlp(reading: Reading, layer: int) -> Mlp:
    """A gated part whose width the config may list by layer."""
    width = reading.fields.per_layer("intermediate_size", reading.layers)[layer]
    return DenseMlp(reading.hidden, width)


def gemma4_mlp(reading: Reading, layer: int) -> Mlp:
    """A gated part, twice as wide where the cache is shared, with experts beside it in the MoE."""
    fields, width = reading.fields, reading.intermediate
    if fields.flag("use_double_wide_mlp") and not _owns_cache(reading, layer):
        width *= 2
    if not fields.flag("enable_moe_block"):
        return DenseMlp(reading.hidden, width)
    return ExpertsMlp(
        reading.hidden,
        fields.positive("num_experts"),
        fields.positive("num_experts_per_tok"),
        fields.positive("moe_intermediate_size"),
        shared_intermediate=width,
        router_scales=reading.hidden + fields.positive("num_experts"),
        module="",
        router="router.proj",
        shared="mlp",
        shared_suffix="",
    )


def _per_layer_input(reading: Reading) -> tuple[Tensor, ...]:
    """The gate, projection and norm of a layer's own token embedding."""
    width, h = reading.fields.integer("hidden_size_per_layer_input", 0), reading.hidden
    if not width:
        return ()
    return (
        Tensor("inp_gate", "per_layer_input_gate", Part.OTHER, width, h),
        Tensor("proj", "per_layer_projection", Part.OTHER, h, width),
        vector("post_norm", "post_per_layer_input_norm", Part.NORM, h),
    )


def gemma4_others(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """Per-layer inputs, the three further norms of the MoE, and a scalar that is no parameter."""
    found = [*_per_layer_input(reading)]
    if reading.fields.flag("enable_moe_block"):
        found += [
            vector("post_ffw_norm_1", "post_feedforward_layernorm_1", Part.NORM, reading.hidden),
            vector("post_ffw_norm_2", "post_feedforward_layernorm_2", Part.NORM, reading.hidden),
            vector("pre_ffw_norm_2", "pre_feedforward_layernorm_2", Part.NORM, reading.hidden),
        ]
    found.append(vector("layer_output_scale", "layer_scalar", Part.OTHER, 1, buffer=True))
    return tuple(found)


def gemma3n_others(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """Per-layer inputs, alternating updates (AltUp) and the low-rank residual (Laurel)."""
    h, part = reading.hidden, Part.OTHER
    n = reading.fields.positive("altup_num_inputs")
    rank = reading.fields.positive("laurel_rank")
    return (
        *_per_layer_input(reading),
        vector("altup_correct_scale", "altup.correct_output_scale", part, h),
        Tensor("altup_correct_coef", "altup.correction_coefs", part, n, n),
        Tensor("altup_predict_coef", "altup.prediction_coefs", part, n * n, n),
        Tensor("altup_router", "altup.modality_router", part, n, h),
        vector("altup_router_norm", "altup.router_norm", Part.NORM, h),
        Tensor("laurel_l", "laurel.linear_left", part, rank, h),
        Tensor("laurel_r", "laurel.linear_right", part, h, rank),
        vector("laurel_post_norm", "laurel.post_laurel_norm", Part.NORM, h),
    )


def per_layer_embeddings(reading: Reading) -> tuple[Tensor, ...]:
    """The table of per-layer token embeddings and its projection."""
    width, h = reading.fields.integer("hidden_size_per_layer_input", 0), reading.hidden
    if not width:
        return ()
    rows = reading.fields.positive("vocab_size_per_layer_input")
    wide = reading.layers * width
    return (
        Tensor(
            "per_layer_token_embd",
            "model.embed_tokens_per_layer",
            Part.EMBEDDING,
            rows,
            wide,
            linear=False,
        ),
        Tensor("per_layer_model_proj", "model.per_layer_model_projection", Part.OTHER, wide, h),
        vector("per_layer_proj_norm", "model.per_layer_projection_norm", Part.NORM, width),
    )


def gemma3n_outers(reading: Reading) -> tuple[Tensor, ...]:
    """Per-layer embeddings and the projections between AltUp's streams."""
    n, h = reading.fields.positive("altup_num_inputs") - 1, reading.hidden
    return (
        *per_layer_embeddings(reading),
        Tensor("altup_proj", "model.altup_projections", Part.OTHER, h, h, copies=n),
        Tensor("altup_unembd_proj", "model.altup_unembed_projections", Part.OTHER, h, h, copies=n),
    )
