"""What single GGUF architectures say in their own way, as the config fields of their family."""

from __future__ import annotations

from llm_lander_tui.models.gguf_facts import GgufFacts

Config = dict[str, object]

FULL, SLIDING, LINEAR = "full_attention", "sliding_attention", "linear_attention"


def nothing(_facts: GgufFacts) -> Config:
    """No fields beyond the common ones."""
    return {}


def no_window(_facts: GgufFacts) -> Config:
    """A family whose window the file's makers leave out because it is switched off."""
    return {"use_sliding_window": False, "sliding_window": None}


def listed_windows(facts: GgufFacts) -> Config:
    """Layer types from the file's list of sliding layers, where it has one."""
    pattern = facts.each("attention.sliding_window_pattern")
    if pattern is None:
        return {}
    return {"layer_types": [SLIDING if slides else FULL for slides in pattern]}


def latent(facts: GgufFacts) -> Config:
    """MLA. Files made since April 2025 state the widths per head as `*_mla`."""
    rope = facts.required("rope.dimension_count")
    key = facts.number("attention.key_length_mla") or facts.required("attention.key_length")
    value = facts.number("attention.value_length_mla") or facts.number("attention.value_length")
    return {
        "q_lora_rank": facts.number("attention.q_lora_rank"),
        "kv_lora_rank": facts.required("attention.kv_lora_rank"),
        "qk_rope_head_dim": rope,
        "qk_nope_head_dim": key - rope,
        "v_head_dim": value or key - rope,
        "num_key_value_heads": facts.number("attention.head_count"),
        "head_dim": None,
    }


def latent_experts(facts: GgufFacts) -> Config:
    """DeepSeek and its descendants: latent attention, dense layers first."""
    sigmoid = facts.number("expert_gating_func", 1) == 2
    return latent(facts) | {
        "model_type": "deepseek_v3" if sigmoid else "deepseek_v2",
        "moe_layer_freq": 1,
    }


def indexed(facts: GgufFacts) -> Config:
    """The sparse-attention indexer of DeepSeek V3.2 and GLM-5."""
    return latent(facts) | {
        "moe_layer_freq": 1,
        "index_n_heads": facts.number("attention.indexer.head_count"),
        "index_head_dim": facts.number("attention.indexer.key_length"),
        "index_topk": facts.number("attention.indexer.top_k"),
    }


