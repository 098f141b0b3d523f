"""What single GGUF architectures say in their own way, as the config fields of their family."""

from __future__ import annotations

from llm_lander_tui.models.gguf_facts import GgufFacts

Config = dict[str, object]

FULL, SLIDING = "full_attention", "sliding_attention"


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
    own = facts.each("attention.indexer.types")
    return latent(facts) | {
        "moe_layer_freq": 1,
        "indexer_types": ["full" if flag else "shared" for flag in own] if own else None,
        "index_n_heads": facts.number("attention.indexer.head_count"),
        "index_head_dim": facts.number("attention.indexer.key_length"),
        "index_topk": facts.number("attention.indexer.top_k"),
    }


def minicpm3(facts: GgufFacts) -> Config:
    """MLA whose value width is hidden size / heads, which the file leaves out."""
    found = latent(facts)
    heads = facts.required("attention.head_count")
    return found | {"v_head_dim": facts.required("embedding_length") // heads}


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


def head_norms(facts: GgufFacts) -> Config:
    """Cohere: norms of heads where the file has them."""
    return {"use_qk_norm": facts.has("attn_q_norm.weight")}


def exaone4(facts: GgufFacts) -> Config:
    """EXAONE 4: three sliding layers, then a full one, where a window is stated."""
    window = facts.number("attention.sliding_window")
    pattern = "LLLG" if window else None
    return {"sliding_window_pattern": pattern} | listed_windows(facts)


def minimax_m2(facts: GgufFacts) -> Config:
    """MiniMax M2: only experts, norms over all heads; no prediction modules in the file."""
    return {
        "use_qk_norm": True,
        "intermediate_size": facts.number("expert_feed_forward_length")
        or facts.number("feed_forward_length"),
        "num_mtp_modules": 0,
    }


def laguna(facts: GgufFacts) -> Config:
    """Laguna: heads by layer, three sliding layers after each full one, gated outputs."""
    heads = facts.each("attention.head_count") or ()
    dense = facts.number("leading_dense_block_count", 0) or 0
    gate = facts.tensors.get("blk.0.attn_gate.weight")
    wide = gate is None or gate.shape[0] != max(heads[:1], default=0)
    return {
        "num_attention_heads": heads[0] if heads else facts.number("attention.head_count"),
        "num_attention_heads_per_layer": list(heads) or None,
        "layer_types": [SLIDING if i % 4 else FULL for i in range(facts.layers)],
        "mlp_layer_types": ["dense" if i < dense else "sparse" for i in range(facts.layers)],
        "gating": True if wide else "per-head",
    } | listed_windows(facts)


def mimo2(facts: GgufFacts) -> Config:
    """MiMo-V2: sliding layers with KV heads of their own; a first dense layer."""
    slides = facts.each("attention.sliding_window_pattern") or ()
    kv = facts.each("attention.head_count_kv") or ()
    pairs = list(zip(kv, slides, strict=False))
    key, value = facts.number("attention.key_length"), facts.number("attention.value_length")
    heads = facts.number("attention.head_count")
    sparse = facts.blocks_with("ffn_gate_inp.weight")
    return {
        "num_key_value_heads": max((n for n, s in pairs if not s), default=None),
        "swa_num_key_value_heads": max((n for n, s in pairs if s), default=None),
        "swa_num_attention_heads": heads,
        "v_head_dim": value,
        "swa_head_dim": key,
        "swa_v_head_dim": value,
        "hybrid_layer_pattern": [int(s) for s in slides],
        "moe_layer_freq": [int(flag) for flag in sparse] if any(sparse) else None,
        "add_swa_attention_sink_bias": True,
    }


def step(facts: GgufFacts) -> Config:
    """Step 3.5: other heads in sliding layers, dense layers first and at the end."""
    slides = facts.each("attention.sliding_window_pattern") or ()
    heads = facts.each("attention.head_count") or ()
    kv = facts.each("attention.head_count_kv") or ()
    rows = list(zip(heads, kv, slides, strict=False))
    sparse = facts.blocks_with("ffn_gate_inp.weight")
    own = next(((h, k) for h, k, s in rows if s), (0, 0))
    full = next(((h, k) for h, k, s in rows if not s), own)
    return {
        "num_attention_heads": full[0] or facts.number("attention.head_count"),
        "num_attention_groups": full[1] or facts.number("attention.head_count_kv"),
        "num_key_value_heads": None,
        "attention_other_setting": {
            "attention_type": SLIDING,
            "num_attention_heads": own[0],
            "num_attention_groups": own[1],
        },
        "moe_num_experts": facts.number("expert_count"),
        "moe_top_k": facts.number("expert_used_count"),
        "share_expert_dim": facts.number("expert_shared_feed_forward_length"),
        "shared_expert_intermediate_size": None,
        "moe_layers_enum": ",".join(str(i) for i, flag in enumerate(sparse) if flag),
    } | listed_windows(facts)


def deepseek4(facts: GgufFacts) -> Config:
    """DeepSeek V4: attention over compressed caches, hyper-connections."""
    return {
        "head_dim": facts.number("attention.key_length"),
        "num_key_value_heads": 1,
        "q_lora_rank": facts.number("attention.q_lora_rank"),
        "o_lora_rank": facts.number("attention.output_lora_rank"),
        "o_groups": facts.number("attention.output_group_count"),
        "qk_rope_head_dim": facts.number("rope.dimension_count"),
        "index_n_heads": facts.number("attention.indexer.head_count"),
        "index_head_dim": facts.number("attention.indexer.key_length"),
        "index_topk": facts.number("attention.indexer.top_k"),
        "compress_ratios": list(facts.each("attention.compress_ratios") or ()),
        "hc_mult": facts.number("hyper_connection.count"),
        "num_hash_layers": facts.number("hash_layer_count", 0),
        "intermediate_size": None,
        "moe_layer_freq": 1,
    }
