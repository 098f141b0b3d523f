"""The compute buffers: the working memory of one micro-batch, by replaying its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from llm_lander_tui.engines.llamacpp.blocks import WeightBytes
from llm_lander_tui.engines.llamacpp.cache import PADDING, Cells
from llm_lander_tui.engines.llamacpp.graph import ROWS, TOKENS, Size
from llm_lander_tui.engines.llamacpp.model_graph import ModelGraph, build_graph
from llm_lander_tui.engines.llamacpp.options import FlashAttention, LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.engines.llamacpp.replay import evaluate, peaks
from llm_lander_tui.engines.llamacpp.schedule import Schedule, schedule
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.models.architecture import Architecture

PIPELINE_COPIES = 4
"""Copies of what crosses devices under pipeline parallelism (GGML_SCHED_MAX_COPIES)."""
STREAMED_FROM = 32
"""Columns of a batch from which the GPU computes operations whose weights are in host memory."""


Ends = tuple[tuple[Size, ...], ...]
"""For each GPU, and the host last, the ends of its tensors."""


@dataclass(frozen=True, slots=True)
class Working:
    """Compute bytes of the GPUs and of the host."""

    devices: tuple[int, ...]
    host: int


class ComputeModel:
    """The compute buffers of a model on its devices, as a function of the cells."""

    def __init__(
        self,
        architecture: Architecture,
        kv: KvFormat,
        options: LlamaCppOptions,
        placement: Placement,
        *,
        gpus: int,
        host_weights: WeightBytes,
    ) -> None:
        self._options = options
        self._placement = placement
        self._gpus = gpus
        self._model: ModelGraph = build_graph(
            architecture, kv, options, placement, host=gpus, host_weights=host_weights
        )
        self.known = self._model.known
        self._streams_weights = options.op_offload and bool(host_weights)
        self._schedules: dict[frozenset[int], Schedule] = {}
        self._levels: dict[int, Ends] = {}
        self._below: dict[tuple[int, ...], tuple[int, ...]] = {}

    def exact(self, cells: Cells) -> Working:
        """Bytes per GPU and in host memory, as this very start would allocate them."""
        basis = self._basis(cells)
        return _working(_largest(self._replay(basis), basis))

    def planned(self, cells: Cells) -> Working:
        """The same, never less than for fewer cells, tokens or sequences.

        Where a tensor finds room hangs on the sizes of all others, so that a real buffer may shrink
        a little as the context grows. A plan evaluates the ends of replays that were made at powers
        of four of the cells, and counts at least what the largest context below each power takes.
        """
        return _working(self._planned(cells))

    def planned_devices(self, cells: Cells) -> tuple[int, ...]:
        """Of `planned`, the bytes per GPU."""
        return self._planned(cells)[:-1]

    def _planned(self, cells: Cells) -> tuple[int, ...]:
        level = max(0, (cells.full // PADDING).bit_length() - 1) // 2
        here = _largest(self._level(level), self._basis(cells))
        return tuple(map(max, here, self._at_most_below(level, cells))) if level else here

    def _at_most_below(self, level: int, cells: Cells) -> tuple[int, ...]:
        """The most that a context below this level takes, all else equal."""
        key = (level, cells.tokens, cells.sequences, cells.streams, cells.ubatch)
        found = self._below.get(key)
        if found is None:
            top = replace(cells, full=PADDING * 4**level - PADDING)
            found = _largest(self._level(level - 1), self._basis(top))
            if level > 1:
                found = tuple(map(max, found, self._at_most_below(level - 1, top)))
            self._below[key] = found
        return found

    def _level(self, level: int) -> Ends:
        """The ends of a replay for one sequence in the smallest cache of a level."""
        if level not in self._levels:
            tokens = min(self._options.ubatch, self._options.batch)
            cells = Cells(PADDING * 4**level, 1, 1, tokens, tokens)
            self._levels[level] = self._replay(self._basis(cells))
        return self._levels[level]

    def _replay(self, basis: Sequence[int]) -> Ends:
        return peaks(self._schedule(basis), basis, self._gpus + 1)

    def _basis(self, cells: Cells) -> tuple[int, ...]:
        tokens = cells.tokens
        rows = tokens if self._options.build.logits_of_batch else cells.sequences
        found = [1, tokens, rows, cells.sequences]
        for window in self._model.windows:
            n = cells.window(window)
            found += [n * tokens, n * cells.streams]
        return tuple(found)

    def _schedule(self, basis: Sequence[int]) -> Schedule:
        offloaded = frozenset(
            place
            for place in (TOKENS, ROWS)
            if self._streams_weights and basis[place] >= STREAMED_FROM
        )
        if offloaded not in self._schedules:
            copies = PIPELINE_COPIES if self._placement.pipelined else 1
            self._schedules[offloaded] = schedule(self._model.graph, self._gpus, offloaded, copies)
        return self._schedules[offloaded]


def _largest(ends: Ends, basis: Sequence[int]) -> tuple[int, ...]:
    return tuple([max([evaluate(end, basis) for end in device], default=0) for device in ends])


def _working(sizes: tuple[int, ...]) -> Working:
    return Working(sizes[:-1], sizes[-1])


def offloaded_compute(
    architecture: Architecture,
    kv: KvFormat,
    options: LlamaCppOptions,
    placement: Placement,
    gpus: int,
) -> ComputeModel:
    """The compute buffers with all weights on GPUs.

    Every weight format shares them, and every server whose options make the same graph.
    """
    tokens = min(options.ubatch, options.batch)
    of_graph = LlamaCppOptions(
        ubatch=tokens,
        batch=tokens,
        flash_attention=FlashAttention.ON if options.uses_flash_attention else FlashAttention.OFF,
        cpu_moe_layers=options.cpu_moe_layers,
        swa_full=options.swa_full,
        kv_offload=options.kv_offload,
        build=options.build,
    )
    return _offloaded(architecture, kv, of_graph, placement, gpus)


@lru_cache(maxsize=256)
def _offloaded(
    architecture: Architecture,
    kv: KvFormat,
    options: LlamaCppOptions,
    placement: Placement,
    gpus: int,
) -> ComputeModel:
    return ComputeModel(architecture, kv, options, placement, gpus=gpus, host_weights={})
