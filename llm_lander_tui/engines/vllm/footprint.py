"""A scenario on vLLM: allocations per rank, as a function of context and concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from llm_lander_tui.engines.base import Allocation, Budget, Kind, Known
from llm_lander_tui.engines.rank_cards import too_many_ranks, unused_cards
from llm_lander_tui.engines.vllm import items, profile
from llm_lander_tui.engines.vllm.budget import (
    Outside,
    asked_utilization,
    budget_of,
    kept_utilization,
)
from llm_lander_tui.engines.vllm.formats import format_problems
from llm_lander_tui.engines.vllm.kv_planner import KvPlan, PagingRules
from llm_lander_tui.engines.vllm.layer_caches import CacheSettings, cache_groups
from llm_lander_tui.engines.vllm.options import Batch, VllmOptions, batching_of, rules_of
from llm_lander_tui.engines.vllm.report import startup_report
from llm_lander_tui.engines.vllm.weights import kernels_of, prediction_layers
from llm_lander_tui.gpus.context import cuda_context_bytes
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.divisibility import parallel_problems
from llm_lander_tui.memory.ranks import rank_weights, rope_table_bytes
from llm_lander_tui.memory.sharding import pipeline_stages
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, format_tokens

ROPE_BYTES = 2
"""vLLM keeps its rotary tables in the model's 16-bit format."""
UNBOUNDED = 1 << 30
"""A context beyond which a step's tokens grow no more."""


@dataclass(frozen=True, slots=True)
class _Rank:
    """What one GPU holds, whatever the context."""

    stage: int
    fixed: tuple[Allocation, ...]
    fixed_bytes: int
    host: tuple[Allocation, ...]


