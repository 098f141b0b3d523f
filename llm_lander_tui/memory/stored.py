"""A weight format as stored: every tensor that the files' headers list, with its own bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from llm_lander_tui.formats import GGML_TYPE_BY_NAME
from llm_lander_tui.memory.gguf_tensors import gguf_tensors
from llm_lander_tui.memory.module_names import canonical
from llm_lander_tui.memory.weights import (
    BlockStorage,
    Recipe,
    Storage,
    Weights,
    WeightTensor,
    weights_of,
)
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.model import StoredTensor
from llm_lander_tui.models.tensors import Part, Tensor
from llm_lander_tui.units import ceil_div

_GGUF_NAME = re.compile(r"(?:blk\.(\d+)\.)?(.+?)(?:\.(weight|bias))?")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
_EXPERT = re.compile(r"(?<=\.experts\.)\d+\.")
_COMPANIONS = frozenset((
    "weight", "bias", "qweight", "qzeros", "scales", "g_idx", "weight_scale", "weight_scale_inv",
    "weight_scale_2", "weight_packed", "weight_shape", "weight_zero_point", "weight_g_idx",
    "weight_global_scale", "input_scale", "output_scale", "input_global_scale", "k_scale",
    "v_scale", "SCB", "weight_format", "trellis", "suh", "svh", "mcg", "mul1", "W_q", "zero",
    "scale", "meta",
    "q_weight", "q_scale", "q_scale_max", "q_groups", "q_group_map", "q_invperm", "q_perm",
))  # fmt: skip
"""What the tensors of one module are called, by method."""
_FUSED_COMPANIONS = ("_blocks", "_scales", "_bias")
"""The same for gpt-oss's fused experts ("gate_up_proj_blocks")."""
_TOWERS = ("vision", "visual", "audio", "projector", "mtp.", "multi_modal")


@dataclass(frozen=True, slots=True)
class StoredStorage:
    """A matrix of `elements` elements that takes `bytes` bytes in the files, scales included."""

    name: str
    bytes: int
    elements: int

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """The share of the stored bytes that `rows` x `columns` elements have."""
        return ceil_div(self.bytes * rows * columns, max(self.elements, 1))


@dataclass(frozen=True, eq=False)
class StoredRecipe:
    """What a checkpoint holds, tensor by tensor. Compared by identity: one is made per model.

    `stated` is the recipe that the checkpoint's config states, for Hugging Face's files; without
    one the tensors are those of a GGUF file. Where both agree on the bytes of a tensor, it has the
    stated storage, which knows how parts of a matrix are laid out.
    """

    name: str
    bits: float
    tensors: tuple[StoredTensor, ...]
    stated: Recipe | None = None

    @property
    def family(self) -> str:
        return "gguf" if self.stated is None else self.stated.family

    def storages(self, architecture: Architecture) -> Weights:
        """The stored tensors that belong to the architecture, layers in order."""
        if self.stated is None:
            found = _gguf_weights(architecture, self.tensors)
        else:
            stated = weights_of(architecture, self.stated)
            found = _module_weights(architecture, self.tensors, stated)
        return Weights(tuple(sorted(found, key=lambda w: -1 if w.layer is None else w.layer)))


def _gguf_weights(
    architecture: Architecture, stored: Iterable[StoredTensor]
) -> Iterable[WeightTensor]:
    """The tensors of a GGUF file; layers beyond the architecture's are multi-token prediction."""
    known = {entry.name: entry.tensor for entry in gguf_tensors(architecture)}
    count = len(architecture.layers)
    for tensor in stored:
        match = _GGUF_NAME.fullmatch(tensor.name)
        layer = int(match[1]) if match and match[1] else None
        if layer is not None and layer >= count:
            continue
        elements, columns = prod(tensor.shape), tensor.shape[-1] if tensor.shape else 1
        block = GGML_TYPE_BY_NAME.get(tensor.type.upper())
        model = known.get(tensor.name)
        # The file may fold dimensions otherwise, which only blocks along the rows would notice.
        alike = block is not None and (block.size == 1 or (model and model.columns == columns))
        if model is not None and model.elements == elements and alike:
            kept = model
        else:
            stem, bias = (match[2], match[3] == "bias") if match else (tensor.name, False)
            part = model.part if model is not None else Part.OTHER
            rows = elements // max(columns, 1)
            kept = Tensor(stem, stem, part, rows, columns, linear=rows > 1, bias=bias)
        storage: Storage
        if block is not None:
            storage = BlockStorage(block)
        else:
            storage = StoredStorage(tensor.type, tensor.bytes, elements)
        yield WeightTensor(layer, kept, storage)


