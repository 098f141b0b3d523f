"""Families with state-space or linear-attention layers."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import hybrids, mtp, parts, patterns
from llm_lander_tui.models.config.families_attention import GRANITE_MOE, LLAMA, QWEN3_MOE
from llm_lander_tui.models.config.family import Family

_QWEN3_NEXT = replace(
    QWEN3_MOE,
    mixers=parts.gated_delta_net,
    output_gate=True,
    shared_gate=True,
    shared="shared_expert",
    pattern=patterns.last_of(4, patterns.LINEAR, "full_attention_interval"),
    mtp=mtp.shared,
)
_GRANITE_HYBRID = replace(GRANITE_MOE, mixers=hybrids.granite)
_JAMBA = Family(
    rotary=False,
    mixers=hybrids.jamba,
    pattern=hybrids.jamba_pattern,
    sparse=hybrids.jamba_sparse,
    norms=(("attn_norm", "input_layernorm"), ("ffn_norm", "pre_ff_layernorm")),
    mlp_module="feed_forward",
    router="router",
)
_FALCON_H1 = replace(LLAMA, mixers=hybrids.falcon_h1, norms=_JAMBA.norms, mlp_module="feed_forward")
_MAMBA = Family(
    rotary=False, norms=(("attn_norm", "norm"),), mixers=hybrids.only_mamba1, mlp=hybrids.no_mlp
)
_NEMOTRON_H = Family(
    rotary=False,
    norms=(("attn_norm", "norm"),),
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    mlp_bias="mlp_bias",
    gated=False,
    mixers=hybrids.nemotron_h,
    mlp=hybrids.nemotron_h_mlp,
    pattern=hybrids.nemotron_h_types,
    count=hybrids.nemotron_h_layers,
    attention_module="mixer",
    mlp_module="mixer",
    mtp=mtp.nemotron,
)
_LFM2 = Family(
    norms=(("attn_norm", "operator_norm"), ("ffn_norm", "ffn_norm")),
    qk_norm=QkNorm.PER_HEAD,
    mixers=hybrids.lfm2,
    pattern=hybrids.lfm2_pattern,
    width=hybrids.lfm2_width,
    mlp_module="feed_forward",
)
_KIMI_LINEAR = Family(
    mixers=hybrids.kimi,
    mlp=hybrids.kimi_mlp,
    pattern=hybrids.kimi_pattern,
    sparse=patterns.after_dense,
    score_correction=True,
)
_MINIMAX = Family(
    mixers=hybrids.minimax, pattern=hybrids.minimax_pattern, mlp_module="block_sparse_moe"
)

HYBRID: dict[str, Family] = {
    "nemotron_h": _NEMOTRON_H,
    "granitemoehybrid": _GRANITE_HYBRID,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5_text": _QWEN3_NEXT,
    "qwen3_5_moe_text": _QWEN3_NEXT,
    "kimi_linear": _KIMI_LINEAR,
    "falcon_h1": _FALCON_H1,
    "falcon_mamba": _MAMBA,
    "mamba": _MAMBA,
    "mamba2": replace(_MAMBA, mixers=hybrids.only_mamba2),
    "jamba": _JAMBA,
    "lfm2": _LFM2,
    "lfm2_moe": replace(
        _LFM2, width=hybrids.stated, sparse=hybrids.lfm2_sparse, score_correction="use_expert_bias"
    ),
    "minimax": _MINIMAX,
    "minimax_m1": _MINIMAX,
    "minimax_text_01": _MINIMAX,
}
"""These families by model type."""
