"""GGUF architectures of models before 2025 with config fields of their own."""

from __future__ import annotations

from llm_lander_tui.models.gguf_extras import Config
from llm_lander_tui.models.gguf_facts import GgufFacts


def multi_query(facts: GgufFacts) -> Config:
    """StarCoder 1: one KV head."""
    heads = facts.number("attention.head_count_kv", 1)
    return {
        "multi_query": heads == 1,
        "num_key_value_heads": None,
        "n_positions": facts.number("context_length"),
    }


def falcon(facts: GgufFacts) -> Config:
    """Falcon: KV heads by the decoder architecture that the layout of its norms tells."""
    heads = facts.number("attention.head_count_kv", 1) or 1
    fused = facts.tensors.get("blk.0.attn_qkv.weight")
    if fused is not None and len(fused.shape) == 2:
        queries = facts.required("attention.head_count")
        width = facts.required("embedding_length") // queries
        heads = max((fused.shape[0] // max(width, 1) - queries) // 2, 1)
    return {
        "num_key_value_heads": None,
        "new_decoder_architecture": facts.has("attn_norm_2.weight") or heads > 1,
        "multi_query": heads == 1,
        "num_kv_heads": heads,
        "bias": facts.has("attn_qkv.bias"),
        "alibi": False,
        "parallel_attn": True,
    }


def stablelm(facts: GgufFacts) -> Config:
    """StableLM: biases and norms of heads where the file has them."""
    return {
        "use_qkv_bias": facts.has("attn_q.bias"),
        "qk_layernorm": facts.has("attn_q_norm.weight"),
        "use_parallel_residual": bool(facts.get("use_parallel_residual"))
        and not facts.has("ffn_norm.weight"),
    }


def starcoder2(facts: GgufFacts) -> Config:
    """StarCoder 2: biases where the file has them."""
    return {"use_bias": facts.has("attn_q.bias")}


def chatglm(facts: GgufFacts) -> Config:
    """ChatGLM 2 to 4: grouped KV heads under another name."""
    return {
        "multi_query_attention": True,
        "multi_query_group_num": facts.number("attention.head_count_kv"),
        "kv_channels": facts.required("embedding_length") // facts.required("attention.head_count"),
        "ffn_hidden_size": facts.number("feed_forward_length"),
        "padded_vocab_size": facts.vocab,
        "add_qkv_bias": True,
        "add_bias_linear": False,
        "seq_length": facts.number("context_length"),
    }


def qwen1(facts: GgufFacts) -> Config:
    """Qwen 1: every head has its own keys and values."""
    return {
        "kv_channels": facts.required("embedding_length") // facts.required("attention.head_count"),
        "num_key_value_heads": None,
        "no_bias": True,
    }


def openelm(facts: GgufFacts) -> Config:
    """OpenELM: heads and widths by layer."""
    hidden = facts.required("embedding_length")
    return {
        "num_query_heads": list(facts.each("attention.head_count") or ()),
        "num_kv_heads": list(facts.each("attention.head_count_kv") or ()),
        "num_key_value_heads": None,
        "ffn_multipliers": [n / hidden for n in facts.each("feed_forward_length") or ()],
        "ffn_dim_divisor": 1,
        "intermediate_size": None,
        "normalize_qk_projections": True,
    }


def dbrx(facts: GgufFacts) -> Config:
    """DBRX nests the sizes of attention and experts."""
    return {
        "attn_config": {"kv_n_heads": facts.number("attention.head_count_kv")},
        "ffn_config": {
            "moe_num_experts": facts.number("expert_count"),
            "moe_top_k": facts.number("expert_used_count"),
            "ffn_hidden_size": facts.number("feed_forward_length"),
        },
        "num_key_value_heads": None,
        "num_experts": None,
        "num_experts_per_tok": None,
        "intermediate_size": None,
    }
