"""Layer patterns: which layers slide, and which are mixtures of experts, when no list says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_lander_tui.models.config.fields import refuse, shown

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

FULL, SLIDING, CHUNKED = "full_attention", "sliding_attention", "chunked_attention"
LINEAR = "linear_attention"

Pattern = Callable[["Reading"], tuple[str, ...]]
Sparse = Callable[["Reading"], tuple[bool, ...]]


def all_full(reading: Reading) -> tuple[str, ...]:
    """Full attention everywhere."""
    return (FULL,) * reading.layers


def all_sliding(reading: Reading) -> tuple[str, ...]:
    """The window, where there is one, on every layer (Mistral, Phi-3, StarCoder2)."""
    return (SLIDING,) * reading.layers


def sliding_above(reading: Reading) -> tuple[str, ...]:
    """Qwen2: layers from `max_window_layers` on slide."""
    start = reading.fields.integer("max_window_layers", reading.layers)
    return tuple(SLIDING if i >= start else FULL for i in range(reading.layers))


def last_of(period: int, kind: str = SLIDING, field: str = "sliding_window_pattern") -> Pattern:
    """Every `period`-th layer is full, the others `kind`; `field` may state another period."""

    def pattern(reading: Reading) -> tuple[str, ...]:
        signs = reading.fields.get(field)
        if isinstance(signs, str):
            return signed(signs, reading)
        every = reading.fields.integer(field, period)
        if every == 0:
            return (FULL,) * reading.layers
        return tuple(FULL if (i + 1) % every == 0 else kind for i in range(reading.layers))

    return pattern


def signed(signs: str, reading: Reading) -> tuple[str, ...]:
    """EXAONE: a repeated string of L (local, sliding) and G (global)."""
    if not signs or set(signs) - {"L", "G"}:
        raise refuse(f"the sliding-window pattern {shown(signs)} holds other signs than L and G.")
    n = len(signs)
    return tuple(FULL if signs[i % n] == "G" else SLIDING for i in range(reading.layers))


def every_layer(reading: Reading) -> tuple[bool, ...]:
    """Experts everywhere."""
    return (True,) * reading.layers


def after_dense(reading: Reading) -> tuple[bool, ...]:
    """DeepSeek: dense layers first, then experts in every `moe_layer_freq`-th."""
    first = reading.fields.integer("first_k_dense_replace", 0)
    listed = reading.fields.get("moe_layer_freq")
    if isinstance(listed, list):
        freq = reading.fields.per_layer("moe_layer_freq", reading.layers)
        return tuple(bool(flag) for flag in freq)
    every = reading.fields.positive("moe_layer_freq", 1)
    return tuple(i >= first and i % every == 0 for i in range(reading.layers))


def qwen_steps(reading: Reading) -> tuple[bool, ...]:
    """Qwen-MoE: every `decoder_sparse_step`-th layer, but for the `mlp_only_layers`."""
    step = reading.fields.positive("decoder_sparse_step", 1)
    dense = frozenset(reading.fields.integers("mlp_only_layers") or ())
    return tuple(i not in dense and (i + 1) % step == 0 for i in range(reading.layers))


def ernie_steps(reading: Reading) -> tuple[bool, ...]:
    """ERNIE: from `moe_layer_start_index` to the end index, every `moe_layer_interval`-th."""
    fields, n = reading.fields, reading.layers
    start = fields.integer("moe_layer_start_index", 0)
    end = fields.get("moe_layer_end_index")
    last = end if isinstance(end, int) and 0 <= end < n else n - 1
    every = fields.positive("moe_layer_interval", 1)
    return tuple((i + 1) % every == 0 and start <= i <= last for i in range(n))
