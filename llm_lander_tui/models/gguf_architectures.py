"""GGUF architectures and keys against the model types and field names of config.json files.

Source of the keys: the GGUF specification and gguf-py's list of constants; which key states which
field was checked on the metadata that llama.cpp's own converter writes for real config files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.models import gguf_extras as extras
from llm_lander_tui.models import gguf_hybrids as hybrids
from llm_lander_tui.models import gguf_older as older
from llm_lander_tui.models.gguf_facts import GgufFacts

_FIELDS = (
    ("embedding_length", "hidden_size"),
    ("context_length", "max_position_embeddings"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.sliding_window", "sliding_window"),
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_count", "n_shared_experts"),
    ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    ("leading_dense_block_count", "first_k_dense_replace"),
)
"""Keys that most architectures have, and the fields that state the same."""


_STATE_SPACE = ("ssm.", "wkv.", "shortconv.", "kda.", "time_mix", "attention.recurrent")
"""Beginnings of keys that mean layers other than attention."""


@dataclass(frozen=True, slots=True)
class _Arch:
    """The model type that a GGUF architecture is, and what it says in its own way."""

    model_type: str
    own: Callable[[GgufFacts], dict[str, object]] = extras.nothing


_ARCHITECTURES = {
    "arcee": _Arch("arcee"),
    "apertus": _Arch("apertus"),
    "baichuan": _Arch("baichuan"),
    "bailingmoe": _Arch("bailing_moe", extras.experts_after_dense),
    "bailingmoe2": _Arch("bailing_moe_v2", extras.experts_after_dense),
    "bitnet": _Arch("bitnet"),
    "bloom": _Arch("bloom"),
    "chatglm": _Arch("chatglm", older.chatglm),
    "cohere2": _Arch("cohere2"),
    "command-r": _Arch("cohere", extras.head_norms),
    "dbrx": _Arch("dbrx", older.dbrx),
    "deci": _Arch("nemotron-nas", extras.deci),
    "deepseek": _Arch("deepseek", extras.experts_after_dense),
    "deepseek2": _Arch("deepseek_v2", extras.latent_experts),
    "deepseek32": _Arch("deepseek_v32", extras.indexed),
    "deepseek4": _Arch("deepseek_v4", extras.deepseek4),
    "dots1": _Arch("dots1", extras.experts_after_dense),
    "ernie4_5": _Arch("ernie4_5", older.starcoder2),
    "ernie4_5-moe": _Arch("ernie4_5_moe", extras.ernie),
    "exaone": _Arch("exaone"),
    "exaone4": _Arch("exaone4", extras.exaone4),
    "falcon": _Arch("falcon", older.falcon),
    "falcon-h1": _Arch("falcon_h1", hybrids.falcon_h1),
    "gemma": _Arch("gemma"),
    "gemma2": _Arch("gemma2", extras.gemma2),
    "gemma3": _Arch("gemma3_text", extras.gemma3),
    "gemma3n": _Arch("gemma3n_text", extras.gemma3n),
    "gemma4": _Arch("gemma4_text", extras.gemma4),
    "glm-dsa": _Arch("glm_moe_dsa", extras.indexed),
    "glm4": _Arch("glm4"),
    "glm4moe": _Arch("glm4_moe", extras.glm4_moe),
    "gpt-oss": _Arch("gpt_oss", extras.gpt_oss),
    "gptoss": _Arch("gpt_oss", extras.gpt_oss),
    "gpt2": _Arch("gpt2"),
    "gptj": _Arch("gptj"),
    "gptneox": _Arch("gpt_neox"),
    "granite": _Arch("granite"),
    "granitehybrid": _Arch("granitemoehybrid", hybrids.granite_hybrid),
    "granitemoe": _Arch("granitemoe"),
    "hunyuan-dense": _Arch("hunyuan_v1_dense", extras.hunyuan),
    "hunyuan_vl": _Arch("hunyuan_v1_dense", extras.hunyuan),
    "hunyuan-moe": _Arch("hunyuan_v1_moe", extras.hunyuan),
    "internlm2": _Arch("internlm2"),
    "jamba": _Arch("jamba", hybrids.jamba),
    "kimi-k3": _Arch("kimi_linear", hybrids.kimi_linear),
    "kimi-linear": _Arch("kimi_linear", hybrids.kimi_linear),
    "laguna": _Arch("laguna", extras.laguna),
    "lfm2": _Arch("lfm2", hybrids.lfm2),
    "lfm2moe": _Arch("lfm2_moe", hybrids.lfm2),
    "llama": _Arch("llama"),
    "llama4": _Arch("llama4_text", extras.llama4),
    "mamba2": _Arch("mamba2", hybrids.pure_mamba2),
    "mamba": _Arch("mamba", hybrids.mamba1),
    "mimo2": _Arch("mimo_v2_flash", extras.mimo2),
    "minicpm": _Arch("minicpm"),
    "minicpm3": _Arch("minicpm3", extras.minicpm3),
    "minimax-m2": _Arch("minimax_m2", extras.minimax_m2),
    "mistral": _Arch("mistral", extras.no_window),
    "mistral3": _Arch("ministral3", extras.no_window),
    "nemotron": _Arch("nemotron"),
    "nemotron_h": _Arch("nemotron_h", hybrids.nemotron_h),
    "nemotron_h_moe": _Arch("nemotron_h", hybrids.nemotron_h),
    "olmo": _Arch("olmo"),
    "olmo2": _Arch("olmo2", extras.listed_windows),
    "olmoe": _Arch("olmoe"),
    "openelm": _Arch("openelm", older.openelm),
    "orion": _Arch("orion"),
    "phi2": _Arch("phi"),
    "phi3": _Arch("phi3"),
    "phimoe": _Arch("phimoe"),
    "qwen": _Arch("qwen", older.qwen1),
    "qwen2": _Arch("qwen2", extras.no_window),
    "qwen25vl": _Arch("qwen2", extras.no_window),
    "qwen2moe": _Arch("qwen2_moe", extras.qwen_experts),
    "qwen2vl": _Arch("qwen2", extras.no_window),
    "qwen3": _Arch("qwen3", extras.no_window),
    "qwen35": _Arch("qwen3_5_text", hybrids.delta_net_float32),
    "qwen35moe": _Arch("qwen3_5_moe_text", hybrids.delta_net_float32),
    "qwen3moe": _Arch("qwen3_moe", extras.qwen_experts),
    "qwen3next": _Arch("qwen3_next", hybrids.delta_net),
    "qwen3vl": _Arch("qwen3", extras.no_window),
    "qwen3vlmoe": _Arch("qwen3_moe", extras.qwen_experts),
    "seed_oss": _Arch("seed_oss"),
    "smollm3": _Arch("smollm3"),
    "stablelm": _Arch("stablelm", older.stablelm),
    "starcoder": _Arch("gpt_bigcode", older.multi_query),
    "starcoder2": _Arch("starcoder2", older.starcoder2),
    "step35": _Arch("step3p5", extras.step),
    "xverse": _Arch("xverse"),
}


def config_of(facts: GgufFacts) -> dict[str, object]:
    """The config.json that the file's metadata and tensors amount to.

    An architecture that the table does not have is left to the parser as an unknown type, which it
    plans by its shape or refuses. Raises `RefusedModel` where a needed key is missing.
    """
    arch = _ARCHITECTURES.get(facts.arch) or _Arch(f"{facts.arch} (GGUF)", _unknown)
    config: dict[str, object] = {
        "model_type": arch.model_type,
        "num_hidden_layers": facts.layers,
        "num_nextn_predict_layers": facts.mtp_layers,
        "vocab_size": facts.vocab,
        "attention_bias": facts.has("attn_q.bias", "attn_qkv.bias"),
        "mlp_bias": facts.has("ffn_up.bias"),
        "lm_head_bias": "output.bias" in facts.tensors,
        "tie_word_embeddings": facts.tied,
        "torch_dtype": "bfloat16",
    }
    for key, field in _FIELDS:
        value = facts.number(key)
        config[field] = value
    if facts.number("expert_count") and arch.model_type == "llama":
        config["model_type"] = "mixtral"
    scaling = _rope_scaling(facts)
    if scaling:
        config["rope_scaling"] = scaling
    if not config["intermediate_size"]:
        config["intermediate_size"] = facts.rows("ffn_up.weight")
    config |= arch.own(facts)
    return {name: value for name, value in config.items() if value is not None} | {
        name: None for name in ("sliding_window", "q_lora_rank") if config.get(name) is None
    }


def _unknown(facts: GgufFacts) -> dict[str, object]:
    """What the shape of an unknown architecture is told by; its state-space keys keep their names.

    Layers that differ in their heads are no shape that could be guessed: they count as a hybrid.
    """
    found: dict[str, object] = {"use_qk_norm": facts.has("attn_q_norm.weight")}
    if facts.number("attention.kv_lora_rank"):
        found |= extras.latent(facts)
    prefix = f"{facts.arch}."
    for key in facts.metadata:
        name = key.removeprefix(prefix)
        if name != key and name.startswith(_STATE_SPACE):
            found[f"ssm {name}"] = True
    for key in ("attention.head_count", "attention.head_count_kv"):
        if len(set(facts.each(key) or ())) > 1:
            found["hybrid_heads"] = True
    return found | extras.listed_windows(facts)


def _rope_scaling(facts: GgufFacts) -> dict[str, object]:
    kind = facts.get("rope.scaling.type")
    if not isinstance(kind, str) or kind in {"none", ""}:
        return {}
    found: dict[str, object] = {"rope_type": kind}
    for key, field in (
        ("rope.scaling.factor", "factor"),
        ("rope.scaling.original_context_length", "original_max_position_embeddings"),
    ):
        value = facts.get(key)
        if isinstance(value, int | float):
            found[field] = value
    return found
