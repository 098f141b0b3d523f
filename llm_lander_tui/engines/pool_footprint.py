"""What a scenario needs on an engine that serves from one pool of KV tokens per GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from llm_lander_tui.engines.base import Allocation, Budget, Kind, Known
from llm_lander_tui.engines.beside import Beside, beside_pool
from llm_lander_tui.engines.layer_kinds import Rows, counted, row_sets
from llm_lander_tui.engines.pool_rules import PoolRules, Reserve, Room
from llm_lander_tui.engines.rank_cards import too_many_ranks, unused_cards
from llm_lander_tui.engines.tied_head import left_out
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.gpus.context import ContextSize, cuda_context_bytes
from llm_lander_tui.memory.allocator import rank_waste
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.divisibility import parallel_problems
from llm_lander_tui.memory.kv_rows import fp8_key_bytes, row_bytes
from llm_lander_tui.memory.ranks import Kernels, rank_weights, rope_table_bytes
from llm_lander_tui.memory.sharding import kv_heads_per_rank, pipeline_stages
from llm_lander_tui.memory.step import dense_elements, expert_elements
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.cache import KvRow, RecurrentState
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import ceil_div, format_bytes, format_tokens, round_up

ROPE_BYTES = 4
"""Rotary tables of SGLang and TGI are FP32, cos and sin of half the rotated elements each."""
_STATE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class _Rank:
    """One GPU's share, and what its budget rule keeps free."""

    weights: int
    segments: int
    layers: int
    rows: tuple[Rows, ...]
    state: int
    context: ContextSize
    reserve: Reserve
    fixed: int
    working: int
    beside: Beside


