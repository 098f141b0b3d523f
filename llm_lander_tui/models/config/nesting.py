"""Where the language model stands in a config, and which family its model type means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_lander_tui.models.config.defaults import class_defaults
from llm_lander_tui.models.config.families import FAMILIES

_NESTED = (
    "text_config",
    "llm_config",
    "language_config",
    "llm_cfg",
    "thinker_config",
    "text_model_config",
)
_INHERITED = ("tie_word_embeddings", "dtype", "torch_dtype", "quantization_config")
_FLATTENED = ("attn_config", "ffn_config")
"""Objects whose fields are the model's own (MPT, DBRX)."""
_MAX_DEPTH = 4

_MEANS = {
    "RefinedWeb": "falcon",
    "RefinedWebModel": "falcon",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_text",
    "gemma4_unified_text": "gemma4_text",
    "glm4v": "glm4v_text",
    "glm4v_moe": "glm4v_moe_text",
    "kimi_k25": "deepseek_v3",
    "llama4": "llama4_text",
    "llava": "llama",
    "llava_next": "llama",
    "llava_llama": "llama",
    "minimax_m3_vl": "minimax_m3_vl_text",
    "mistral3": "mistral",
    "mllama": "mllama_text_model",
    "paddleocr_vl": "paddleocr_vl_text",
    "paligemma": "gemma",
    "qwen2_5_omni_thinker": "qwen2_5_omni_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen2_audio": "qwen2",
    "qwen2_vl": "qwen2_vl_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_omni_moe_thinker": "qwen3_omni_moe_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
    "step3p7": "step3p5",
}
"""Model types that mean another's language model: multimodal wrappers and older names."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """The language model's own fields, its model type, and how that was found where it says so."""

    values: Mapping[str, object]
    model_type: str
    note: str = ""
    nested: bool = False


def language_model(config: Mapping[str, object]) -> LanguageModel:
    """The language model inside a config, at whatever depth it is nested."""
    values: Mapping[str, object] = config
    outer_type = model_type = _type_of(config)
    depth = 0
    while depth < _MAX_DEPTH:
        nested = next((v for k in _NESTED if isinstance(v := values.get(k), Mapping)), None)
        if nested is None:
            break
        inherited = {k: values[k] for k in _INHERITED if k in values and k not in nested}
        values = {**nested, **inherited}
        model_type = _type_of(nested) or model_type
        depth += 1
    for key in _FLATTENED:
        inner = values.get(key)
        if isinstance(inner, Mapping):
            own = {k: v for k, v in inner.items() if k != "model_type"}
            values = {**own, **values}
    model_type, note = _meaning(model_type, values)
    if "tie_word_embeddings" not in values and outer_type != model_type:
        inner_tie = class_defaults(model_type).get("tie_word_embeddings")
        outer_tie = class_defaults(outer_type).get("tie_word_embeddings")
        if inner_tie is None and outer_tie is not None:
            values = {**values, "tie_word_embeddings": outer_tie}
    return LanguageModel(values, model_type, note, nested=depth > 0)


def _meaning(model_type: str, values: Mapping[str, object]) -> tuple[str, str]:
    """The family's name for a model type, and a note where the fields contradict the type."""
    found = _MEANS.get(model_type, model_type)
    if found == "glm" and values.get("n_routed_experts"):
        return "glm4_moe", "the type says glm, the fields are those of glm4_moe: planned as such"
    return found, ""


def _type_of(config: Mapping[str, object]) -> str:
    """The stated model type, else one that the name of the model class gives."""
    stated = config.get("model_type")
    if isinstance(stated, str) and stated:
        return stated
    classes = config.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes else None
    if not isinstance(first, str):
        return ""
    stem = first
    for suffix in ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "Model"):
        stem = stem.removesuffix(suffix)
    plain = stem.lower()
    return next((k for k in FAMILIES if k.replace("_", "").replace("-", "") == plain), "")
