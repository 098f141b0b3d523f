"""ggml's graph allocator, replayed: how large a device's compute buffer becomes (ggml-alloc.c).

Tensors are laid one after another into the smallest free block that holds them, in place of a
source that nobody else reads where the operation allows it, and given back after their last use.
The peak is the end of the tensor that lies farthest out. Where it lies is the sum of the sizes
before it, so the replay carries every offset as a `Size` too, and one replay answers for all
questions near the one that it was made with.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import add, mul

from llm_lander_tui.engines.llamacpp.graph import Size
from llm_lander_tui.engines.llamacpp.schedule import Schedule

ALIGNMENT = 128
"""Bytes that tensors in a CUDA buffer are aligned to."""


def evaluate(size: Size, basis: Sequence[int]) -> int:
    """Bytes of a symbolic size."""
    return sum(map(mul, size, basis))


def peaks(plan: Schedule, basis: Sequence[int], devices: int) -> tuple[tuple[Size, ...], ...]:
    """For each device the ends of its tensors: its buffer is as large as the largest of them.

    Ends that another one exceeds in every term are left out.
    """
    heaps = [_Heap() for _ in range(devices)]
    aligned = [-(-evaluate(size, basis) // ALIGNMENT) * ALIGNMENT for size in plan.sizes]
    uses = [0] * len(plan.sizes)
    for _, reads, _ in plan.steps:
        for source in reads:
            uses[source] += 1
    offsets: dict[int, tuple[int, Size]] = {}

    def place(tensor: int) -> None:
        heap = heaps[plan.devices[tensor]]
        offsets[tensor] = heap.allocate(aligned[tensor], plan.sizes[tensor])

    for tensor in plan.first:
        place(tensor)
    for tensor, reads, reuses in plan.steps:
        taken = -1
        if tensor >= 0 and tensor not in offsets:
            if reuses:
                for source in reads:
                    if (
                        uses[source] == 1
                        and plan.sizes[source] == plan.sizes[tensor]
                        and plan.devices[source] == plan.devices[tensor]
                        and source not in plan.kept
                        and source in offsets
                    ):
                        taken = source
                        break
            if taken >= 0:
                offsets[tensor] = offsets.pop(taken)
            else:
                place(tensor)
        for source in reads:
            uses[source] -= 1
            if not uses[source] and source != taken and source not in plan.kept:
                offset, symbolic = offsets.pop(source)
                heaps[plan.devices[source]].free(offset, aligned[source], symbolic)
    return tuple(heap.ends() for heap in heaps)


class _Heap:
    """Free blocks by offset; the last one is endless."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, int, Size]] = []
        self._end = 0
        self._end_size: Size = ()
        self._ends: dict[Size, None] = {}

    def allocate(self, length: int, size: Size) -> tuple[int, Size]:
        """The offset of a new tensor, as bytes and as a size."""
        best = -1
        for i, (_, free, _) in enumerate(self._blocks):
            if free >= length and (best < 0 or free <= self._blocks[best][1]):
                best = i
        if best < 0:
            return self._extend(length, size)
        offset, free, symbolic = self._blocks[best]
        end = _sum(symbolic, size)
        if free == length:
            del self._blocks[best]
        else:
            self._blocks[best] = (offset + length, free - length, end)
        self._ends[end] = None
        return offset, symbolic

    def _extend(self, length: int, size: Size) -> tuple[int, Size]:
        offset, symbolic = self._end, self._end_size or (0,) * len(size)
        self._end += length
        self._end_size = _sum(symbolic, size)
        self._ends[self._end_size] = None
        return offset, symbolic

    def free(self, offset: int, length: int, symbolic: Size) -> None:
        """Give back the block at `offset`, which starts at `symbolic`, merging with neighbours."""
        at = 0
        blocks = self._blocks
        while at < len(blocks) and blocks[at][0] < offset:
            at += 1
        if at and blocks[at - 1][0] + blocks[at - 1][1] == offset:
            at -= 1
            offset, merged, symbolic = blocks.pop(at)
            length += merged
        if at < len(blocks) and offset + length == blocks[at][0]:
            length += blocks.pop(at)[1]
        if offset + length == self._end:
            self._end, self._end_size = offset, symbolic
        else:
            blocks.insert(at, (offset, length, symbolic))

    def ends(self) -> tuple[Size, ...]:
        """The ends that no other one exceeds in every term."""
        found: list[Size] = []
        for end in sorted(self._ends, key=sum, reverse=True):
            if not any(all(a >= b for a, b in zip(f, end, strict=True)) for f in found):
                found.append(end)
        return tuple(found)


def _sum(a: Size, b: Size) -> Size:
    return tuple(map(add, a, b))