@dataclass(slots=True)
class _Module:
    """The stored tensors of one module, added up."""

    bytes: int = 0
    elements: int = 0
    type: str = ""
    largest: int = 0

    def add(self, tensor: StoredTensor) -> None:
        self.bytes += tensor.bytes
        self.elements += prod(tensor.shape)
        if tensor.bytes > self.largest:
            self.type, self.largest = tensor.type, tensor.bytes


def _module_weights(
    architecture: Architecture, stored: Iterable[StoredTensor], stated: Weights
) -> Iterable[WeightTensor]:
    """The tensors of safetensors files by module, the experts of a layer as stacks."""
    modules: dict[_Place, _Module] = {}
    count = len(architecture.layers)
    for tensor in stored:
        place = _place(tensor.name)
        if place.layer is not None and place.layer >= count:
            continue
        modules.setdefault(place, _Module()).add(tensor)
    if architecture.tied_embeddings:
        modules.pop(_Place(None, "lm_head"), None)
    known: dict[_Place, list[WeightTensor]] = {}
    for weight in stated.tensors:
        module, bias = weight.tensor.module, weight.tensor.bias
        place = _Place(
            weight.layer, module if weight.layer is not None else canonical(module), bias
        )
        known.setdefault(place, []).append(weight)
    for place, found in modules.items():
        weights = [w for same in _same(place) for w in known.get(same, ())]
        if weights and sum(w.bytes for w in weights) == found.bytes:
            yield from weights
        elif weights:
            elements = sum(w.tensor.elements for w in weights)
            for w in weights:
                storage = StoredStorage(w.storage.name, found.bytes, elements)
                yield WeightTensor(w.layer, w.tensor, storage)
        else:
            part = Part.TOWER if place.layer is None else Part.OTHER
            other = Tensor(place.module, place.module, part, 1, found.elements, linear=False)
            storage = StoredStorage(found.type, found.bytes, found.elements)
            yield WeightTensor(place.layer, other, storage)


class _Place(NamedTuple):
    """A module of a layer (None: outside the layers), or its bias."""

    layer: int | None
    module: str
    bias: bool = False


def _place(name: str) -> _Place:
    """Where a stored tensor belongs, expert numbers left out."""
    module, _, last = name.rpartition(".")
    if last not in _COMPANIONS:
        module = _module_of(name)
    bias = last == "bias" or last.endswith("_proj_bias")
    match = _LAYER.search(module)
    if match is None or any(part in name for part in _TOWERS):
        return _Place(None, canonical(module), bias)
    inside = module[match.end() :]
    return _Place(int(match[1]), _EXPERT.sub("", inside) if "experts" in inside else inside, bias)


def _module_of(name: str) -> str:
    """The module of a tensor whose name does not end in a companion's."""
    module, found, _ = name.partition(".weight.")
    if found:
        return module
    for companion in _FUSED_COMPANIONS:
        if name.endswith(f"_proj{companion}"):
            return name.removesuffix(companion)
    return name


_PARTS_OF = {
    "gate_up_proj": ("gate_proj", "up_proj"),
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "w1": ("gate_proj",),
    "w2": ("down_proj",),
    "w3": ("up_proj",),
}
"""Modules that some checkpoints fuse or call otherwise."""


def _same(place: _Place) -> Iterable[_Place]:
    """The places that a stored module may have in the architecture."""
    yield place
    above, _, last = place.module.rpartition(".")
    for part in _PARTS_OF.get(last, ()):
        yield place._replace(module=f"{above}.{part}")
