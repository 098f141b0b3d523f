"""Weight formats of Hugging Face checkpoints: linear layers quantised, the rest at 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.formats import BF16, F16, Block
from llm_lander_tui.memory.weights import BlockStorage, Storage, Weights, WeightTensor
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.tensors import Part, Shard, Tensor

KEPT_STEMS = frozenset(
    ("ffn_gate_inp", "ffn_gate_inp_shexp", "ssm_beta_alpha", "ssm_alpha", "ssm_beta", "ssm_x")
)
"""Linear layers that every method leaves at 16 bits: routers and projections of a few rows."""


def sixteen_bits(architecture: Architecture) -> BlockStorage:
    """The storage of what a recipe leaves unquantised: the checkpoint's own 16-bit type."""
    return BlockStorage(BF16 if architecture.dtype == "bfloat16" else F16)


def assemble(
    architecture: Architecture, storage: Callable[[int | None, Tensor], Storage]
) -> Weights:
    """The weights with `storage(layer, tensor)` chosen once for each distinct layer."""
    found = [WeightTensor(None, t, storage(None, t)) for t in architecture.outer]
    chosen: dict[Layer, tuple[tuple[Tensor, Storage], ...]] = {}
    for number, layer in enumerate(architecture.layers):
        if layer not in chosen:
            chosen[layer] = tuple((t, storage(number, t)) for t in layer.tensors())
        found += (WeightTensor(number, t, s) for t, s in chosen[layer])
    return Weights(tuple(found))


@dataclass(frozen=True, slots=True)
class PlainRecipe:
    """Every parameter in one number format."""

    name: str
    block: Block
    family: str = "plain"

    @property
    def bits(self) -> float:
        return self.block.bits

    def storages(self, architecture: Architecture) -> Weights:
        """Every tensor of the architecture in the format."""
        storage = BlockStorage(self.block)
        return assemble(architecture, lambda *_: storage)


@dataclass(frozen=True, slots=True)
class LinearRecipe:
    """Linear layers by `linear`, `experts` and `head`, everything else at 16 bits.

    None leaves dense linear layers, expert stacks or the output head at 16 bits.
    """

    name: str
    family: str
    bits: float
    linear: Storage | None
    experts: Storage | None
    head: Storage | None = None

    def storages(self, architecture: Architecture) -> Weights:
        """Every tensor of the architecture with its storage."""
        kept = sixteen_bits(architecture)
        return assemble(architecture, lambda _, tensor: self._chosen(tensor) or kept)

    def _chosen(self, tensor: Tensor) -> Storage | None:
        if tensor.part is Part.LM_HEAD:
            return None if tensor.bias else self.head
        if not tensor.linear or tensor.part is Part.TOWER or tensor.name in KEPT_STEMS:
            return None
        if tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
            return self.experts
        return self.linear
