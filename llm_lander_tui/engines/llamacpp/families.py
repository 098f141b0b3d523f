"""What llama.cpp's graphs and caches do by family, beside what the layers themselves say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from llm_lander_tui.models.architecture import Architecture


class Rows(Enum):
    """Where the rows of output are picked: before the last feed-forward, or for the head only.

    What they are picked from then stays allocated, for a draft head to read.
    """

    LAST_LAYER = auto()
    BEFORE_NORM = auto()
    AFTER_NORM = auto()


class Rope(Enum):
    """Which attention layers rotate queries and keys."""

    ALL = auto()
    WINDOWED = auto()
    WITHOUT_STATE = auto()
    """Those of models without recurrent layers."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Family:
    """One family's habits (src/models of llama.cpp).

    `windows`: windowed layers have a cache of their own, cut to the window. `layer_norm`: norms
    subtract the mean, which cannot be done in place. `rows`: where the rows of output are picked.
    `rope`: which layers rotate queries and keys. `residual_first`: the sum after the feed-forward
    is made in place of the residual, `mixer_residual_first`: that after the mixer too.
    `weighted_inputs`: experts' weights scale their inputs. `scaled_embedding`: the embedding is
    multiplied by a constant. `approximate`: the family's graph holds more than is built here.
    """

    windows: bool = False
    layer_norm: bool = False
    rows: Rows = Rows.LAST_LAYER
    rope: Rope = Rope.ALL
    residual_first: bool = False
    mixer_residual_first: bool = False
    weighted_inputs: bool = False
    scaled_embedding: bool = False
    approximate: bool = False


_PLAIN = Family()
_WINDOWED = Family(windows=True)
_SCALED = Family(scaled_embedding=True)
_GEMMA = Family(windows=True, scaled_embedding=True)
_LATE = Family(rows=Rows.AFTER_NORM)
_LAYER_NORM = Family(layer_norm=True)

FAMILIES: Mapping[str, Family] = {
    "gemma": _SCALED,
    "granite": _SCALED,
    "granitemoe": _SCALED,
    "granitemoeshared": _SCALED,
    "minicpm": _SCALED,
    "minicpm3": _SCALED,
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "gemma3n_text": Family(windows=True, scaled_embedding=True, approximate=True),
    "gemma4_text": Family(
        windows=True, rows=Rows.AFTER_NORM, scaled_embedding=True, approximate=True
    ),
    "kimi_linear": Family(approximate=True),
    "falcon_h1": Family(approximate=True),
    "minimax_m3": Family(approximate=True),
    "minimax_m3_vl_text": Family(approximate=True),
    "gpt_oss": Family(windows=True, rows=Rows.BEFORE_NORM),
    "cohere": _LAYER_NORM,
    "cohere2": Family(windows=True, layer_norm=True, rope=Rope.WINDOWED),
    "llama4_text": Family(windows=True, rope=Rope.WINDOWED, weighted_inputs=True),
    "exaone4": Family(windows=True, rope=Rope.WINDOWED),
    "olmo3": _WINDOWED,
    "laguna": _WINDOWED,
    "step3p5": Family(windows=True, rows=Rows.BEFORE_NORM),
    "mimo_v2_flash": _WINDOWED,
    "deepseek_v4": _WINDOWED,
    "qwen3_next": _LATE,
    "qwen3_5_text": _LATE,
    "qwen3_5_moe_text": _LATE,
    "nemotron_h": Family(rows=Rows.AFTER_NORM, rope=Rope.NONE),
    "granitemoehybrid": Family(rope=Rope.WITHOUT_STATE, scaled_embedding=True),
    "jamba": Family(rope=Rope.NONE),
    "lfm2": Family(residual_first=True, mixer_residual_first=True),
    "lfm2_moe": Family(residual_first=True, mixer_residual_first=True),
    "phi3": Family(residual_first=True),
    "phi3_v": Family(residual_first=True),
    "phimoe": Family(layer_norm=True, residual_first=True),
    "phi": Family(layer_norm=True, approximate=True),
    "phi-msft": Family(layer_norm=True, approximate=True),
    "starcoder2": _LAYER_NORM,
    "stablelm": _LAYER_NORM,
    "falcon": _LAYER_NORM,
    "gpt2": Family(layer_norm=True, rope=Rope.NONE),
    "gpt_bigcode": Family(layer_norm=True, rope=Rope.NONE),
    "gpt_neox": _LAYER_NORM,
    "gptj": _LAYER_NORM,
    "bloom": Family(layer_norm=True, rope=Rope.NONE),
    "mpt": Family(layer_norm=True, rope=Rope.NONE),
    "dbrx": _LAYER_NORM,
    "olmo": _LAYER_NORM,
    "nemotron": _LAYER_NORM,
    "orion": _LAYER_NORM,
}


def family_of(architecture: Architecture) -> Family:
    """The habits of a model's family; the plain ones where it has none of its own."""
    return FAMILIES.get(architecture.model_type, _PLAIN)
