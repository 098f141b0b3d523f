"""The compute buffers: the working memory of one micro-batch, by replaying its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from llm_lander_tui.engines.llamacpp.blocks import WeightBytes
from llm_lander_tui.engines.llamacpp.cache import Cells
from llm_lander_tui.engines.llamacpp.graph import ROWS, TOKENS, Size
from llm_lander_tui.engines.llamacpp.model_graph import ModelGraph, build_graph
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.engines.llamacpp.replay import evaluate, peaks
from llm_lander_tui.engines.llamacpp.schedule import Schedule, schedule
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.models.architecture import Architecture

PIPELINE_COPIES = 4
"""Copies of what crosses devices under pipeline parallelism (GGML_SCHED_MAX_COPIES)."""
STREAMED_FROM = 32
"""Columns of a batch from which the GPU computes operations whose weights are in host memory."""


@dataclass(frozen=True, slots=True)
class Working:
    """Compute bytes of the GPUs and of the host."""

    devices: tuple[int, ...]
    host: int


class ComputeModel:
    """The compute buffers of a model on its devices, as a function of the cells.

    The graph is replayed for the powers of four of the cells that are asked for; between them the
    symbolic ends of that replay are evaluated.
    """

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
        self._ends: dict[tuple[int, ...], tuple[tuple[Size, ...], ...]] = {}

    def __call__(self, cells: Cells) -> Working:
        """Bytes per GPU and in host memory."""
        basis = self._basis(cells)
        key = tuple(v.bit_length() // 2 for v in basis)
        ends = self._ends.get(key)
        if ends is None:
            ends = peaks(self._schedule(basis), basis, self._gpus + 1)
            self._ends[key] = ends
        found = [max((evaluate(end, basis) for end in device), default=0) for device in ends]
        return Working(tuple(found[:-1]), found[-1])

    def _basis(self, cells: Cells) -> tuple[int, ...]:
        tokens = -(-cells.ubatch // cells.sequences) * cells.sequences
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


@lru_cache(maxsize=256)
def offloaded_compute(
    architecture: Architecture,
    kv: KvFormat,
    options: LlamaCppOptions,
    placement: Placement,
    gpus: int,
) -> ComputeModel:
    """The compute buffers with all weights on GPUs, which every weight format shares."""
    return ComputeModel(architecture, kv, options, placement, gpus=gpus, host_weights={})
