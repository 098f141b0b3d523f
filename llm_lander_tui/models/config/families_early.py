"""Earlier families, and those whose code never left their repository."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import hybrids, older, patterns, special
from llm_lander_tui.models.config.families_attention import LLAMA
from llm_lander_tui.models.config.family import AROUND, ONE, Family
from llm_lander_tui.models.config.norms import Norm

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
    final_norm="do_layer_norm_before",
    embedding_width="word_embed_proj_dim",
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
_GROK = Family(norms=AROUND, mlp_module="moe_block")

EARLY: dict[str, Family] = {
    "baichuan": LLAMA,
    "orion": replace(LLAMA, norm=Norm.LAYER),
    "internlm": Family(qkv_bias="bias", out_bias="bias"),
    "internlm2": Family(qkv_bias="bias", out_bias="bias"),
    "qwen": Family(qkv_bias=True, fused_qkv=True, width=older.half, attention_module="attn"),
    "molmo": Family(qkv_bias="qkv_bias", fused_qkv=True, fused_mlp=True, width=older.half),
    "phi": _PHI,
    "phi-msft": _PHI,
    "chatglm": _CHATGLM,
    "gpt2": _GPT2,
    "gpt_bigcode": replace(_GPT2, kv_heads=older.multi_query),
    "gpt_neox": _NEOX,
    "gptj": _GPTJ,
    "bloom": _BLOOM,
    "falcon": _FALCON,
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
    "codegen": replace(_GPTJ, fused_qkv=True),
    "persimmon": replace(
        _NEOX,
        qkv_bias=True,
        out_bias=True,
        qk_norm=QkNorm.PER_HEAD,
        qk_norm_switch="qk_layernorm",
        qk_norm_bias=True,
        attention_module="self_attn",
    ),
    "grok-1": _GROK,
}
"""These families by model type."""
