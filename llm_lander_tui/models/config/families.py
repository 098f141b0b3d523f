"""The table of families: one line for what a model type is made of."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import (
    deepseek_v4,
    gemma,
    hybrids,
    mtp,
    older,
    parts,
    patterns,
    special,
)
from llm_lander_tui.models.config.family import AFTER, AROUND, ONE, Family
from llm_lander_tui.models.config.norms import Norm

_LLAMA = Family(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")
_MISTRAL = Family(pattern=patterns.all_sliding)
_MIXTRAL = replace(_MISTRAL, mlp_module="block_sparse_moe")
_QWEN2 = Family(qkv_bias=True, pattern=patterns.sliding_above)
_QWEN2_MOE = replace(_QWEN2, sparse=patterns.qwen_steps, shared_gate=True, shared="shared_expert")
_QWEN3 = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    pattern=patterns.sliding_above,
)
_QWEN3_MOE = replace(_QWEN3, sparse=patterns.qwen_steps)
_GLM4_DOTS = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    score_correction=True,
    pattern=patterns.last_of(4),
    sparse=patterns.after_dense,
)
_QWEN3_NEXT = replace(
    _QWEN3_MOE,
    mixers=parts.gated_delta_net,
    output_gate=True,
    shared_gate=True,
    shared="shared_expert",
    pattern=patterns.last_of(4, patterns.LINEAR, "full_attention_interval"),
    mtp=mtp.shared,
)
_PHI3 = Family(fused_qkv=True, fused_mlp=True, pattern=patterns.all_sliding)
_PHI = Family(
    norm=Norm.LAYER,
    norms=ONE,
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    head_bias=True,
    gated=False,
    width=older.four_times,
)
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
_CHATGLM = Family(
    qkv_bias="add_qkv_bias",
    out_bias="add_bias_linear",
    mlp_bias="add_bias_linear",
    fused_qkv=True,
    fused_mlp=True,
    kv_heads=older.chatglm_kv_heads,
    attention_module="self_attention",
)
_GPT2 = Family(
    rotary=False,
    norm=Norm.LAYER,
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    gated=False,
    fused_qkv=True,
    positions="max_position_embeddings",
    kv_heads=older.all_heads,
    width=older.four_times,
    attention_module="attn",
)
_NEOX = Family(
    norm=Norm.LAYER,
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    mlp_bias=True,
    gated=False,
    fused_qkv=True,
    kv_heads=older.all_heads,
    attention_module="attention",
)
_GPTJ = Family(
    norm=Norm.LAYER,
    norms=ONE,
    mlp_bias=True,
    head_bias=True,
    gated=False,
    kv_heads=older.all_heads,
    width=older.four_times,
    attention_module="attn",
)
_BLOOM = replace(_GPT2, positions="", embedding_norm=True, attention_module="self_attention")
_FALCON = Family(
    norm=Norm.LAYER,
    norms=(),
    qkv_bias="bias",
    out_bias="bias",
    mlp_bias="bias",
    gated=False,
    fused_qkv=True,
    kv_heads=older.falcon_kv_heads,
    width=older.four_times,
    others=older.falcon_norms,
    attention_module="self_attention",
)
_OPT = Family(
    rotary=False,
    norm=Norm.LAYER,
    qkv_bias="enable_bias",
    out_bias="enable_bias",
    mlp_bias="enable_bias",
    gated=False,
    positions="max_position_embeddings",
    position_offset=2,
    kv_heads=older.all_heads,
)
_MPT = Family(
    rotary=False,
    gated=False,
    fused_qkv=True,
    width=older.by_ratio,
    attention_module="attn",
    mlp_module="ffn",
)
_STARCODER2 = Family(
    norm=Norm.LAYER,
    qkv_bias="use_bias",
    out_bias="use_bias",
    mlp_bias="use_bias",
    gated=False,
    pattern=patterns.all_sliding,
)
_STABLELM = Family(norm=Norm.LAYER, qkv_bias="use_qkv_bias", norms=(), others=older.stablelm_norms)
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
_GRANITE_MOE = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    mlp=hybrids.granite_mlp,
)
_GRANITE_HYBRID = replace(_GRANITE_MOE, mixers=hybrids.granite)
_ERNIE = Family(qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias")
_ERNIE_MOE = replace(_ERNIE, sparse=patterns.ernie_steps, router_bias=True, mtp=mtp.ernie)
_HUNYUAN = Family(
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    qk_norm=QkNorm.PER_HEAD,
    mlp=special.hunyuan_mlp,
)
_JAMBA = Family(
    rotary=False,
    mixers=hybrids.jamba,
    pattern=hybrids.jamba_pattern,
    sparse=hybrids.jamba_sparse,
    norms=(("attn_norm", "input_layernorm"), ("ffn_norm", "pre_ff_layernorm")),
    mlp_module="feed_forward",
    router="router",
)
_FALCON_H1 = replace(
    _LLAMA, mixers=hybrids.falcon_h1, norms=_JAMBA.norms, mlp_module="feed_forward"
)
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
_GROK = Family(norms=AROUND, mlp_module="moe_block")

FAMILIES: dict[str, Family] = {
    "llama": _LLAMA,
    "llama4_text": _LLAMA4,
    "mllama_text_model": replace(
        _LLAMA, mixers=special.mllama, pattern=special.mllama_pattern, extra_rows=8
    ),
    "nemotron-nas": Family(
        norms=(), mixers=special.nas, mlp=special.nas_mlp, others=special.nas_others
    ),
    "nemotron_h": _NEMOTRON_H,
    "nemotron": replace(_LLAMA, norm=Norm.LAYER, gated=False),
    "arcee": replace(_LLAMA, gated=False),
    "smollm3": _LLAMA,
    "granite": _LLAMA,
    "granitemoe": _GRANITE_MOE,
    "granitemoeshared": _GRANITE_MOE,
    "granitemoehybrid": _GRANITE_HYBRID,
    "exaone": _LLAMA,
    "exaone4": _EXAONE4,
    "baichuan": _LLAMA,
    "orion": replace(_LLAMA, norm=Norm.LAYER),
    "internlm": Family(qkv_bias="bias", out_bias="bias"),
    "internlm2": Family(qkv_bias="bias", out_bias="bias"),
    "internlm3": Family(qkv_bias="qkv_bias", out_bias="bias", mlp_bias="bias"),
    "minicpm": _LLAMA,
    "minicpm3": Family(mixers=parts.latent),
    "seed_oss": Family(
        qkv_bias="attention_bias", out_bias="attention_out_bias", mlp_bias="mlp_bias"
    ),
    "mistral": _MISTRAL,
    "ministral3": _MISTRAL,
    "ministral": _MISTRAL,
    "mixtral": _MIXTRAL,
    "qwen": Family(qkv_bias=True, fused_qkv=True, width=older.half, attention_module="attn"),
    "qwen2": _QWEN2,
    "qwen2_vl_text": _QWEN2,
    "qwen2_5_vl_text": _QWEN2,
    "qwen2_5_omni_text": _QWEN2,
    "minicpmv": _QWEN2,
    "mimo": replace(_QWEN2, mtp=mtp.shared),
    "mimo_v2_flash": _MIMO_V2,
    "qwen2_moe": _QWEN2_MOE,
    "qwen3": _QWEN3,
    "qwen3_vl_text": _QWEN3,
    "qwen3_moe": _QWEN3_MOE,
    "qwen3_vl_moe_text": _QWEN3_MOE,
    "qwen3_omni_moe_text": _QWEN3_MOE,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5_text": _QWEN3_NEXT,
    "qwen3_5_moe_text": _QWEN3_NEXT,
    "molmo": Family(qkv_bias="qkv_bias", fused_qkv=True, fused_mlp=True, width=older.half),
    "phi": _PHI,
    "phi-msft": _PHI,
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
    "kimi_linear": _KIMI_LINEAR,
    "glm": _GLM,
    "glm4": _GLM4,
    "glm4v_text": _GLM4,
    "glm4_moe": _GLM4_MOE,
    "glm4v_moe_text": _GLM4_MOE,
    "glm4_moe_lite": _DEEPSEEK_V3,
    "glm_moe_dsa": replace(_DEEPSEEK_V3, mtp=mtp.shared),
    "chatglm": _CHATGLM,
    "gpt2": _GPT2,
    "gpt_bigcode": replace(_GPT2, kv_heads=older.multi_query),
    "gpt_neox": _NEOX,
    "gptj": _GPTJ,
    "bloom": _BLOOM,
    "falcon": _FALCON,
    "falcon_h1": _FALCON_H1,
    "falcon_mamba": _MAMBA,
    "mamba": _MAMBA,
    "mamba2": replace(_MAMBA, mixers=hybrids.only_mamba2),
    "rwkv5": Family(
        norm=Norm.LAYER,
        norms=(("attn_norm", "ln1"), ("attn_norm_2", "ln2")),
        gated=False,
        embedding_norm=True,
        mixers=hybrids.rwkv5,
        others=hybrids.rwkv_channel_mix,
        width=hybrids.rwkv_width,
        mlp_module="feed_forward",
    ),
    "jamba": _JAMBA,
    "lfm2": _LFM2,
    "lfm2_moe": replace(
        _LFM2, width=hybrids.stated, sparse=hybrids.lfm2_sparse, score_correction="use_expert_bias"
    ),
    "opt": _OPT,
    "mpt": _MPT,
    "dbrx": Family(
        fused_qkv=True,
        attention_module="norm_attn_norm.attn",
        mlp_module="ffn",
        router="router.layer",
    ),
    "openelm": Family(
        mixers=special.openelm,
        mlp=special.openelm_mlp,
        norms=(("attn_norm", "attn_norm"), ("ffn_norm", "ffn_norm")),
    ),
    "starcoder2": _STARCODER2,
    "stablelm": _STABLELM,
    "cohere": _COHERE,
    "cohere2": _COHERE2,
    "olmo": Family(norm=Norm.NONE, qkv_bias="attention_bias", out_bias="attention_bias"),
    "olmo2": _OLMO2,
    "olmo3": _OLMO3,
    "olmoe": replace(_LLAMA, qk_norm=QkNorm.FULL_WIDTH),
    "ernie4_5": _ERNIE,
    "paddleocr_vl_text": _ERNIE,
    "ernie4_5_moe": _ERNIE_MOE,
    "hunyuan": replace(_HUNYUAN, qk_norm_switch="use_qk_norm"),
    "hunyuan_v1_dense": _HUNYUAN,
    "hunyuan_v1_moe": _HUNYUAN,
    "minimax": _MINIMAX,
    "minimax_m1": _MINIMAX,
    "minimax_text_01": _MINIMAX,
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
    "apertus": replace(_LLAMA, gated=False, qk_norm=QkNorm.PER_HEAD, others=special.xielu),
    "bitnet": replace(_LLAMA, others=special.sub_norms),
    "codegen": replace(_GPTJ, fused_qkv=True),
    "cohere2_moe": replace(_COHERE2, sparse=patterns.after_dense),
    "cwm": _LLAMA,
    "dots1": _GLM4_DOTS,
    "exaone_moe": _GLM4_DOTS,
    "flex_olmo": _OLMO2,
    "granite_swa": replace(_LLAMA, sinks=True),
    "granitemoe_swa": replace(_GRANITE_MOE, sinks=True),
    "helium": _LLAMA,
    "hy_v3": _GLM4_DOTS,
    "hyperclovax": replace(_LLAMA, others=special.post_norms),
    "jais2": replace(_LLAMA, norm=Norm.LAYER, gated=False),
    "mellum": _QWEN3_MOE,
    "nanochat": Family(norm=Norm.NONE, gated=False, qkv_bias="attention_bias"),
    "persimmon": replace(
        _NEOX,
        qkv_bias=True,
        out_bias=True,
        qk_norm=QkNorm.PER_HEAD,
        qk_norm_switch="qk_layernorm",
        qk_norm_bias=True,
        attention_module="self_attn",
    ),
    "solar_open": Family(
        qkv_bias="attention_bias", sparse=patterns.after_dense, score_correction=True
    ),
    "youtu": _DEEPSEEK_V2,
    "grok-1": _GROK,
}
"""Families by the model type of the language model."""
