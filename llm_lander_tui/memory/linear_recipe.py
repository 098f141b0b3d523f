"""Weight formats of Hugging Face checkpoints: linear layers quantised, the rest at 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.formats import BF16, F16, Block
from llm_lander_tui.memory.module_names import NO_MODULES, Modules, module_names
from llm_lander_tui.memory.weights import BlockStorage, Storage, Weights, WeightTensor
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.tensors import Part, Shard, Tensor

KEPT_STEMS = frozenset(
    (
        "ffn_gate_inp", "ffn_gate_inp_shexp", "ssm_ba", "ssm_alpha", "ssm_beta", "ssm_x", "ssm_dt",
        "attn_compressor_kv", "attn_compressor_gate",
        "indexer.compressor_kv", "indexer.compressor_gate", "indexer.proj",
    )
)  # fmt: skip
"""Linear layers that every method leaves at 16 bits: routers, projections of a few rows, and what
compresses or indexes a cache (quant_config=None in vllm/models/deepseek_v4/)."""


def sixteen_bits(architecture: Architecture) -> BlockStorage:
    """The storage of what a recipe leaves unquantised: the checkpoint's own 16-bit type."""
    return BlockStorage(BF16 if architecture.dtype == "bfloat16" else F16)


def assemble(
    architecture: Architecture,
    storage: Callable[[int | None, Tensor], Storage],
    *,
    by_number: bool = False,
) -> Weights:
    """The weights with `storage(layer, tensor)` for each tensor.

    It is asked once for each distinct layer, unless it looks at the layer's number (`by_number`).
    """
    found = [WeightTensor(None, t, storage(None, t)) for t in architecture.outer]
    chosen: dict[Layer, tuple[tuple[Tensor, Storage], ...]] = {}
    for number, layer in enumerate(architecture.layers):
        if by_number or layer not in chosen:
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

    None leaves dense linear layers, expert stacks or the output head at 16 bits. `kept` modules
    stay at 16 bits, `overrides` give modules another storage, the first that holds one.
    """

    name: str
    family: str
    bits: float
    linear: Storage | None
    experts: Storage | None
    head: Storage | None = None
    kept: Modules = NO_MODULES
    overrides: tuple[tuple[Modules, Storage], ...] = ()

    def storages(self, architecture: Architecture) -> Weights:
        """Every tensor of the architecture with its storage."""
        plain = sixteen_bits(architecture)
        return assemble(
            architecture,
            lambda layer, tensor: self._chosen(layer, tensor) or plain,
            by_number=bool(self.kept or self.overrides),
        )

    def _chosen(self, layer: int | None, tensor: Tensor) -> Storage | None:
        if not tensor.linear or tensor.part is Part.TOWER or tensor.name in KEPT_STEMS:
            return None
        if self.kept or self.overrides:
            names = module_names(layer, tensor)
            if self.kept.hold(names):
                return None
            for modules, storage in self.overrides:
                if modules.hold(names):
                    return storage
        if tensor.part is Part.LM_HEAD:
            return self.head
        if tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
            return self.experts
        return self.linear
