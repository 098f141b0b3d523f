"""The caches of llama.cpp: KV cells per device, window caches, recurrent states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp.families import family_of
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.formats import Block, KvFormat
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.cache import Compressed, KvRow, RecurrentState, SpanKind, StateKind
from llm_lander_tui.units import ceil_div, round_up

PADDING = 256
"""llama-context.cpp and llama-kv-cache-iswa.cpp round a stream's cells up to this."""
ALIGNMENT = 128
"""Bytes that tensors in CUDA buffers are aligned to."""
ROW_PADDING = 512
"""Elements that the last row of a quantised tensor is padded to in CUDA memory."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A cache: the cells of each of its streams, for how many sequences.

    `ubatch` is the micro-batch that was asked for, `tokens` what the graph is built for: a multiple
    of the sequences.
    """

    full: int
    streams: int
    sequences: int
    ubatch: int
    tokens: int

    def window(self, size: int) -> int:
        """Cells of a stream's cache for a window of `size` tokens; 0 is no window."""
        if not size:
            return self.full
        shared = self.sequences if self.streams == 1 else 1
        return round_up(min(self.full, size * shared + self.ubatch), PADDING)


def cells_of(total: int, slots: int, options: LlamaCppOptions) -> Cells:
    """The cells for `-c total` tokens in `slots` slots (llama-context.cpp).

    `-c` is rounded up to 256; unified, one stream holds all of it, otherwise each slot's share is
    rounded up to 256.
    """
    padding = options.build.padding[0 if options.uses_flash_attention else 1]
    total = round_up(max(1, total), padding)
    unified = options.kv_unified or slots == 1
    full = total if unified else round_up(total // slots, padding)
    streams = 1 if unified else slots
    ubatch = min(options.ubatch, options.batch, full * streams)
    return Cells(full, streams, slots, ubatch, round_up(ubatch, slots))


def planned_cells(context: int, concurrency: int, options: LlamaCppOptions) -> Cells:
    """The cells for `concurrency` slots of `context` tokens, for a plan.

    The graph's tokens are rounded up to a multiple of the slots, which is less for some numbers of
    slots than for smaller ones. A plan counts the most that any number up to this one takes, so
    that more slots never seem to need less.
    """
    slots = max(1, concurrency)
    cells = cells_of(max(1, context) * slots, slots, options)
    if slots == 1:
        return cells
    widest = _widest_batches(cells.ubatch)
    tokens = max(slots, widest[min(slots, len(widest)) - 1])
    return replace(cells, tokens=tokens)


@lru_cache(maxsize=64)
def _widest_batches(ubatch: int) -> tuple[int, ...]:
    """For 1, 2 … slots the most tokens that a micro-batch is rounded up to by so many or fewer."""
    return tuple(accumulate((round_up(ubatch, n) for n in range(1, ubatch + 1)), max))


@dataclass(frozen=True, slots=True)
class Windows:
    """Which layers keep a window only.

    `apart` tells whether windowed layers have a cache of their own, `cut` whether that is smaller
    than the context (not so with --swa-full).
    """

    apart: bool
    cut: bool

    def cache(self, row: KvRow) -> int:
        """The window of the cache that a row stands in; 0 is that of the other layers."""
        windowed = row.span.kind in {SpanKind.SLIDING, SpanKind.CHUNKED}
        return row.span.size if windowed and self.apart else 0

    def size(self, row: KvRow) -> int:
        """The window that a row's cache is cut to; 0 where it holds the whole context."""
        return self.cache(row) if self.cut else 0


def windows_of(architecture: Architecture, options: LlamaCppOptions) -> Windows:
    """How a build treats the windows of a model."""
    apart = family_of(architecture).windows and options.build.window_cache
    return Windows(apart, not options.swa_full)


def row_bytes(row: KvRow, kv: KvFormat, options: LlamaCppOptions) -> tuple[int, int]:
    """Bytes that a cell and the tensors of one layer as such take: (per cell, once).

    Latent attention caches no values: they are a view of the keys.
    """
    per_cell = once = 0
    for elements, block in _tensors(row, kv, options):
        per_cell += block.row_bytes(elements)
        if block.size > 1 and elements % ROW_PADDING:
            padding = block.row_bytes(ROW_PADDING - elements % ROW_PADDING)
            once += round_up(padding, ALIGNMENT)
    return per_cell, once


def _tensors(row: KvRow, kv: KvFormat, options: LlamaCppOptions) -> list[tuple[int, Block]]:
    tensors = [(row.k_elements, kv.k)]
    if row.v_elements and not row.values_are_keys:
        tensors.append((row.v_elements, kv.v))
    elif row.latent and options.build.latent_values:
        tensors.append((row.k_dim - row.latent_rope_dim, kv.v))
    if row.indexer_dim:
        tensors.append((row.indexer_dim, kv.k))
    return tensors


def unaligned_row(architecture: Architecture, kv: KvFormat) -> str | None:
    """Why the format cannot hold a row of this model; None when it can."""
    for row, _ in architecture.kv_rows:
        for elements, block in ((row.k_elements, kv.k), (row.v_elements, kv.v)):
            if elements % block.size:
                return (
                    f"A cached row of {elements} elements is not a multiple of {block.size}, "
                    f"the block of {block.name}."
                )
    return None


def state_bytes(state: RecurrentState) -> int:
    """Bytes of a layer's recurrent state for one sequence, always 32-bit (llama-hparams.cpp)."""
    columns = 1 if state.kind is StateKind.RWKV else state.conv_kernel - 1
    return 4 * (state.conv_channels * columns + state.recurrent_elements)


def compressor_bytes(compressed: Compressed) -> int:
    """Bytes of a layer's compressor for one sequence: 32-bit keys and weights of a block.

    Ratio 4 keeps two overlapping blocks of twice the width, for its indexer too
    (llama-kv-cache-dsv4.cpp).
    """
    if compressed.ratio > _OVERLAPPING_RATIO:
        return 4 * 2 * compressed.ratio * compressed.dim
    width = compressed.dim + compressed.indexer_dim
    return 4 * 2 * (2 * compressed.ratio) * (2 * width)


_OVERLAPPING_RATIO = 4


@dataclass(frozen=True, slots=True)
class Group:
    """Layers of a device whose caches have as many cells.

    `window` 0 is the whole context, `ratio` cells hold one row of so many tokens. `by_sequence`
    gives each sequence a stream of its own, whatever the slots share (DeepSeek-V4).
    """

    window: int = 0
    ratio: int = 1
    by_sequence: bool = False

    def cells(self, cells: Cells) -> int:
        """Cells of a stream."""
        if self.ratio > 1:
            return round_up(ceil_div(cells.full, self.ratio), PADDING)
        if self.window and self.by_sequence:
            return round_up(min(cells.full, self.window + cells.ubatch), PADDING)
        return cells.window(self.window)

    def streams(self, cells: Cells) -> int:
        """Streams of the cache."""
        return cells.sequences if self.by_sequence else cells.streams


@dataclass(frozen=True, slots=True)
class CachedLayers:
    """How many layers of a group a device holds: their bytes per cell, and once for each stream."""

    group: Group
    layers: int
    per_cell: int
    once: int

    def bytes(self, cells: Cells) -> int:
        """Bytes of their caches."""
        return self.group.cells(cells) * self.group.streams(cells) * self.per_cell + self.once


@dataclass(frozen=True, slots=True)
class DeviceCache:
    """What one device caches: KV by group, and recurrent states."""

    groups: tuple[CachedLayers, ...]
    state_layers: int
    state: int
    """Bytes per sequence of all layers of the device with a state."""

    def kv_bytes(self, cells: Cells, *, windows: bool = True) -> int:
        """Bytes of the KV cache, with or without that of windowed layers."""
        return sum(g.bytes(cells) for g in self.groups if windows or not g.group.window)


@lru_cache(maxsize=256)
def device_caches(
    architecture: Architecture, kv: KvFormat, options: LlamaCppOptions, placement: Placement
) -> dict[int, DeviceCache]:
    """The cache of each device; all in host memory with `--no-kv-offload`."""
    found: dict[int, tuple[dict[Group, list[int]], list[int]]] = {}
    rules = windows_of(architecture, options)
    for layer, placed in zip(architecture.layers, placement.layers, strict=True):
        groups, states = found.setdefault(placed if options.kv_offload else HOST, ({}, [0, 0]))
        for mixer in layer.mixers:
            row = mixer.kv_row
            if row is not None and row.span.kind is not SpanKind.CROSS:
                for group, per_cell, once in _grouped(row, kv, options, rules):
                    sums = groups.setdefault(group, [0, 0, 0])
                    sums[0] += 1
                    sums[1] += per_cell
                    sums[2] += once
                if row.compressed is not None:
                    states[0] += 1
                    states[1] += compressor_bytes(row.compressed)
            if mixer.state is not None:
                states[0] += 1
                states[1] += state_bytes(mixer.state)
    return {
        device: DeviceCache(
            tuple(CachedLayers(group, *sums) for group, sums in groups.items()), *states
        )
        for device, (groups, states) in found.items()
    }


def _grouped(
    row: KvRow, kv: KvFormat, options: LlamaCppOptions, rules: Windows
) -> Iterator[tuple[Group, int, int]]:
    """The caches of a layer: group, bytes per cell, bytes once."""
    compressed = row.compressed
    group = Group(rules.size(row), by_sequence=row.values_are_keys)
    yield (group, *row_bytes(row, kv, options))
    if compressed is not None:
        group = Group(ratio=compressed.ratio, by_sequence=True)
        width = kv.k.row_bytes(compressed.dim)
        if compressed.indexer_dim:
            width += kv.k.row_bytes(compressed.indexer_dim)
        yield group, width, 0
