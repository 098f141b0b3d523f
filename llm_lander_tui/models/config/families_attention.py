"""Families of attention layers, dense or of experts."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import deepseek_v4, gemma, hybrids, mtp, parts, patterns, special
from llm_lander_tui.models.config.family import AFTER, AROUND, ONE, Family
from llm_lander_tui.models.config.norms import Norm

LLAMA = Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")
_MISTRAL = Family(pattern=patterns.all_sliding)
_MIXTRAL = replace(_MISTRAL, mlp_module="block_sparse_moe")
_QWEN2 = Family(qkv_bias=True, pattern=patterns.sliding_above)
_QWEN2_MOE = replace(_QWEN2, sparse=patterns.qwen_steps, shared_gate=True, shared="shared_expert")
QWEN3 = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    pattern=patterns.sliding_above,
)
QWEN3_MOE = replace(QWEN3, sparse=patterns.qwen_steps)
_GLM4_DOTS = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    score_correction=True,
    pattern=patterns.last_of(4),
    sparse=patterns.after_dense,
)
_PHI3 = Family(fused_qkv=True, fused_mlp=True, pattern=patterns.all_sliding)
_PHIMOE = Family(
    norm=Norm.LAYER,
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    head_bias="lm_head_bias",
    mlp_module="block_sparse_moe",
    pattern=patterns.all_sliding,
)
_GEMMA = Family(qkv_bias="attention_bias", out_bias="attention_bias")
_GEMMA2 = replace(_GEMMA, norms=AROUND, pattern=patterns.last_of(2))
_GEMMA3 = replace(_GEMMA2, qk_norm=QkNorm.PER_HEAD, pattern=patterns.last_of(6))
_GEMMA3N = Family(
    norms=AROUND,
    mixers=gemma.gemma3n,
    mlp=gemma.gemma3n_mlp,
    others=gemma.gemma3n_others,
    outers=gemma.gemma3n_outers,
    pattern=patterns.last_of(5),
)
_GEMMA4 = Family(
    norms=AROUND,
    mixers=gemma.gemma4,
    mlp=gemma.gemma4_mlp,
    others=gemma.gemma4_others,
    outers=gemma.per_layer_embeddings,
    pattern=patterns.last_of(6),
)
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
_DEEPSEEK_V3 = Family(
    mixers=parts.latent, sparse=patterns.after_dense, score_correction=True, mtp=mtp.deepseek
)
_DEEPSEEK_V4 = Family(
    mixers=deepseek_v4.compressed,
    others=deepseek_v4.hyper_connections,
    outers=deepseek_v4.hyper_head,
    score_correction=True,
)
_GLM = Family(qkv_bias="attention_bias", fused_mlp=True)
_GLM4 = replace(
    _GLM,
    norms=(
        ("attn_norm", "input_layernorm"),
        ("post_attention_norm", "post_self_attn_layernorm"),
        ("ffn_norm", "post_attention_layernorm"),
        ("post_ffw_norm", "post_mlp_layernorm"),
    ),
)
_GLM4_MOE = Family(
    qkv_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    qk_norm_switch="use_qk_norm",
    sparse=patterns.after_dense,
    score_correction=True,
    mtp=mtp.deepseek,
)
_COHERE = Family(
    norms=ONE,
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.FULL_WIDTH,
    qk_norm_switch="use_qk_norm",
)
_COHERE2 = replace(_COHERE, qk_norm=QkNorm.NONE, pattern=patterns.last_of(4))
_OLMO2 = Family(
    norms=AFTER,
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.FULL_WIDTH,
)
_OLMO3 = replace(_OLMO2, pattern=patterns.last_of(4))
_EXAONE4 = Family(norms=AFTER, qk_norm=QkNorm.PER_HEAD, pattern=patterns.last_of(4))
GRANITE_MOE = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    mlp=hybrids.granite_mlp,
)
_ERNIE = Family(qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias")
_ERNIE_MOE = replace(_ERNIE, sparse=patterns.ernie_steps, router_bias=True, mtp=mtp.ernie)
_HUNYUAN = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    mlp=special.hunyuan_mlp,
)
_MINIMAX_M2 = Family(
    qk_norm=QkNorm.FULL_WIDTH, score_correction=True, mlp_module="block_sparse_moe"
)
_MINIMAX_M3 = Family(
    qk_norm=QkNorm.PER_HEAD,
    mixers=special.minimax_m3,
    mlp=special.minimax_m3_mlp,
    sparse=patterns.after_dense,
)
_MIMO_V2 = Family(
    mixers=special.mimo_v2,
    pattern=special.mimo_v2_pattern,
    sparse=patterns.after_dense,
    score_correction=True,
)
_LLAMA4 = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    mlp=special.llama4_mlp,
    pattern=special.llama4_pattern,
    sparse=special.llama4_sparse,
)
_STEP = Family(
    mixers=special.step,
    mlp=special.step_mlp,
    sparse=special.step_sparse,
    count=special.step_layers,
    mtp=mtp.step,
)
_LAGUNA = Family(mixers=special.laguna, sparse=patterns.qwen_steps, router_bias=True)

ATTENTION: dict[str, Family] = {
    "llama": LLAMA,
    "llama4_text": _LLAMA4,
    "mllama_text_model": replace(
        LLAMA, mixers=special.mllama, pattern=special.mllama_pattern, extra_rows=8
    ),
    "nemotron-nas": Family(
        norms=(), mixers=special.nas, mlp=special.nas_mlp, others=special.nas_others
    ),
    "nemotron": replace(LLAMA, norm=Norm.LAYER, gated=False),
    "arcee": replace(LLAMA, gated=False),
    "smollm3": LLAMA,
    "granite": LLAMA,
    "granitemoe": GRANITE_MOE,
    "granitemoeshared": GRANITE_MOE,
    "exaone": LLAMA,
    "exaone4": _EXAONE4,
    "internlm3": Family(qkv_bias="qkv_bias", out_bias="bias", mlp_bias="bias"),
    "minicpm": LLAMA,
    "minicpm3": Family(mixers=parts.latent),
    "seed_oss": Family(
        qkv_bias="attention_bias", out_bias="attention_out_bias", mlp_bias="mlp_bias"
    ),
    "mistral": _MISTRAL,
    "ministral3": _MISTRAL,
    "ministral": _MISTRAL,
    "mixtral": _MIXTRAL,
    "qwen2": _QWEN2,
    "qwen2_vl_text": _QWEN2,
    "qwen2_5_vl_text": _QWEN2,
    "qwen2_5_omni_text": _QWEN2,
    "minicpmv": _QWEN2,
    "mimo": replace(_QWEN2, mtp=mtp.shared),
    "mimo_v2_flash": _MIMO_V2,
    "qwen2_moe": _QWEN2_MOE,
    "qwen3": QWEN3,
    "qwen3_vl_text": QWEN3,
    "qwen3_moe": QWEN3_MOE,
    "qwen3_vl_moe_text": QWEN3_MOE,
    "qwen3_omni_moe_text": QWEN3_MOE,
    "phi3": _PHI3,
    "phi3_v": _PHI3,
    "phimoe": _PHIMOE,
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA3,
    "gemma3n_text": _GEMMA3N,
    "gemma4_text": _GEMMA4,
    "gpt_oss": _GPT_OSS,
    "deepseek": Family(qkv_bias="attention_bias", sparse=patterns.after_dense),
    "deepseek_v2": _DEEPSEEK_V2,
    "deepseek_v3": _DEEPSEEK_V3,
    "deepseek_v32": _DEEPSEEK_V3,
    "deepseek_v4": _DEEPSEEK_V4,
    "kimi_k2": _DEEPSEEK_V3,
    "glm": _GLM,
    "glm4": _GLM4,
    "glm4v_text": _GLM4,
    "glm4_moe": _GLM4_MOE,
    "glm4v_moe_text": _GLM4_MOE,
    "glm4_moe_lite": _DEEPSEEK_V3,
    "glm_moe_dsa": replace(_DEEPSEEK_V3, mtp=mtp.shared),
    "cohere": _COHERE,
    "cohere2": _COHERE2,
    "olmo": Family(norm=Norm.NONE, qkv_bias="attention_bias", out_bias="attention_bias"),
    "olmo2": _OLMO2,
    "olmo3": _OLMO3,
    "olmoe": replace(LLAMA, qk_norm=QkNorm.FULL_WIDTH),
    "ernie4_5": _ERNIE,
    "paddleocr_vl_text": _ERNIE,
    "ernie4_5_moe": _ERNIE_MOE,
    "hunyuan": replace(_HUNYUAN, qk_norm_switch="use_qk_norm"),
    "hunyuan_v1_dense": _HUNYUAN,
    "hunyuan_v1_moe": _HUNYUAN,
    "minimax_m2": _MINIMAX_M2,
    "minimax_m3": _MINIMAX_M3,
    "minimax_m3_vl_text": _MINIMAX_M3,
    "laguna": _LAGUNA,
    "step3p5": _STEP,
    "afmoe": Family(
        norms=AROUND,
        qkv_bias="attention_bias",
        qk_norm=QkNorm.PER_HEAD,
        router="router.gate",
        router_bias=True,
        mixers=special.wide_gated,
        pattern=patterns.last_of(4, field="global_attn_every_n_layers"),
        sparse=hybrids.lfm2_sparse,
    ),
    "apertus": replace(LLAMA, gated=False, qk_norm=QkNorm.PER_HEAD, others=special.xielu),
    "bitnet": replace(LLAMA, others=special.sub_norms),
    "cohere2_moe": replace(_COHERE2, sparse=patterns.after_dense),
    "cwm": LLAMA,
    "dots1": _GLM4_DOTS,
    "exaone_moe": _GLM4_DOTS,
    "flex_olmo": _OLMO2,
    "granite_swa": replace(LLAMA, sinks=True),
    "granitemoe_swa": replace(GRANITE_MOE, sinks=True),
    "helium": LLAMA,
    "hy_v3": _GLM4_DOTS,
    "hyperclovax": replace(LLAMA, others=special.post_norms),
    "jais2": replace(LLAMA, norm=Norm.LAYER, gated=False),
    "mellum": QWEN3_MOE,
    "nanochat": Family(norm=Norm.NONE, gated=False, qkv_bias="attention_bias"),
    "solar_open": Family(
        qkv_bias="attention_bias", sparse=patterns.after_dense, score_correction=True
    ),
    "youtu": _DEEPSEEK_V2,
}
"""These families by model type."""
