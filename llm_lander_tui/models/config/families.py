"""The table of families: one line for what a model type is made of."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import parts, patterns
from llm_lander_tui.models.config.family import AROUND, Family

_LLAMA = Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")
_MISTRAL = Family(pattern=patterns.all_sliding)
_QWEN2 = Family(qkv_bias=True, pattern=patterns.sliding_above)
_QWEN3 = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    pattern=patterns.sliding_above,
)
_QWEN3_MOE = replace(_QWEN3, sparse=patterns.qwen_steps)
_PHI3 = Family(fused_qkv=True, fused_mlp=True, pattern=patterns.all_sliding)
_GEMMA = Family(qkv_bias="attention_bias", out_bias="attention_bias")
_GEMMA2 = replace(_GEMMA, norms=AROUND, pattern=patterns.last_of(2))
_GEMMA3 = replace(_GEMMA2, qk_norm=QkNorm.PER_HEAD, pattern=patterns.last_of(6))
_GPT_OSS = Family(
    qkv_bias=True,
    out_bias=True,
    sinks=True,
    router="router",
    router_bias=True,
    expert_bias=True,
    pattern=patterns.last_of(2),
)
_DEEPSEEK_V2 = Family(mixers=parts.latent, sparse=patterns.after_dense, mlp_bias="mlp_bias")
_DEEPSEEK_V3 = Family(mixers=parts.latent, sparse=patterns.after_dense, score_correction=True)
_GLM4_MOE = Family(
    qkv_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    qk_norm_switch="use_qk_norm",
    sparse=patterns.after_dense,
    score_correction=True,
)
_QWEN3_NEXT = replace(
    _QWEN3_MOE,
    mixers=parts.gated_delta_net,
    output_gate=True,
    shared_gate=True,
    shared="shared_expert",
    pattern=patterns.last_of(4, patterns.LINEAR, "full_attention_interval"),
)

FAMILIES: dict[str, Family] = {
    "llama": _LLAMA,
    "mistral": _MISTRAL,
    "ministral3": _MISTRAL,
    "mixtral": replace(_MISTRAL, mlp_module="block_sparse_moe"),
    "qwen2": _QWEN2,
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3_MOE,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5_text": _QWEN3_NEXT,
    "qwen3_5_moe_text": _QWEN3_NEXT,
    "phi3": _PHI3,
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA3,
    "gpt_oss": _GPT_OSS,
    "deepseek_v2": _DEEPSEEK_V2,
    "deepseek_v3": _DEEPSEEK_V3,
    "deepseek_v32": _DEEPSEEK_V3,
    "kimi_k2": _DEEPSEEK_V3,
    "glm_moe_dsa": _DEEPSEEK_V3,
    "glm4_moe": _GLM4_MOE,
    "glm4_moe_lite": _DEEPSEEK_V3,
}
"""Families by the model type of the language model."""
