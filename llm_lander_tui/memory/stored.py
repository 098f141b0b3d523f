"""A weight format as stored: every tensor that the files' headers list, with its own bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from llm_lander_tui.formats import GGML_TYPE_BY_NAME
from llm_lander_tui.memory.gguf_tensors import gguf_tensors
from llm_lander_tui.memory.module_names import canonical
from llm_lander_tui.memory.weights import BlockStorage, Storage, Weights, WeightTensor
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.model import StoredTensor
from llm_lander_tui.models.tensors import Part, Tensor
from llm_lander_tui.units import ceil_div

_GGUF_NAME = re.compile(r"(?:blk\.(\d+)\.)?(.+?)(?:\.(weight|bias))?")
_HF_LAYER = re.compile(r"(?:.*\.)?(?:layers|h|blocks)\.(\d+)\.(.+)")
_EXPERT = re.compile(r"(?<=\.experts\.)\d+\.")
_SUFFIX = re.compile(
    r"\.(?:weight|bias|qweight|qzeros|scales|g_idx|weight_scale(?:_inv|_2)?|weight_packed"
    r"|weight_shape|weight_zero_point|weight_g_idx|weight_global_scale|input_scale|output_scale"
    r"|input_global_scale|[kv]_scale|SCB|weight_format|weight\..+|trellis|suh|svh|mcg|mul1"
    r"|q_\w+|W_q|zero|scale|meta)$|(?<=_proj)_(?:blocks|scales|bias)$"
)


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

    The family "gguf" has ggml's tensor names, every other one Hugging Face's.
    """

    name: str
    family: str
    bits: float
    tensors: tuple[StoredTensor, ...]

    def storages(self, architecture: Architecture) -> Weights:
        """The stored tensors that belong to the architecture, layers in order."""
        found = (
            _gguf_weights(architecture, self.tensors)
            if self.family == "gguf"
            else _module_weights(architecture, self.tensors)
        )
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
    architecture: Architecture, stored: Iterable[StoredTensor]
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
    known = _by_place(architecture)
    for place, found in modules.items():
        tensors = [t for same in _same(place) for t in known.get(same, ())]
        if not tensors:
            part = Part.TOWER if place.layer is None else Part.OTHER
            tensors = [Tensor(place.module, place.module, part, 1, found.elements, linear=False)]
        name = _TYPES.get(found.type, found.type.lower())
        storage = StoredStorage(name, found.bytes, sum(t.elements for t in tensors))
        yield from (WeightTensor(place.layer, t, storage) for t in tensors)


_TYPES: Mapping[str, str] = {"F8_E4M3": "fp8", "F8_E5M2": "fp8"}


class _Place(NamedTuple):
    """A module of a layer (None: outside the layers), or its bias."""

    layer: int | None
    module: str
    bias: bool = False


def _place(name: str) -> _Place:
    """Where a stored tensor belongs, expert numbers left out."""
    module = _SUFFIX.sub("", name)
    bias = name.endswith((".bias", "_proj_bias"))
    match = _HF_LAYER.fullmatch(module)
    if match is None or _is_tower(name):
        return _Place(None, canonical(module), bias)
    return _Place(int(match[1]), _EXPERT.sub("", match[2]), bias)


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


def _is_tower(name: str) -> bool:
    return any(
        part in name for part in ("vision", "visual", "audio", "projector", "mtp.", "multi_modal")
    )


def _by_place(architecture: Architecture) -> dict[_Place, list[Tensor]]:
    """The architecture's tensors by where they are."""
    found: dict[_Place, list[Tensor]] = {}
    for tensor in architecture.outer:
        found.setdefault(_Place(None, canonical(tensor.module), tensor.bias), []).append(tensor)
    for number, layer in enumerate(architecture.layers):
        for tensor in layer.tensors():
            found.setdefault(_Place(number, tensor.module, tensor.bias), []).append(tensor)
    return found
