"""A model as a list of typed layers: what engines, speed and training compute from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from llm_lander_tui.models.cache import KvRow, RecurrentState, SpanKind
from llm_lander_tui.models.tensors import Part, Shard, Tensor


class Mixer(ABC):
    """What mixes tokens in a layer: an attention, latent, linear or state-space kind.

    Kinds are frozen dataclasses; each knows its parameters, what it caches and its work.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """The name that is shown and counted: "full", "sliding", "latent", "mamba2" and so on."""

    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """The weight tensors, each once."""

    @property
    def kv_row(self) -> KvRow | None:
        """What is cached per token; None when the layer owns no KV cache."""
        return None

    @property
    def state(self) -> RecurrentState | None:
        """What is kept per sequence; None when nothing is."""
        return None

    @abstractmethod
    def core_flops(self, context: int) -> int:
        """FLOPs of one token against `context` cached ones, beside its weight matrices."""


class Mlp(ABC):
    """The feed-forward part of a layer: dense, or a mixture of experts."""

    __slots__ = ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """The name that is shown and counted: "dense", "experts"."""

    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """The weight tensors, each once; an expert stack is one tensor with `copies` experts."""

    @property
    @abstractmethod
    def active_elements(self) -> int:
        """Weight elements that one token uses."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer.

    `mixers` is empty where a layer has none (pruned, MLP-only) and holds two where an attention and
    a state-space mixer run in parallel. `others` are norms and what belongs to neither part.
    """

    mixers: tuple[Mixer, ...]
    mlp: Mlp | None
    others: tuple[Tensor, ...] = ()

    def tensors(self) -> tuple[Tensor, ...]:
        """All weight tensors of the layer."""
        mlp = self.mlp.tensors() if self.mlp is not None else ()
        return (*(t for mixer in self.mixers for t in mixer.tensors()), *mlp, *self.others)

    @property
    def kind(self) -> str:
        """The mixers' kinds, joined with "+"; "none" without any."""
        return "+".join(mixer.kind for mixer in self.mixers) or "none"


@dataclass(frozen=True, slots=True)
class ContextLimit:
    """How many tokens the model itself supports, and why.

    `trained` is what it was trained or extended to; `extended` is what a RoPE scaling that the
    model's authors document, but do not switch on, would allow (None when there is none).
    """

    trained: int
    why: str
    extended: int | None = None


@dataclass(frozen=True, eq=False)
class Architecture:
    """A decoder model, layer by layer. Compared by identity: one is made per loaded model.

    `outer` are the tensors outside the layers (embedding, head, final norm, towers, projectors).
    `mtp` are multi-token-prediction layers, outside the count of parameters as published by the
    model's own library; engines load them only for speculative decoding.
    """

    model_type: str
    hidden_size: int
    vocab_size: int
    layers: tuple[Layer, ...]
    outer: tuple[Tensor, ...]
    context_limit: ContextLimit | None
    tied_embeddings: bool
    dtype: str = "bfloat16"
    """The number format that the checkpoint states: float32, float16, bfloat16."""
    mtp: tuple[Layer, ...] = ()
    mtp_outer: tuple[Tensor, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know: "unknown type planned as …"."""
    rope: tuple[RopeTable, ...] = ()
    stored_head: bool = False
    """The checkpoint stores an output head although its config ties it to the embedding."""

    @cached_property
    def layer_groups(self) -> tuple[tuple[Layer, int], ...]:
        """Distinct layers with how often each occurs, in order of first occurrence."""
        # Equal layers are mostly one object, so that few of them have to be hashed in depth.
        counts = Counter(map(id, self.layers))
        by_id = {id(layer): layer for layer in self.layers}
        groups: Counter[Layer] = Counter()
        for key, count in counts.items():
            groups[by_id[key]] += count
        return tuple(groups.items())

    @cached_property
    def parameters(self) -> int:
        """Elements of all tensors, each once, without multi-token-prediction layers."""
        return sum(self.parts.values())

    @cached_property
    def parts(self) -> dict[Part, int]:
        """Elements by part."""
        parts: Counter[Part] = Counter(dict.fromkeys(Part, 0))
        for tensor in self.outer:
            parts[tensor.part] += tensor.parameters
        for layer, count in self.layer_groups:
            for tensor in layer.tensors():
                parts[tensor.part] += count * tensor.parameters
        return dict(parts)

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that a text token uses: no idle routed experts, no vision or audio towers."""
        idle = self.parts[Part.TOWER]
        for layer, count in self.layer_groups:
            if layer.mlp is not None:
                every = sum(t.parameters for t in layer.mlp.tensors())
                idle += count * (every - layer.mlp.active_elements)
        return self.parameters - idle

    @cached_property
    def routes_experts(self) -> bool:
        """Whether any layer is a mixture of routed experts."""
        shards = (t.shard for layer, _ in self.layer_groups for t in layer.tensors())
        return any(shard in (Shard.EXPERTS, Shard.EXPERTS_ROW) for shard in shards)

    @cached_property
    def kv_rows(self) -> tuple[tuple[KvRow, int], ...]:
        """Distinct KV rows with how many layers own one."""
        rows: Counter[KvRow] = Counter()
        for layer, count in self.layer_groups:
            for mixer in layer.mixers:
                if mixer.kv_row is not None:
                    rows[mixer.kv_row] += count
        return tuple(rows.items())

    @cached_property
    def states(self) -> tuple[tuple[RecurrentState, int], ...]:
        """Distinct recurrent states with how many layers keep one."""
        states: Counter[RecurrentState] = Counter()
        for layer, count in self.layer_groups:
            for mixer in layer.mixers:
                if mixer.state is not None:
                    states[mixer.state] += count
        return tuple(states.items())

    @property
    def kv_bytes_per_token(self) -> int:
        """KV cache bytes per text token at 16 bits, all layers, without any window."""
        return 2 * sum(
            count * row.elements
            for row, count in self.kv_rows
            if row.span.kind is not SpanKind.CROSS
        )

    @property
    def state_bytes_per_sequence(self) -> int:
        """Recurrent state per sequence: 16-bit convolution columns, FP32 recurrence (kv.csv)."""
        return sum(
            count * (2 * state.conv_channels * state.conv_kernel + 4 * state.recurrent_elements)
            for state, count in self.states
        )


@dataclass(frozen=True, slots=True)
class RopeTable:
    """A rotary embedding: `positions` rows of `dim` rotated elements (engines keep cos, sin)."""

    positions: int
    dim: int
    scaling: str = ""
    """The scaling's type as the config names it ("llama3", "yarn"); empty without one."""
