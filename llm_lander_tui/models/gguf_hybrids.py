"""State-space and linear-attention architectures of GGUF, as the config fields of their family."""

from __future__ import annotations

from llm_lander_tui.models.gguf_extras import FULL, Config, latent
from llm_lander_tui.models.gguf_facts import GgufFacts

_LINEAR = "linear_attention"


def delta_net(facts: GgufFacts) -> Config:
    """Gated DeltaNet beside full attention (Qwen3-Next, Qwen3.5)."""
    heads = facts.required("ssm.time_step_rank")
    recurrent = facts.each("attention.recurrent_layers")
    every = facts.number("full_attention_interval", 4) or 4
    full = (
        [not flag for flag in recurrent]
        if recurrent
        else [(i + 1) % every == 0 for i in range(facts.layers)]
    )
    return {
        "linear_num_key_heads": facts.required("ssm.group_count"),
        "linear_num_value_heads": heads,
        "linear_key_head_dim": facts.required("ssm.state_size"),
        "linear_value_head_dim": facts.required("ssm.inner_size") // max(heads, 1),
        "linear_conv_kernel_dim": facts.required("ssm.conv_kernel"),
        "layer_types": [FULL if flag else _LINEAR for flag in full],
        "full_attention_interval": every,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def delta_net_float32(facts: GgufFacts) -> Config:
    """Qwen3.5, whose configs ask for a state in FP32."""
    return delta_net(facts) | {"mamba_ssm_dtype": "float32"}


def nemotron_h(facts: GgufFacts) -> Config:
    """Nemotron-H: each layer is a Mamba-2 mixer, an attention, a dense MLP or a set of experts."""
    kv = facts.each("attention.head_count_kv") or (0,) * facts.layers
    width = facts.each("feed_forward_length") or (0,) * facts.layers
    if facts.has("ssm_in.weight"):
        sparse = facts.blocks_with("ffn_gate_inp.weight")
        dense = facts.blocks_with("ffn_up.weight")
    else:
        experts = bool(facts.number("expert_count"))
        sparse = tuple(bool(w) and experts for w in width)
        dense = tuple(bool(w) and not experts for w in width)
    marks = [
        "*" if k else "E" if s else "-" if d else "M"
        for k, s, d in zip(kv, sparse, dense, strict=False)
    ]
    found = mamba2(facts)
    inner = facts.required("ssm.inner_size")
    heads = facts.required("ssm.time_step_rank")
    found |= {
        "hybrid_override_pattern": "".join(marks),
        "mamba_num_heads": heads,
        "mamba_head_dim": inner // max(heads, 1),
        "ssm_state_size": facts.required("ssm.state_size"),
        "conv_kernel": facts.required("ssm.conv_kernel"),
        "n_groups": facts.number("ssm.group_count", 1),
        "moe_shared_expert_intermediate_size": facts.number("expert_shared_feed_forward_length"),
        "shared_expert_intermediate_size": None,
        "moe_latent_size": facts.number("moe_latent_size"),
        "num_key_value_heads": max(kv, default=0),
    }
    return found


def mamba2(facts: GgufFacts) -> Config:
    """A Mamba-2 mixer by the fields of Granite, Falcon-H1 and Bamba."""
    heads = facts.required("ssm.time_step_rank")
    inner = facts.required("ssm.inner_size")
    return {
        "mamba_n_heads": heads,
        "mamba_d_head": inner // max(heads, 1),
        "mamba_d_state": facts.required("ssm.state_size"),
        "mamba_d_conv": facts.required("ssm.conv_kernel"),
        "mamba_n_groups": facts.number("ssm.group_count", 1),
        "mamba_d_ssm": inner,
        "mamba_expand": inner / facts.required("embedding_length"),
        "mamba_conv_bias": True,
        "mamba_proj_bias": facts.has("ssm_in.bias"),
    }


def pure_mamba2(facts: GgufFacts) -> Config:
    """Mamba-2: nothing but state-space layers."""
    heads, inner = facts.required("ssm.time_step_rank"), facts.required("ssm.inner_size")
    return {
        "state_size": facts.required("ssm.state_size"),
        "conv_kernel": facts.required("ssm.conv_kernel"),
        "n_groups": facts.number("ssm.group_count", 1),
        "num_heads": heads,
        "head_dim": inner // max(heads, 1),
        "expand": inner // max(facts.required("embedding_length"), 1),
        "num_attention_heads": None,
        "num_key_value_heads": None,
        "intermediate_size": None,
        "max_position_embeddings": None,
    }


def granite_hybrid(facts: GgufFacts) -> Config:
    """Granite 4: Mamba-2 and attention layers in any order, experts or a shared dense part."""
    kv = facts.each("attention.head_count_kv") or (facts.number("attention.head_count_kv") or 0,)
    layers = kv if len(kv) == facts.layers else kv * facts.layers
    return mamba2(facts) | {
        "layer_types": ["attention" if k else "mamba" for k in layers],
        "num_key_value_heads": max(kv),
        "shared_intermediate_size": facts.number("expert_shared_feed_forward_length", 0),
        "shared_expert_intermediate_size": None,
        "num_local_experts": facts.number("expert_count", 0),
        "intermediate_size": facts.number("expert_feed_forward_length")
        or facts.number("feed_forward_length"),
    }


def falcon_h1(facts: GgufFacts) -> Config:
    """Falcon-H1: attention and Mamba-2 in parallel in every layer."""
    return mamba2(facts) | {"mamba_rms_norm": facts.has("ssm_norm.weight")}


def mamba1(facts: GgufFacts) -> Config:
    """Mamba: nothing but state-space layers."""
    inner, hidden = facts.required("ssm.inner_size"), facts.required("embedding_length")
    return {
        "intermediate_size": inner,
        "expand": inner // max(hidden, 1),
        "state_size": facts.required("ssm.state_size"),
        "conv_kernel": facts.required("ssm.conv_kernel"),
        "time_step_rank": facts.required("ssm.time_step_rank"),
        "num_attention_heads": None,
        "num_key_value_heads": None,
        "head_dim": None,
        "max_position_embeddings": None,
        "model_type": "falcon_mamba" if facts.get("ssm.dt_b_c_rms") else "mamba",
    }


def jamba(facts: GgufFacts) -> Config:
    """Jamba: Mamba layers, every n-th with attention, every m-th with experts."""
    kv = facts.each("attention.head_count_kv") or ()
    inner, hidden = facts.required("ssm.inner_size"), facts.required("embedding_length")
    attention = [i for i, k in enumerate(kv) if k]
    experts = [i for i, f in enumerate(facts.blocks_with("ffn_gate_inp.weight")) if f]
    return {
        "num_key_value_heads": max(kv, default=0),
        "mamba_d_state": facts.required("ssm.state_size"),
        "mamba_d_conv": facts.required("ssm.conv_kernel"),
        "mamba_expand": inner // max(hidden, 1),
        "mamba_dt_rank": facts.required("ssm.time_step_rank"),
        "attn_layer_offset": attention[0] if attention else 0,
        "attn_layer_period": attention[1] - attention[0] if len(attention) > 1 else facts.layers,
        "expert_layer_offset": experts[0] if experts else 1,
        "expert_layer_period": experts[1] - experts[0] if len(experts) > 1 else 2,
    }


def lfm2(facts: GgufFacts) -> Config:
    """LFM2: short convolutions, with attention where the file gives KV heads."""
    kv = facts.each("attention.head_count_kv") or ()
    return {
        "layer_types": [FULL if k else "conv" for k in kv],
        "num_key_value_heads": max(kv, default=0),
        "conv_L_cache": facts.number("shortconv.l_cache"),
        "block_auto_adjust_ff_dim": False,
        "num_dense_layers": facts.number("leading_dense_block_count", 0),
        "use_expert_bias": facts.has("exp_probs_b.bias"),
    }


def kimi_linear(facts: GgufFacts) -> Config:
    """Kimi Linear: latent attention in some layers, KDA in the others (no KV heads there)."""
    kv = facts.each("attention.head_count_kv") or ()
    full = [i + 1 for i, k in enumerate(kv) if k]
    dim = facts.number("kda.head_dim")
    k3 = facts.arch == "kimi-k3"
    return latent(facts) | {
        "moe_layer_freq": 1,
        "routed_expert_hidden_size": facts.number("expert_latent_length"),
        "latent_moe_use_norm": k3,
        "mla_use_output_gate": k3,
        "attn_res_block_size": facts.number("attn_res.block_size"),
        "num_experts": facts.number("expert_count"),
        "num_shared_experts": facts.number("expert_shared_count"),
        "linear_attn_config": {
            "full_attn_layers": full,
            "kda_layers": [i + 1 for i, k in enumerate(kv) if not k],
            "head_dim": dim,
            "num_heads": facts.number("attention.head_count"),
            "short_conv_kernel_size": facts.number("ssm.conv_kernel"),
            "use_full_rank_gate": k3,
        },
    }
