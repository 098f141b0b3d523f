"""How many tokens a model supports, and the rotary tables that engines keep for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import ContextLimit, RopeTable
from llm_lander_tui.units import format_tokens

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading


def context_limit(reading: Reading) -> ContextLimit | None:
    """The model's own limit in tokens, None where no field states one."""
    fields = reading.fields
    limit = fields.integer("max_position_embeddings", 0)
    if not limit:
        return None
    scaling = rope_scaling(reading)
    kind = scaling.get("rope_type") or scaling.get("type")
    why = f"max_position_embeddings is {format_tokens(limit)}"
    if isinstance(kind, str) and kind != "default":
        why += f", RoPE scaling {kind[:20]} included"
    return ContextLimit(limit, why)


def rope_scaling(reading: Reading) -> Mapping[str, object]:
    """The scaling of the full-attention rotary embedding, empty without one."""
    fields = reading.fields
    found = fields.mapping("rope_parameters") or fields.mapping("rope_scaling")
    full = found.get("full_attention")
    return full if isinstance(full, Mapping) else found


def rope_tables(reading: Reading) -> tuple[RopeTable, ...]:
    """The rotary table of the model."""
    limit = reading.fields.integer("max_position_embeddings", 0)
    dim = reading.fields.integer("qk_rope_head_dim", 0) or reading.head_dim
    partial = reading.fields.number("partial_rotary_factor", 1.0)
    return (RopeTable(limit, int(dim * partial)),) if limit else ()
