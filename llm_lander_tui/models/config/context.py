"""How many tokens a model supports, and the rotary tables that engines keep for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import ContextLimit, RopeTable
from llm_lander_tui.units import format_tokens

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

_MROPE_REPEATS = 4
_MOST_POSITIONS = 1 << 40


def context_limit(reading: Reading) -> ContextLimit | None:
    """The model's own limit in tokens, None where no field states one.

    Files of models that ship with a RoPE scaling state the scaled length (DeepSeek, Llama 3.1,
    gpt-oss). YaRN that was switched on later states the old one: its original length times its
    factor counts then. A dynamic factor extends the stated length; a linear one is in it (Gemma 3).
    """
    limit = reading.fields.integer("max_position_embeddings", 0)
    if not limit:
        return None
    scaling = rope_scaling(reading)
    kind = _scaling_type(scaling)
    factor = _positive(scaling.get("factor"), 1.0)
    original = _positive(scaling.get("original_max_position_embeddings"), 0.0)
    why = f"max_position_embeddings is {format_tokens(limit)}"
    scaled = round(original * factor)
    if original and scaled == limit:
        return ContextLimit(limit, f"{why}: {format_tokens(int(original))} × {factor:g} by {kind}")
    if kind in {"yarn", "deepseek_yarn"} and scaled > limit:
        why += f", extended to {format_tokens(int(original))} × {factor:g} by {kind}"
        return ContextLimit(scaled, why)
    if kind == "dynamic" and not original and factor > 1:
        return ContextLimit(limit, why, round(limit * factor))
    if kind not in {"", "default"}:
        why += f", RoPE scaling {kind[:20]} included"
    return ContextLimit(limit, why)


def rope_scaling(reading: Reading) -> Mapping[str, object]:
    """The scaling of the full-attention rotary embedding, empty without one."""
    fields = reading.fields
    found = fields.mapping("rope_parameters") or fields.mapping("rope_scaling")
    full = found.get("full_attention")
    return full if isinstance(full, Mapping) else found


def _rotates(reading: Reading) -> bool:
    """Whether any layer has a rotary embedding: not with ALiBi, learned or no positions."""
    fields = reading.fields
    if not reading.family.rotary or not fields.integer("num_attention_heads", 0):
        return False
    return not fields.flag("alibi") and fields.get("position_embedding_type") != "nope"


def rope_tables(reading: Reading) -> tuple[RopeTable, ...]:
    """The rotary tables, one for each distinct embedding among the layers.

    A scaled embedding is tabulated for the scaled length, one with three position axes four times
    over (vLLM rotary_embedding/, which SGLang shares).
    """
    fields = reading.fields
    limit = fields.integer("max_position_embeddings", 0)
    if not limit or not _rotates(reading):
        return ()
    found = fields.mapping("rope_parameters") or fields.mapping("rope_scaling")
    kinds = [value for value in found.values() if isinstance(value, Mapping)] or [found]
    if fields.stated("rope_local_base_freq") or reading.model_type.startswith("gemma3"):
        kinds = [found, {}]
    dim = fields.integer("qk_rope_head_dim", 0) or reading.head_dim
    partial = fields.number("partial_rotary_factor", 1.0)
    return tuple(_rope_table(limit, dim, partial, kind) for kind in kinds)


def _rope_table(limit: int, dim: int, partial: float, scaling: Mapping[str, object]) -> RopeTable:
    kind = _scaling_type(scaling)
    factor = _positive(scaling.get("factor"), 1.0)
    original = _positive(scaling.get("original_max_position_embeddings"), limit)
    positions: float = limit
    if kind == "linear":
        positions = limit * factor
    elif kind in {"yarn", "deepseek_yarn"}:
        positions = original * factor
    elif kind in {"longrope", "su"}:
        positions = limit + original
    elif "mrope_section" in scaling:
        positions = limit * _MROPE_REPEATS
    return RopeTable(
        round(positions),
        int(dim * _positive(scaling.get("partial_rotary_factor"), partial)),
        kind,
    )


def _scaling_type(scaling: Mapping[str, object]) -> str:
    kind = scaling.get("rope_type") or scaling.get("type")
    return kind if isinstance(kind, str) else ""


def _positive(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return float(value) if 0 < value < _MOST_POSITIONS else default
