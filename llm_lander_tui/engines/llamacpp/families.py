"""What llama.cpp's graphs and caches do by family, beside what the layers themselves say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_lander_tui.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Family:
    """One family's habits (src/models of llama.cpp).

    `windows`: windowed layers have a cache of their own, cut to the window. `layer_norm`: norms
    subtract the mean, which cannot be done in place. `late_rows`: the last layer computes every
    token and only the head picks the rows of output. `rope`: attention rotates queries and keys.
    `residual_first`: the sum after the feed-forward is made in place of the residual.
    `weighted_inputs`: experts' weights scale their inputs.
    """

    windows: bool = False
    layer_norm: bool = False
    late_rows: bool = False
    rope: bool = True
    residual_first: bool = False
    weighted_inputs: bool = False


_PLAIN = Family()
_WINDOWED = Family(windows=True)
_LATE = Family(late_rows=True)
_LAYER_NORM = Family(layer_norm=True)

FAMILIES: Mapping[str, Family] = {
    "gemma2": _WINDOWED,
    "gemma3_text": _WINDOWED,
    "gemma3n_text": _WINDOWED,
    "gemma4_text": Family(windows=True, late_rows=True),
    "gpt_oss": Family(windows=True, late_rows=True),
    "cohere": _LAYER_NORM,
    "cohere2": Family(windows=True, layer_norm=True),
    "llama4_text": Family(windows=True, weighted_inputs=True),
    "exaone4": _WINDOWED,
    "olmo3": _WINDOWED,
    "laguna": _WINDOWED,
    "step3p5": Family(windows=True, late_rows=True),
    "mimo_v2_flash": _WINDOWED,
    "deepseek_v4": _WINDOWED,
    "qwen3_next": _LATE,
    "qwen3_5_text": _LATE,
    "qwen3_5_moe_text": _LATE,
    "nemotron_h": Family(late_rows=True, rope=False),
    "granitemoehybrid": Family(rope=False),
    "jamba": Family(rope=False),
    "phi3": Family(residual_first=True),
    "phi3_v": Family(residual_first=True),
    "phimoe": Family(layer_norm=True, residual_first=True),
    "phi": _LAYER_NORM,
    "phi-msft": _LAYER_NORM,
    "starcoder2": _LAYER_NORM,
    "stablelm": _LAYER_NORM,
    "falcon": _LAYER_NORM,
    "gpt2": Family(layer_norm=True, rope=False),
    "gpt_bigcode": Family(layer_norm=True, rope=False),
    "gpt_neox": _LAYER_NORM,
    "gptj": _LAYER_NORM,
    "bloom": Family(layer_norm=True, rope=False),
    "mpt": Family(layer_norm=True, rope=False),
    "dbrx": _LAYER_NORM,
    "olmo": _LAYER_NORM,
    "nemotron": _LAYER_NORM,
    "orion": _LAYER_NORM,
}


def family_of(architecture: Architecture) -> Family:
    """The habits of a model's family; the plain ones where it has none of its own."""
    return FAMILIES.get(architecture.model_type, _PLAIN)
