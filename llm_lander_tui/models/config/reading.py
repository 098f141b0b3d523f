"""A config under way to an architecture: its fields, its family, and what follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from llm_lander_tui.models.cache import FULL, Span, SpanKind
from llm_lander_tui.models.config.family import Family
from llm_lander_tui.models.config.fields import Fields, refuse

_SAME = {
    "attention": "full_attention",
    "conv": "linear_attention",
    "linear": "linear_attention",
    "mamba": "linear_attention",
}
"""Older words of layer types, and the one for all mixers with a constant state."""


class Reading:
    """One config being read: typed fields, the family of its model type, derived dimensions.

    `outer` is the whole config; `nested` tells that the language model is only a part of it.
    """

    def __init__(
        self,
        model_type: str,
        fields: Fields,
        family: Family,
        outer: Mapping[str, object],
        *,
        nested: bool = False,
    ) -> None:
        self.model_type = model_type
        self.fields = fields
        self.family = family
        self.outer = outer
        self.nested = nested
        self.notes: list[str] = []

    @cached_property
    def hidden(self) -> int:
        return self.fields.positive("hidden_size")

    @cached_property
    def layers(self) -> int:
        return self.family.count(self)

    @cached_property
    def vocab(self) -> int:
        return self.fields.positive("vocab_size")

    @cached_property
    def heads(self) -> int:
        return self.fields.positive("num_attention_heads")

    @cached_property
    def kv_heads(self) -> int:
        found = self.family.kv_heads(self)
        if found > self.heads:
            raise refuse(
                f"num_key_value_heads is {found}, more than the {self.heads} attention heads."
            )
        return found

    @cached_property
    def head_dim(self) -> int:
        stated = self.fields.integer("head_dim", 0)
        if stated:
            return stated
        if self.hidden < self.heads:
            raise refuse(f"a hidden size of {self.hidden} has no room for {self.heads} heads.")
        return self.hidden // self.heads

    @cached_property
    def intermediate(self) -> int:
        """The width of the dense feed-forward part."""
        return self.family.width(self)

    @cached_property
    def window(self) -> int | None:
        """The sliding window in tokens, None when there is none or it is switched off."""
        if not self.fields.flag("use_sliding_window", default=True):
            return None
        return self.fields.optional_integer("sliding_window") or None

    @cached_property
    def layer_types(self) -> tuple[str, ...]:
        """The mixer of each layer by name, as the config lists it or the family's rule gives it."""
        listed = self.fields.names("layer_types") or self.family.pattern(self)
        if len(listed) < self.layers:
            raise refuse(f"the layer types list {len(listed)} of {self.layers} layers.")
        return tuple(_SAME.get(kind, kind) for kind in listed[: self.layers])

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Which earlier tokens each layer looks at."""
        sliding = Span(SpanKind.SLIDING, self.window) if self.window else FULL
        chunk = self.fields.integer("attention_chunk_size", 0)
        chunked = Span(SpanKind.CHUNKED, chunk) if chunk else FULL
        by_type = {"sliding_attention": sliding, "chunked_attention": chunked}
        return tuple(by_type.get(kind, FULL) for kind in self.layer_types)

    @cached_property
    def expert_layers(self) -> tuple[bool, ...]:
        """Which layers are mixtures of experts."""
        if not self.fields.integer("num_experts", 0):
            return (False,) * self.layers
        listed = self.fields.names("mlp_layer_types")
        if listed is not None and len(listed) >= self.layers:
            return tuple(kind in {"sparse", "moe"} for kind in listed[: self.layers])
        return self.family.sparse(self)

    def switch(self, value: bool | str) -> bool:
        """A family's trait: fixed, or the name of the field that says it."""
        return self.fields.flag(value) if isinstance(value, str) else value
