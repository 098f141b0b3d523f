"""PyTorch's CUDA caching allocator: what it takes from the driver for tensors of given sizes.

Rules of c10/cuda/CUDACachingAllocator.cpp at its default settings: sizes are rounded to 512 bytes;
up to 1 MiB come from segments of 2 MiB, up to 10 MiB from segments of 20 MiB, larger ones get a
segment rounded to 2 MiB; the smallest free block that is large enough is taken, and split when what
remains is usable (512 bytes in the small pool, more than 1 MiB in the large one). A block that is
not split counts as allocated in full.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Generic, TypeVar

from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.sharding import shard_bytes
from llm_lander_tui.memory.storage import ScaledStorage
from llm_lander_tui.memory.weights import Weights, WeightTensor
from llm_lander_tui.models.tensors import Part
from llm_lander_tui.units import KIB, MIB, ceil_div, round_up

ROUNDING = 512
SMALL = MIB
SMALL_SEGMENT = 2 * MIB
MEDIUM = 10 * MIB
MEDIUM_SEGMENT = 20 * MIB
LARGE_ROUNDING = 2 * MIB

CUBLAS_WORKSPACE = 8320 * KIB
"""cuBLAS workspace of a handle, from the caching allocator (":4096:2:16:8" in
aten/src/ATen/cuda/CublasHandlePool.cpp)."""
CUBLAS_WORKSPACE_HOPPER = 32 * MIB
"""The same on compute capability 9.0 and newer."""


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes as PyTorch counts them: `allocated` to tensors, `reserved` from the driver."""

    allocated: int
    reserved: int


def held(sizes: Iterable[int]) -> Held:
    """What tensors of `sizes` bytes, allocated in this order and kept, take."""
    free_small: list[int] = []
    free_large: list[int] = []
    allocated = reserved = 0
    for size in sizes:
        if size <= 0:
            continue
        wanted = round_up(size, ROUNDING)
        small = wanted <= SMALL
        free = free_small if small else free_large
        at = bisect_left(free, wanted)
        if at < len(free):
            block = free.pop(at)
        else:
            block = _segment(wanted)
            reserved += block
        rest = block - wanted
        if rest >= ROUNDING if small else rest > SMALL:
            insort(free, rest)
            block = wanted
        allocated += block
    return Held(allocated, reserved)


def _segment(wanted: int) -> int:
    if wanted <= SMALL:
        return SMALL_SEGMENT
    return MEDIUM_SEGMENT if wanted < MEDIUM else round_up(wanted, LARGE_ROUNDING)


@lru_cache(maxsize=1024)
def weights_held(weights: Weights, layers: range, *, outer: bool) -> Held:
    """What the weights of `layers`, and with `outer` all others, take when loaded one by one.

    An expert stack is one tensor.
    """
    pieces = _Once(_pieces)
    return held(
        piece
        for t in weights.tensors
        if (outer if t.layer is None else t.layer in layers)
        for piece in pieces(t)
    )


T = TypeVar("T")


class _Once(Generic[T]):
    """A function of a weight tensor, called once for those that share shape and storage objects.

    Layers of one kind share them, so that most tensors of a model are seen before.
    """

    def __init__(self, function: Callable[[WeightTensor], T]) -> None:
        self._function = function
        self._found: dict[tuple[int, int], T] = {}

    def __call__(self, weight: WeightTensor) -> T:
        key = (id(weight.tensor), id(weight.storage))
        if key not in self._found:
            self._found[key] = self._function(weight)
        return self._found[key]


def _pieces(weight: WeightTensor) -> tuple[int, ...]:
    """Bytes of the tensors that a framework holds for one matrix: values, scales, zero points."""
    tensor, storage = weight.tensor, weight.storage
    if not isinstance(storage, ScaledStorage) or tensor.copies > 1:
        return (weight.bytes,)
    rows, columns = tensor.rows, tensor.columns
    values = ceil(rows * columns * storage.bits / 8)
    wide = ceil_div(columns, storage.block_columns) if storage.block_columns else 1
    zeros = wide * 4 * ceil_div(rows * storage.zero_bits, 32)
    index = columns * storage.per_column
    return (values, index, zeros, weight.bytes - values - zeros - index)


FUSED = {"attn_q": "qkv", "attn_k": "qkv", "attn_v": "qkv", "ffn_gate": "up", "ffn_up": "up"}
"""Matrices that serving engines load into one (merged column-parallel layers)."""


def rank_pieces(
    weights: Weights, degrees: Degrees, layers: range, first: bool, last: bool
) -> list[int]:
    """Bytes of the tensors that one rank of a serving engine holds, in order of loading.

    Query, key and value are one tensor, gate and up another; `first` and `last` tell whether the
    rank's stage holds the embedding and the head.
    """
    found: list[int] = []
    fused: dict[tuple[int, str], int] = {}
    sizes = _Once(lambda weight: shard_bytes(weight, degrees))
    for t in weights.tensors:
        size = sizes(t)
        if t.layer is None:
            at_end = t.tensor.part in (Part.LM_HEAD, Part.NORM)
            if last if at_end else first:
                found.append(size)
        elif t.layer in layers:
            name = FUSED.get(t.tensor.name) if t.tensor.linear else None
            if name is None:
                found.append(size)
            elif (t.layer, name) in fused:
                found[fused[t.layer, name]] += size
            else:
                fused[t.layer, name] = len(found)
                found.append(size)
    return found


@lru_cache(maxsize=1024)
def rank_waste(weights: Weights, degrees: Degrees, layers: range, first: bool, last: bool) -> int:
    """Bytes of segments that those tensors leave unused."""
    pieces = rank_pieces(weights, degrees, layers, first, last)
    return max(0, held(pieces).reserved - sum(pieces))


def cublas_workspace(gpu: Gpu) -> int:
    """Bytes of the workspace that the first matrix product allocates."""
    hopper = gpu.capability is not None and gpu.capability >= (9, 0)
    return CUBLAS_WORKSPACE_HOPPER if hopper else CUBLAS_WORKSPACE
