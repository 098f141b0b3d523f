"""Layers by kind, and weight bytes by place, each counted once per model and format."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from llm_lander_tui.memory.weights import Weights
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.tensors import Part, Tensor


@lru_cache(maxsize=256)
def _kinds(architecture: Architecture) -> tuple[int, ...]:
    """The place of each layer's kind among the architecture's distinct layers."""
    place = {layer: i for i, (layer, _) in enumerate(architecture.layer_groups)}
    return tuple(place[layer] for layer in architecture.layers)


def counted(architecture: Architecture, layers: range) -> list[tuple[int, Layer, int]]:
    """(kind, layer, how often) of the layers in a range; a kind is a number for caches."""
    kinds = _kinds(architecture)
    if len(layers) == len(kinds):
        return [(i, x, n) for i, (x, n) in enumerate(architecture.layer_groups)]
    found = Counter(kinds[layers.start : layers.stop])
    return [(kind, architecture.layer_groups[kind][0], n) for kind, n in sorted(found.items())]


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
