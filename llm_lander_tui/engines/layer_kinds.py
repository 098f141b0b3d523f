"""Layers by kind, and weight bytes by place, each counted once per model and format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.weights import Weights
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.cache import FULL, KvRow, SpanKind
from llm_lander_tui.models.tensors import Part, Tensor
from llm_lander_tui.units import ceil_div


@lru_cache(maxsize=256)
def _kinds(architecture: Architecture) -> tuple[int, ...]:
    """The place of each layer's kind among the architecture's distinct layers."""
    place = {layer: i for i, (layer, _) in enumerate(architecture.layer_groups)}
    return tuple(place[layer] for layer in architecture.layers)


Counts = tuple[tuple[int, int], ...]
"""(kind, how often); a kind is the place of a layer among the architecture's distinct ones."""

Counted = Sequence[tuple[int, Layer, int]]
"""(kind, layer, how often)."""


@lru_cache(maxsize=1024)
def counts(architecture: Architecture, layers: range) -> Counts:
    """How many layers of each kind a range holds."""
    kinds = _kinds(architecture)
    return tuple(sorted(Counter(kinds[layers.start : layers.stop]).items()))


def of_counts(architecture: Architecture, kinds: Counts) -> Counted:
    """The layers themselves with how often each occurs."""
    return [(kind, architecture.layer_groups[kind][0], n) for kind, n in kinds]


def counted(architecture: Architecture, layers: range) -> Counted:
    """(kind, layer, how often) of the layers in a range."""
    return of_counts(architecture, counts(architecture, layers))


@dataclass(frozen=True, slots=True)
class Rows:
    """Cache rows of some layers: `bytes` of a row of all of them, one row every `ratio` tokens.

    At most `window` rows are kept; 0 stands for no window.
    """

    layers: int
    bytes: int
    window: int = 0
    ratio: int = 1

    def held(self, tokens: int) -> int:
        """Rows that a sequence of `tokens` holds."""
        rows = ceil_div(tokens, self.ratio)
        return min(rows, self.window) if self.window else rows


def row_sets(
    layers: Counted, kv: KvFormat, row_bytes: Callable[[Layer, KvRow], int], *, last_missing: bool
) -> tuple[Rows, ...]:
    """The cache rows of layers by span.

    With `last_missing` a window keeps one token less than its size. What a layer keeps beyond its
    window in compressed rows (DeepSeek-V4) is a set of its own.
    """
    found: dict[tuple[int, int], tuple[int, int]] = {}

    def add(window: int, ratio: int, times: int, size: int) -> None:
        count, total = found.get((window, ratio), (0, 0))
        found[window, ratio] = (count + times, total + times * size)

    for _, layer, times in layers:
        for mixer in layer.mixers:
            row = mixer.kv_row
            if row is None:
                continue
            window = 0 if row.span == FULL else row.span.size
            less = last_missing and row.span.kind is SpanKind.SLIDING
            add(window - less, 1, times, row_bytes(layer, row))
            if row.compressed is not None:
                width = row.compressed.dim + row.compressed.indexer_dim
                add(0, row.compressed.ratio, times, kv.k.row_bytes(width))
    return tuple(
        Rows(count, size, window, ratio) for (window, ratio), (count, size) in found.items()
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Weight bytes per layer, before the layers (of which the embedding), and after them."""

    layers: tuple[int, ...]
    before: int
    embedding: int
    after: int


@lru_cache(maxsize=1024)
def places(weights: Weights, layers: int) -> Places:
    """Where the bytes of a model's weights stand."""
    by_layer = weights.by_layer
    outer = [t for t in weights.tensors if t.layer is None]
    after = sum(t.bytes for t in outer if t.tensor.part in (Part.LM_HEAD, Part.NORM))
    return Places(
        tuple(by_layer.get(i, 0) for i in range(layers)),
        by_layer.get(None, 0) - after,
        sum(t.bytes for t in outer if t.tensor.part is Part.EMBEDDING),
        after,
    )


@lru_cache(maxsize=256)
def largest_matrix(architecture: Architecture) -> Tensor | None:
    """The largest weight matrix of a decoder layer."""
    return max(_matrices(architecture), key=lambda t: t.rows * t.columns, default=None)


@lru_cache(maxsize=256)
def widest_side(architecture: Architecture) -> int:
    """The most input or output features of a linear layer of the decoder."""
    return max((max(t.rows, t.columns) for t in _matrices(architecture)), default=0)


def _matrices(architecture: Architecture) -> list[Tensor]:
    groups = architecture.layer_groups
    return [t for layer, _ in groups for t in layer.tensors() if t.linear]
