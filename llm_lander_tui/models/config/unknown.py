"""A model type that is not in the table: planned by its shape when the shape is clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import parts, patterns
from llm_lander_tui.models.config.family import Family
from llm_lander_tui.models.config.fields import ALIASES, refuse, shown

_NEEDED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_FOREIGN = (
    "mamba", "ssm", "linear_attn", "lru_", "rwkv", "conv_kernel", "conv_l_cache", "hybrid_",
    "attn_layer_period", "layers_block_type", "block_configs", "compress_ratios", "state_size",
    "altup", "cross_attention_layers", "attn_type_list", "num_decoder_layers",
    "kv_shared", "share_factor", "zero_expert", "expert_ffn", "is_moe", "num_kv_shared", "swa_",
    "num_attention_heads_per", "moe_latent", "hc_mult", "adapter", "use_mem", "cla_", "mla_use",
)  # fmt: skip
"""Beginnings of fields that mean another kind of layer than attention with a gated MLP."""
_ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act")
_GATED = ("silu", "swiglu", "swish", "gelu_pytorch_tanh", "swigluoai")
"""Activations that come with a gate in every family of the table."""
_KNOWN_TYPES = {patterns.FULL, patterns.SLIDING, patterns.CHUNKED}


def by_shape(values: Mapping[str, object], model_type: str) -> tuple[Family, str]:
    """The family that the fields of an unknown type speak of, and the note that says so.

    Raises `RefusedModel` when a needed dimension is missing or a field means a kind of layer that
    the family could not count.
    """
    said = f"the model type {shown(model_type)}" if model_type else "a config without model_type"
    missing = [n for n in _NEEDED if not any(values.get(k) for k in ALIASES[n])]
    if missing:
        raise refuse(f"{said} is not known, and it has no {' and no '.join(missing)}.")
    foreign = sorted(k[:40] for k, v in values.items() if v and k.lower().startswith(_FOREIGN))
    if foreign:
        raise refuse(
            f"{said} is not known, and its {', '.join(foreign[:3])} means layers that cannot be "
            "counted from the config alone."
        )
    listed = values.get("layer_types")
    if isinstance(listed, list) and not all(
        isinstance(kind, str) and kind in _KNOWN_TYPES for kind in listed
    ):
        raise refuse(f"{said} is not known, and its layer_types are not all attention.")
    activation = next((v for k in _ACTIVATIONS if (v := values.get(k)) is not None), "silu")
    if activation not in _GATED:
        raise refuse(
            f"{said} is not known, and its activation {shown(activation)} leaves open whether the "
            "feed-forward part has two matrices or three."
        )
    experts = any(values.get(k) for k in ALIASES["num_experts"])
    if experts and not any(values.get(k) for k in ALIASES["moe_intermediate_size"]):
        raise refuse(f"{said} is not known, and it does not say how wide its experts are.")
    normed = values.get("use_qk_norm") is True or values.get("qk_norm") is True
    family = Family(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        mlp_bias="mlp_bias",
        qk_norm=QkNorm.PER_HEAD if normed else QkNorm.NONE,
        sparse=patterns.after_dense,
        pattern=patterns.all_sliding if values.get("sliding_window") else patterns.all_full,
    )
    shape = "grouped-query attention with a gated MLP"
    if values.get("kv_lora_rank"):
        family = replace(family, mixers=parts.latent)
        shape = "latent attention with a gated MLP"
    if experts:
        shape += " of experts"
    return family, f"unknown type {shown(model_type)} planned as {shape}"