class PoolFootprint:
    """Bytes per GPU; GPU i is rank i, stage by stage. See `engines.base.Footprint`."""

    def __init__(
        self, scenario: Scenario, rules: PoolRules, problems: tuple[str, ...] = ()
    ) -> None:
        self.rules = rules
        self._scenario = scenario
        architecture, degrees = scenario.model.architecture, rules.degrees
        self.problems = (
            *problems,
            *parallel_problems(architecture, weights_of(architecture, scenario.weights), degrees),
            *too_many_ranks(degrees, len(scenario.gpus)),
        )
        self.notes: tuple[str, ...] = (
            "The pool takes all that the budget rule leaves it: the process shows it as used.",
        )
        if degrees.ranks < len(scenario.gpus):
            self.notes += (unused_cards(degrees, len(scenario.gpus) - degrees.ranks),)
        self._ranks = _ranks(scenario, rules)
        self.budgets = tuple(
            Budget(gpu.free_bytes, self._ranks[i].reserve.why)
            if i < len(self._ranks)
            else Budget(gpu.free_bytes, "no rank runs on this card")
            for i, gpu in enumerate(scenario.gpus)
        )

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        degrees = self.rules.degrees
        sequences = degrees.sequences(concurrency)
        tokens = context * sequences
        found: list[int] = []
        for number, r in enumerate(self._ranks):
            if number % degrees.tensor == 0:
                # The ranks of a stage cache the same.
                load = self._kv(r, context, sequences) + self._states(r, sequences)
                load += tokens * r.beside.draft_per_token
            found.append(r.fixed + load)
        return found + [0] * (len(self._scenario.gpus) - len(found))

    def weight_bytes(self, gpu: int) -> int:
        """What loading the weights takes from the driver on a GPU, as logs print it."""
        return self._ranks[gpu].weights + self._ranks[gpu].segments

    def bytes_per_token(self, gpu: int) -> int:
        """KV bytes of one token on a GPU, all layers at full length."""
        return sum(rows.bytes // rows.ratio for rows in self._ranks[gpu].rows)

    def state_bytes(self, gpu: int) -> int:
        """Recurrent state of one slot on a GPU."""
        return self._ranks[gpu].state

    def pool_bytes(self, gpu: int, concurrency: int = 1) -> int:
        """What the budget rule leaves for KV tokens on a GPU."""
        r = self._ranks[gpu]
        return max(0, self.budgets[gpu].bytes - r.fixed - self._states(r, concurrency))

    def pool_tokens(self, gpu: int, concurrency: int = 1) -> int:
        """How many tokens that pool holds."""
        per_token = sum(
            rows.bytes / rows.ratio * (self.rules.window_share if rows.window else 1)
            for rows in self._ranks[gpu].rows
        )
        if not per_token:
            return 0
        tokens = int(self.pool_bytes(gpu, concurrency) / per_token)
        return tokens // self.rules.block * self.rules.block

    def _states(self, r: _Rank, concurrency: int) -> int:
        return r.state * self.rules.state_slots * concurrency

    def _held(self, rows: Rows, context: int) -> int:
        """Rows of a set that are held for a sequence."""
        tokens = ceil_div(round_up(context, self.rules.block), rows.ratio)
        if not rows.window:
            return tokens
        return ceil_div(int(1000 * self.rules.window_share) * tokens, 1000)

    def _kv(self, r: _Rank, context: int, concurrency: int) -> int:
        total = 0
        for rows in r.rows:
            total += rows.bytes * self._held(rows, context)
        return concurrency * total

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        sequences = self.rules.degrees.sequences(concurrency)
        found: list[Allocation] = []
        for gpu, rank in enumerate(self._ranks):
            found += self._itemised(gpu, rank, context, sequences)
        return tuple(a for a in found if a.bytes)

    def _itemised(self, gpu: int, r: _Rank, context: int, concurrency: int) -> list[Allocation]:
        rules, kv = self.rules, self._scenario.kv
        parts = [
            f"{rows.layers} layers x {format_tokens(self._held(rows, context))} tokens of "
            f"{rows.bytes // rows.layers:,} bytes"
            for rows in r.rows
        ]
        slots = rules.state_slots * concurrency
        estimates = (
            (Kind.ACTIVATIONS, rules.activations),
            (Kind.GRAPHS, rules.graphs),
            (Kind.RUNTIME, rules.libraries),
        )
        outside = rules.libraries.bytes + r.context.bytes
        kept = r.fixed - outside - r.weights - r.segments - r.working - r.beside.fixed
        return [
            Allocation(
                gpu,
                Kind.WEIGHTS,
                r.weights,
                Known.EXACT,
                f"{self._scenario.weights.name} shards of {r.layers} layers, one of "
                f"{rules.degrees.tensor}"
                f"{left_out(self._scenario.model.architecture)}.",
                source="parallel linear layers, vocabulary padded to 64 rows",
            ),
            Allocation(
                gpu,
                Kind.RUNTIME,
                r.segments,
                Known.EXACT,
                f"segments of PyTorch's allocator that the weights do not fill: "
                f"{format_bytes(r.segments)}.",
                source="c10/cuda/CUDACachingAllocator.cpp",
            ),
            Allocation(
                gpu,
                Kind.KV_CACHE,
                self._kv(r, context, concurrency),
                Known.EXACT,
                f"{concurrency} x ({' + '.join(parts) or 'no cached layer'}) in {kv.name}, pages "
                f"of {rules.block}.",
                source=rules.source,
            ),
            Allocation(
                gpu,
                Kind.STATE,
                self._states(r, concurrency),
                Known.EXACT,
                f"{slots} state slots of {r.state:,} bytes.",
                source=rules.source,
            ),
            *(
                Allocation(gpu, k, e.bytes, e.known, e.why, e.spread, e.source)
                for k, e in estimates
            ),
            Allocation(
                gpu,
                Kind.RUNTIME,
                r.context.bytes,
                Known.CALIBRATED,
                f"CUDA context of one process: {format_bytes(r.context.bytes)}.",
                r.context.spread,
                r.context.source,
            ),
            Allocation(
                gpu,
                Kind.RESERVED,
                kept,
                Known.EXACT,
                f"{r.reserve.why} The plan leaves {format_bytes(kept)} of that unused.",
                source=rules.source,
            ),
            *r.beside.allocations(gpu, context * concurrency),
        ]


def _ranks(scenario: Scenario, rules: PoolRules) -> tuple[_Rank, ...]:
    architecture, degrees = scenario.model.architecture, rules.degrees
    tp, pp = degrees.tensor, degrees.pipeline
    weights = weights_of(architecture, scenario.weights)
    stages_held = rank_weights(architecture, scenario.weights, degrees, Kernels(rules.tile))
    stages = pipeline_stages(len(architecture.layers), pp, degrees.remainder)
    tables = rope_table_bytes(architecture, ROPE_BYTES)
    working = rules.activations.bytes + rules.graphs.bytes
    found = []
    reserves: dict[Room, Reserve] = {}
    for rank, gpu in enumerate(scenario.gpus[: degrees.ranks]):
        if rank % tp == 0:
            # The ranks of a stage hold the same; only their cards may differ.
            place = degrees.stage(rank)
            stage, shards, last = stages[place], stages_held[place], place == pp - 1
            loaded = shards.tensors + shards.padding + tables
            if rules.absorbs_latent:
                loaded += shards.absorbed
            segments = rank_waste(weights, degrees, stage, place == 0, last)
            beside = beside_pool(scenario, degrees, stage, last=last)
            held = loaded + segments + beside.fixed
            rows, state = _cached(architecture, stage, scenario.kv, tp, rules)
        context = cuda_context_bytes(gpu, "torch")
        outside = context.bytes + rules.libraries.bytes
        room = Room(gpu.total_bytes, gpu.free_bytes, outside, held, working)
        reserve = reserves.get(room)
        if reserve is None:
            reserve = reserves[room] = rules.reserve(room)
        least = max(reserve.bytes, scenario.margin_bytes)
        kept = max(least, working) if rules.working_inside else least + working
        found.append(
            _Rank(
                weights=loaded,
                segments=segments,
                layers=len(stage),
                rows=rows,
                state=state,
                context=context,
                reserve=reserve,
                fixed=outside + held + kept,
                working=working,
                beside=beside,
            )
        )
    return tuple(found)


def _cached(
    architecture: Architecture, stage: range, kv: KvFormat, tp: int, rules: PoolRules
) -> tuple[tuple[Rows, ...], int]:
    """What a rank of a stage caches: the rows of its layers, and the state of a slot."""
    layers = counted(architecture, stage)
    rows = row_sets(
        layers,
        kv,
        lambda _, row: _row_bytes(row, kv, tp, rules),
        last_missing=False,
    )
    state = sum(
        n * _state_bytes(m.state, tp, rules) for _, x, n in layers for m in x.mixers if m.state
    )
    return rows, state


def _row_bytes(row: KvRow, kv: KvFormat, tp: int, rules: PoolRules) -> int:
    """Bytes of one token of one layer on one rank, with the keys of sparse attention's indexer and
    the scales of an integer cache.

    An indexer has one head of keys, whole on every rank.
    """
    size = row_bytes(row, kv, tp)
    if row.latent:
        return size + (fp8_key_bytes(row.indexer_dim) if row.indexer_dim else 0)
    size += rules.index_bytes * row.indexer_dim
    if row.values_are_keys or kv.k.name not in {"int8", "int4"}:
        return size
    return size + kv_heads_per_rank(row.kv_heads, tp) * 2 * rules.kv_scale_bytes


def _state_bytes(state: RecurrentState, tp: int, rules: PoolRules) -> int:
    """State of one sequence and layer on one rank: kernel - 1 columns at 16 bits, recurrence."""
    element = _STATE_BYTES.get(state.recurrent_dtype, rules.state_bytes)
    columns = 2 * (state.conv_kernel - 1) * ceil_div(state.conv_channels, tp)
    return columns + element * ceil_div(state.recurrent_elements, tp)


@lru_cache(maxsize=1024)
def step_bytes(architecture: Architecture, tokens: int, degrees: Degrees) -> int:
    """Largest working set of a layer for `tokens` tokens at 16 bits on one rank.

    That of its MLP, its input and output, and the residual stream (memory_models C.2, C.3).
    """
    widest = max((_mlp_width(layer, degrees) for layer, _ in architecture.layer_groups), default=0)
    return 2 * tokens * (widest + 3 * architecture.hidden_size)


def _mlp_width(layer: Layer, degrees: Degrees) -> int:
    if isinstance(layer.mlp, DenseMlp):
        return dense_elements(layer.mlp, degrees)
    return expert_elements(layer.mlp, degrees) if isinstance(layer.mlp, ExpertsMlp) else 0