def minicpm3(facts: GgufFacts) -> Config:
    """MLA whose value width is hidden size / heads, which the file leaves out."""
    found = latent(facts)
    heads = facts.required("attention.head_count")
    return found | {"v_head_dim": facts.required("embedding_length") // heads}


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
        "layer_types": [FULL if flag else LINEAR for flag in full],
        "full_attention_interval": every,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def delta_net_float32(facts: GgufFacts) -> Config:
    """Qwen3.5, whose configs ask for a state in FP32."""
    return delta_net(facts) | {"mamba_ssm_dtype": "float32"}


def qwen_experts(_facts: GgufFacts) -> Config:
    """Qwen-MoE: the files know no dense layers among the expert layers."""
    return {"decoder_sparse_step": 1, "mlp_only_layers": [], "use_sliding_window": False}


def gemma2(_facts: GgufFacts) -> Config:
    """Gemma 2: every second layer slides."""
    return {"sliding_window_pattern": 2}


def gemma3(facts: GgufFacts) -> Config:
    """Gemma 3: every sixth layer is full, where the file does not list them."""
    return {"sliding_window_pattern": 6} | listed_windows(facts)


def gemma3n(facts: GgufFacts) -> Config:
    """Gemma 3n: shared KV, per-layer embeddings, alternative up-projections."""
    per_layer = facts.tensors.get("per_layer_token_embd.weight")
    narrow = facts.required("embedding_length_per_layer_input")
    found: Config = {
        "num_kv_shared_layers": facts.number("attention.shared_kv_layers", 0),
        "hidden_size_per_layer_input": narrow,
        "altup_num_inputs": facts.number("altup.num_inputs", 4),
    }
    if per_layer is not None:
        found["vocab_size_per_layer_input"] = per_layer.shape[0]
    return found | listed_windows(facts)


def gemma4(facts: GgufFacts) -> Config:
    """Gemma 4: two head sizes, KV heads by layer kind, shared KV, experts beside a dense part."""
    slides = facts.each("attention.sliding_window_pattern") or ()
    kv = facts.each("attention.head_count_kv")
    wide = facts.each("feed_forward_length")
    sliding_kv = max((n for n, s in zip(kv or (), slides, strict=False) if s), default=None)
    full_kv = max((n for n, s in zip(kv or (), slides, strict=False) if not s), default=None)
    one_kv = facts.number("attention.head_count_kv")
    narrow = facts.number("embedding_length_per_layer_input", 0)
    full = [i for i, s in enumerate(slides) if not s]
    experts = facts.number("expert_count") or None
    return {
        "head_dim": facts.number("attention.key_length_swa"),
        "global_head_dim": facts.number("attention.key_length"),
        "num_key_value_heads": sliding_kv or one_kv,
        "num_global_key_value_heads": full_kv or one_kv,
        "num_kv_shared_layers": facts.number("attention.shared_kv_layers", 0),
        "hidden_size_per_layer_input": narrow,
        "vocab_size_per_layer_input": facts.vocab,
        "intermediate_size": min(wide) if wide else facts.number("feed_forward_length"),
        "use_double_wide_mlp": wide is not None and max(wide) == 2 * min(wide),
        "attention_k_eq_v": any(
            f"blk.{i}.attn_k.weight" in facts.tensors
            and f"blk.{i}.attn_v.weight" not in facts.tensors
            for i in full
        ),
        "enable_moe_block": experts is not None,
        "num_experts": experts,
        "top_k_experts": facts.number("expert_used_count"),
    } | listed_windows(facts)


def gpt_oss(facts: GgufFacts) -> Config:
    """gpt-oss: only experts, whose width is the config's intermediate size; every second slides."""
    return {
        "intermediate_size": facts.number("expert_feed_forward_length")
        or facts.number("feed_forward_length"),
        "layer_types": [FULL if i % 2 else SLIDING for i in range(facts.layers)],
    }


def glm4_moe(facts: GgufFacts) -> Config:
    """GLM-4.5: norms of queries and keys where the file has them."""
    return {"use_qk_norm": facts.has("attn_q_norm.weight"), "moe_layer_freq": 1}


def llama4(facts: GgufFacts) -> Config:
    """Llama 4: experts every n-th layer, every fourth layer full, the others in chunks of 8,192."""
    step = facts.number("interleave_moe_layer_step", 1) or 1
    return {
        "intermediate_size": facts.number("expert_feed_forward_length"),
        "intermediate_size_mlp": facts.number("feed_forward_length"),
        "interleave_moe_layer_step": step,
        "moe_layers": [i for i in range(facts.layers) if (i + 1) % step == 0],
        "attention_chunk_size": 8192,
        "no_rope_layers": [int((i + 1) % 4 != 0) for i in range(facts.layers)],
        "num_local_experts": facts.number("expert_count"),
    }


def deci(facts: GgufFacts) -> Config:
    """Nemotron-NAS: attention and MLP pruned layer by layer."""
    heads = facts.each("attention.head_count") or ()
    kv = facts.each("attention.head_count_kv") or ()
    width = facts.each("feed_forward_length") or ()
    hidden = facts.required("embedding_length")
    return {
        "num_key_value_heads": None,
        "intermediate_size": None,
        "block_configs": [
            {
                "attention": {
                    "n_heads_in_group": h // k if k else None,
                    "no_op": not h and not k,
                    "replace_with_linear": bool(h) and not k,
                },
                "ffn": {
                    "ffn_mult": w * 3 / (2 * hidden) if w else None,
                    "intermediate_size": w or None,
                    "no_op": not w,
                },
            }
            for h, k, w in zip(heads, kv, width, strict=False)
        ],
    }


def nemotron_h(facts: GgufFacts) -> Config:
    """Nemotron-H: each layer is a Mamba-2 mixer, an attention, a dense MLP or a set of experts."""
    kv = facts.each("attention.head_count_kv") or (0,) * facts.layers
    width = facts.each("feed_forward_length") or (0,) * facts.layers
    experts = facts.number("expert_count", 0) or 0
    marks = [
        "*" if k else ("E" if experts else "-") if w else "M"
        for k, w in zip(kv, width, strict=False)
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
    return latent(facts) | {
        "moe_layer_freq": 1,
        "num_experts": facts.number("expert_count"),
        "num_shared_experts": facts.number("expert_shared_count"),
        "linear_attn_config": {
            "full_attn_layers": full,
            "kda_layers": [i + 1 for i, k in enumerate(kv) if not k],
            "head_dim": dim,
            "num_heads": facts.number("attention.head_count"),
            "short_conv_kernel_size": facts.number("ssm.conv_kernel"),
        },
    }


def experts_after_dense(_facts: GgufFacts) -> Config:
    """Dense layers first, experts in all others."""
    return {"moe_layer_freq": 1, "decoder_sparse_step": 1, "mlp_only_layers": []}


def hunyuan(facts: GgufFacts) -> Config:
    """Hunyuan: norms of queries and keys, shared experts by their width."""
    width = facts.number("expert_feed_forward_length")
    shared = facts.number("expert_shared_feed_forward_length", 0) or 0
    return {
        "use_qk_norm": facts.has("attn_q_norm.weight"),
        "num_shared_expert": shared // width if width else None,
        "n_shared_experts": None,
        "shared_expert_intermediate_size": None,
        "use_mixed_mlp_moe": bool(shared),
    }


def ernie(facts: GgufFacts) -> Config:
    """ERNIE 4.5: experts from a first layer on, at an interval."""
    return {
        "use_bias": facts.has("ffn_up.bias"),
        "moe_num_experts": facts.number("expert_count"),
        "moe_k": facts.number("expert_used_count"),
        "moe_intermediate_size": facts.number("expert_feed_forward_length"),
        "moe_num_shared_experts": facts.number("expert_shared_count", 0),
        "moe_layer_start_index": facts.number("leading_dense_block_count", 0),
        "moe_layer_interval": 1,
        "moe_layer_end_index": facts.layers - 1,
        "shared_expert_intermediate_size": None,
    }


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
    return {
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


def head_norms(facts: GgufFacts) -> Config:
    """Cohere: norms of heads where the file has them."""
    return {"use_qk_norm": facts.has("attn_q_norm.weight")}


def exaone4(facts: GgufFacts) -> Config:
    """EXAONE 4: three sliding layers, then a full one, where a window is stated."""
    window = facts.number("attention.sliding_window")
    pattern = "LLLG" if window else None
    return {"sliding_window_pattern": pattern} | listed_windows(facts)


def qwen1(facts: GgufFacts) -> Config:
    """Qwen 1 counts gate and up in its intermediate size."""
    return {
        "intermediate_size": 2 * facts.required("feed_forward_length"),
        "kv_channels": facts.required("embedding_length") // facts.required("attention.head_count"),
        "num_key_value_heads": None,
        "no_bias": True,
    }


def minimax_m2(facts: GgufFacts) -> Config:
    """MiniMax M2: only experts, norms over all heads; no prediction modules in the file."""
    return {
        "use_qk_norm": True,
        "intermediate_size": facts.number("expert_feed_forward_length")
        or facts.number("feed_forward_length"),
        "num_mtp_modules": 0,
    }
