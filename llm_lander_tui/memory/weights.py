"""Weights in a format, tensor by tensor: what a recipe makes of an architecture.

A weight format is a `Recipe`: it gives every tensor a `Storage`, and a storage knows the bytes of a
matrix. Sharding, offload and totals are sums over the tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from llm_lander_tui.formats import Block
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.tensors import Tensor


class Storage(Protocol):
    """How one matrix is stored."""

    @property
    def name(self) -> str: ...

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """Bytes of `rows` x `columns` elements, with scales and zero points."""
        ...


@dataclass(frozen=True, slots=True)
class BlockStorage:
    """Rows of blocks: plain number formats and ggml types."""

    block: Block

    @property
    def name(self) -> str:
        return self.block.name

    def matrix_bytes(self, rows: int, columns: int) -> int:
        return rows * self.block.row_bytes(columns)


class Recipe(Protocol):
    """A weight format by name: which storage each tensor gets.

    `family` groups formats by who can run them: "plain", "gguf", "gptq", "awq", "fp8", "int8",
    "bnb", "mxfp4", "nvfp4", "compressed-tensors", "hqq", "exl2", "exl3", "torchao", "quanto",
    "bitnet", or the name of a method that only its headers are known of. `bits` is the nominal
    number of bits of a quantised weight, for sorting by quality.
    """

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def bits(self) -> float: ...

    def storages(self, architecture: Architecture) -> Weights:
        """Every tensor of the architecture with its storage. Cached by the caller."""
        ...


@dataclass(frozen=True, slots=True)
class WeightTensor:
    """A tensor with its storage; `layer` is None outside the layers."""

    layer: int | None
    tensor: Tensor
    storage: Storage

    @property
    def bytes(self) -> int:
        return self.tensor.copies * self.storage.matrix_bytes(self.tensor.rows, self.tensor.columns)


@dataclass(frozen=True, eq=False)
class Weights:
    """All weight tensors of a model in one format, layers in order, MTP layers left out."""

    tensors: tuple[WeightTensor, ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each tensor; equal layers share tensor and storage, whose sum is done once."""
        known: dict[tuple[int, int], int] = {}
        found = []
        for t in self.tensors:
            key = id(t.tensor), id(t.storage)
            size = known.get(key)
            if size is None:
                size = known[key] = t.bytes
            found.append(size)
        return tuple(found)

    @cached_property
    def bytes(self) -> int:
        """Bytes of the tensor data."""
        return sum(self.sizes)

    @cached_property
    def by_layer(self) -> dict[int | None, int]:
        """Bytes by layer; None is everything outside the layers."""
        found: dict[int | None, int] = {}
        for t, size in zip(self.tensors, self.sizes, strict=True):
            found[t.layer] = found.get(t.layer, 0) + size
        return found


@lru_cache(maxsize=1024)
def weights_of(architecture: Architecture, recipe: Recipe) -> Weights:
    """The weights of an architecture by a recipe (recipes are hashable values)."""
    return recipe.storages(architecture)