class VllmFootprint:
    """See `engines.base.Footprint`. GPU i of the scenario is rank i: stage by stage."""

    def __init__(self, scenario: Scenario, options: VllmOptions) -> None:
        self._scenario = scenario
        self._options = options
        self._architecture = scenario.model.architecture
        self._drafted = _drafted(scenario, options)
        self.rules = rules_of(options)
        self._batching = batching_of(options, self.rules, scenario.gpus)
        self.degrees = Degrees(
            max(1, scenario.tensor_parallel),
            max(1, scenario.pipeline_parallel),
            options.data_parallel,
            options.enable_expert_parallel,
            remainder=self.rules.remainder,
        )
        self._stages = pipeline_stages(
            len(self._architecture.layers), self.degrees.pipeline, self.degrees.remainder
        )
        model, version = scenario.model, self.rules.version
        kernels = kernels_of(scenario.gpus, version, model.quantization)
        self._weights = rank_weights(self._architecture, scenario.weights, self.degrees, kernels)
        self._laws = self._activation_laws()
        self._graphs = profile.graphs(
            self.rules, self._batching.sequences, enforce_eager=options.enforce_eager
        )
        self._contexts = tuple(cuda_context_bytes(gpu, "torch") for gpu in scenario.gpus)
        self.plans = self._kv_plans()
        used = min(self.degrees.ranks, len(scenario.gpus))
        alike: dict[int, _Rank] = {}
        found = []
        for gpu in range(used):
            stage = self.degrees.stage(gpu)
            if stage not in alike:
                alike[stage] = self._rank(gpu, stage)
            found.append(self._with_context(alike[stage], gpu))
        self._ranks = tuple(found)

    @cached_property
    def utilization(self) -> float:
        """The --gpu-memory-utilization that the plan goes by."""
        used = range(len(self._ranks))
        return kept_utilization(
            self._scenario.gpus[: len(used)],
            asked_utilization(self._options, self.rules),
            self._scenario.margin_bytes,
            tuple(self._outside(gpu) for gpu in used),
            stated=self._options.gpu_memory_utilization is not None,
        )

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        asked = asked_utilization(self._options, self.rules)
        stated = self._options.gpu_memory_utilization is not None
        margin = self._scenario.margin_bytes
        used = len(self._ranks)
        return tuple(
            budget_of(gpu, self._outside(number), margin, asked, self.utilization, stated=stated)
            if number < used
            else Budget(max(0, gpu.free_bytes - margin), "vLLM leaves this card alone")
            for number, gpu in enumerate(self._scenario.gpus)
        )

    @cached_property
    def problems(self) -> tuple[str, ...]:
        degrees, pp = self.degrees, self.degrees.pipeline
        weights = weights_of(self._architecture, self._scenario.weights)
        found = [
            *format_problems(self._scenario),
            *parallel_problems(self._architecture, weights, degrees),
            *too_many_ranks(degrees, len(self._scenario.gpus)),
        ]
        if pp > len(self._architecture.layers):
            found.append(f"{len(self._architecture.layers)} layers do not fill {pp} stages.")
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        notes = [
            f"vLLM fills the rest of its budget ({self.utilization:g} of each card) with KV "
            "blocks: the process shows the whole budget as used."
        ]
        context, concurrency = max(1, self._scenario.context), self._scenario.concurrency
        available = self.available_kv(context, concurrency)
        if available and min(available) > 0:
            notes.append(startup_report(self.rank_plans, available, context).sentence)
        unused = len(self._scenario.gpus) - len(self._ranks)
        if self._ranks and unused:
            notes.append(unused_cards(self.degrees, unused))
        return tuple(notes)

    def batch(self, context: int, concurrency: int) -> Batch:
        """The step that vLLM profiles for this context, on each copy of the model."""
        return self._batching.batch(context, self.degrees.sequences(concurrency))

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        """Bytes per GPU; see `engines.base.Footprint.needed`."""
        batch = self.batch(context, concurrency)
        activation = [law.total(batch) for law in self._laws]
        sequences = self.degrees.sequences(concurrency)
        pool = [plan.needed(context, sequences) for plan in self.plans]
        found = [
            rank.fixed_bytes + activation[rank.stage] + pool[rank.stage] for rank in self._ranks
        ]
        return found + [0] * (len(self._scenario.gpus) - len(found))

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        """The same, itemised; see `engines.base.Footprint.allocations`."""
        batch = self.batch(context, concurrency)
        why = (
            f"peak of the profile run: {format_tokens(batch.tokens)} tokens and "
            f"{batch.sequences} sequences in a step, vocabulary of "
            f"{format_tokens(self._architecture.vocab_size)}"
        )
        kv, sequences = self._scenario.kv.name, self.degrees.sequences(concurrency)
        found: list[Allocation] = []
        for gpu, rank in enumerate(self._ranks):
            activation = Allocation(
                gpu,
                Kind.ACTIVATIONS,
                self._laws[rank.stage].total(batch),
                Known.CALIBRATED,
                why,
                self._laws[rank.stage].spread,
                profile.ACTIVATION_SOURCE,
            )
            blocks = items.pool_items(gpu, self.plans[rank.stage], kv, context, sequences)
            found += [*rank.fixed, *blocks, activation, *rank.host]
        return tuple(found)

    @property
    def rank_plans(self) -> tuple[KvPlan, ...]:
        """The block pool of each GPU in use."""
        return tuple(self.plans[rank.stage] for rank in self._ranks)

    @property
    def weight_bytes(self) -> int:
        """The log's "Model loading took", of the GPU that holds most."""
        weights = (a for rank in self._ranks for a in rank.fixed if a.kind is Kind.WEIGHTS)
        return max((a.bytes for a in weights), default=0)

    @property
    def graph_bytes(self) -> int:
        """What captured CUDA graphs hold on each GPU."""
        return self._graphs.bytes

    def available_kv(self, context: int, concurrency: int = 1) -> tuple[int, ...]:
        """The log's "Available KV cache memory" by GPU, which vLLM fills with blocks."""
        batch = self.batch(context, concurrency)
        return tuple(
            self.budgets[gpu].bytes - rank.fixed_bytes - self._laws[rank.stage].total(batch)
            for gpu, rank in enumerate(self._ranks)
        )

    def printed_activation(self, context: int, concurrency: int = 1) -> int:
        """The log's activation peak; where graphs are budgeted, it counts their estimate."""
        peak = self._laws[0].peak(self.batch(context, concurrency))
        return peak + (self._graphs.bytes if self.rules.graphs_in_budget else 0)

    def _activation_laws(self) -> tuple[profile.ActivationLaw, ...]:
        scenario = self._scenario
        kernels = profile.Kernels(
            4 if scenario.weights.name == "FP32" else 2, scenario.weights.family != "mxfp4"
        )
        pp = self.degrees.pipeline
        return tuple(
            profile.activation_law(
                self._architecture, self.degrees, self.rules, kernels, last=stage == pp - 1
            )
            for stage in range(pp)
        )

    def _kv_plans(self) -> tuple[KvPlan, ...]:
        scenario, options, rules = self._scenario, self._options, self.rules
        prefixes = options.prefix_caching
        settings = CacheSettings(
            scenario.kv,
            self.degrees.tensor,
            options.block_size,
            prefix_caching=rules.state_prefixes if prefixes is None else prefixes,
            speculative_tokens=options.drafted_tokens(scenario.draft),
        )
        layers = len(self._architecture.layers)
        # A pipeline is kept full by one step per stage (v1/executor, max_concurrent_batches).
        pp = self.degrees.pipeline
        steps = pp if pp > 1 else rules.in_flight_steps
        tokens = self.batch(UNBOUNDED, scenario.concurrency).tokens
        paging = PagingRules(
            steps * tokens, rules.null_block, rules.hybrid, rules.capacity_by_request
        )
        groups = cache_groups(self._architecture, settings, paging, self._drafted)
        drafted = 0 if self._drafted is None else len(self._drafted.layers)
        stages = [*self._stages[:-1], range(self._stages[-1].start, layers + drafted)]
        return tuple(KvPlan(groups, stage, paging) for stage in stages)

    def _rank(self, gpu: int, stage: int) -> _Rank:
        """What a rank of a stage holds beside the CUDA context, which hangs on its card."""
        scenario, degrees = self._scenario, self.degrees
        layers, weights = self._stages[stage], self._weights[stage]
        offloaded = min(int(self._options.cpu_offload_gb * GIB), weights.tensors)
        rope = rope_table_bytes(self._architecture, ROPE_BYTES)
        fixed = [items.weights_item(gpu, scenario, layers, weights, rope=rope, offloaded=offloaded)]
        if self._drafted is not None and stage == degrees.pipeline - 1:
            tokens = self._options.drafted_tokens(scenario.draft)
            fixed.append(items.draft_item(gpu, scenario, self._drafted, tokens, degrees))
        lora = items.lora_item(gpu, scenario, layers, degrees)
        if lora is not None:
            fixed.append(lora)
        if self._graphs.bytes:
            fixed.append(items.estimated_item(gpu, Kind.GRAPHS, self._graphs))
        libraries = profile.libraries(
            self.rules, scenario.gpus, degrees, experts=self._architecture.routes_experts
        )
        fixed.append(items.estimated_item(gpu, Kind.RUNTIME, libraries))
        host = (items.host_item(gpu, offloaded),) if offloaded else ()
        return _Rank(stage, tuple(fixed), sum(a.bytes for a in fixed), host)

    def _with_context(self, first: _Rank, gpu: int) -> _Rank:
        """The rank of a stage on a GPU, all of whose ranks hold the same."""
        context = items.context_item(gpu, self._contexts[gpu])
        fixed = (*(items.on_gpu(a, gpu) for a in first.fixed), context)
        host = tuple(items.host_item(gpu, a.bytes) for a in first.host)
        return _Rank(first.stage, fixed, first.fixed_bytes + context.bytes, host)

    def _outside(self, gpu: int) -> Outside:
        graphs = 0 if self.rules.graphs_in_budget else self._graphs.bytes
        return Outside(self._contexts[gpu].bytes, graphs)


def _drafted(scenario: Scenario, options: VllmOptions) -> Architecture | None:
    """The model that drafts: the scenario's, or the model's own prediction layers."""
    if scenario.draft is not None:
        return scenario.draft.architecture
    if options.speculative_tokens and scenario.model.architecture.mtp:
        return prediction_layers(scenario.model.architecture)
    return None
