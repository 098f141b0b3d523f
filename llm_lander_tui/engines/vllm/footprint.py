"""A scenario on vLLM: allocations per rank, as a function of context and concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_lander_tui.engines.base import HOST, Allocation, Budget, Kind, Known
from llm_lander_tui.engines.vllm import profile
from llm_lander_tui.engines.vllm.budget import (
    Outside,
    asked_utilization,
    budget_of,
    kept_utilization,
)
from llm_lander_tui.engines.vllm.kv_planner import CacheKind, KvPlan, PagingRules, group_layers
from llm_lander_tui.engines.vllm.layer_caches import CacheSettings, layer_caches, packs_pages
from llm_lander_tui.engines.vllm.lora import lora_bytes, max_lora_rank
from llm_lander_tui.engines.vllm.options import Batch, VllmOptions, batching_of, rules_of
from llm_lander_tui.engines.vllm.weights import (
    Division,
    StageWeights,
    Tile,
    prediction_layers,
    stage_weights,
    tile_of,
)
from llm_lander_tui.gpus.context import cuda_context_bytes
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.sharding import parallel_problems, pipeline_stages, rank_weights
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, format_bytes, format_tokens

WEIGHTS_SOURCE = "vllm/model_executor: parallel linear layers, vocabulary padding, rope caches"
UNBOUNDED = 1 << 30
"""A context beyond which a step's tokens grow no more."""
KV_SOURCE = "vllm/v1/core/kv_cache_planning.py"


@dataclass(frozen=True, slots=True)
class _Rank:
    """What one GPU holds, whatever the context."""

    stage: int
    weights: StageWeights
    offloaded: int
    fixed: tuple[Allocation, ...]
    fixed_bytes: int
    host: tuple[Allocation, ...]


class VllmFootprint:
    """See `engines.base.Footprint`. GPU i of the scenario is rank i: stage by stage."""

    def __init__(self, scenario: Scenario, options: VllmOptions) -> None:
        self._scenario = scenario
        self._options = options
        self.rules = rules_of(options)
        self._batching = batching_of(options, self.rules, scenario.gpus)
        self._tp = max(1, scenario.tensor_parallel)
        self._pp = max(1, scenario.pipeline_parallel)
        self._architecture = scenario.model.architecture
        self._drafted = _drafted(scenario, options)
        self._stages = pipeline_stages(len(self._architecture.layers), self._pp)
        self.plans = self._kv_plans()
        self._split = profile.Split(self._tp, self._pp, options.enable_expert_parallel)
        kernels = profile.Kernels(
            4 if scenario.kv.name == "f32" else 2, scenario.weights.family != "mxfp4"
        )
        self._laws = tuple(
            profile.activation_law(
                self._architecture, self._split, self.rules, kernels, last=stage == self._pp - 1
            )
            for stage in range(self._pp)
        )
        self._graphs = profile.graphs(
            self.rules, self._batching.sequences, enforce_eager=options.enforce_eager
        )
        division = Division(
            self._tp,
            self._pp,
            options.enable_expert_parallel,
            tile_of(scenario.gpus[0]) if scenario.gpus else Tile(),
        )
        self._weights = stage_weights(self._architecture, scenario.weights, division)
        self._contexts = tuple(cuda_context_bytes(gpu, "torch") for gpu in scenario.gpus)
        ranks = min(self._tp * self._pp, len(scenario.gpus))
        self._ranks = tuple(self._rank(number) for number in range(ranks))
        self.utilization = self._utilization()
        self.problems = self._problems()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        asked = asked_utilization(self._options, self.rules)
        margin = self._scenario.margin_bytes
        used = len(self._ranks)
        return tuple(
            budget_of(gpu, self._outside(number), margin, asked, self.utilization)
            if number < used
            else Budget(max(0, gpu.free_bytes - margin), "vLLM leaves this card alone")
            for number, gpu in enumerate(self._scenario.gpus)
        )

    @property
    def notes(self) -> tuple[str, ...]:
        notes = [
            f"vLLM fills the rest of its budget ({self.utilization:g} of each card) with KV "
            "blocks: the process shows the whole budget as used."
        ]
        if self._ranks and len(self._ranks) < len(self._scenario.gpus):
            unused = len(self._scenario.gpus) - len(self._ranks)
            notes.append(
                f"{unused} of the chosen GPUs stay unused: tensor parallel {self._tp} x pipeline "
                f"parallel {self._pp} takes {self._tp * self._pp}."
            )
        return tuple(notes)

    def batch(self, context: int, concurrency: int) -> Batch:
        """The step that vLLM profiles for this context."""
        return self._batching.batch(context, concurrency)

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        """Bytes per GPU; see `engines.base.Footprint.needed`."""
        batch = self.batch(context, concurrency)
        activation = [law.total(batch) for law in self._laws]
        pool = [plan.needed(context, concurrency) for plan in self.plans]
        found = [
            rank.fixed_bytes + activation[rank.stage] + pool[rank.stage] for rank in self._ranks
        ]
        return found + [0] * (len(self._scenario.gpus) - len(found))

    def activation(self, stage: int, batch: Batch) -> int:
        """Bytes beside weights that a step takes on a rank of the stage."""
        return self._laws[stage].total(batch)

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        """The same, itemised; see `engines.base.Footprint.allocations`."""
        batch = self.batch(context, concurrency)
        found: list[Allocation] = []
        for number, rank in enumerate(self._ranks):
            found += rank.fixed
            found += self._pool(number, self.plans[rank.stage], context, concurrency)
            found.append(
                Allocation(
                    number,
                    Kind.ACTIVATIONS,
                    self.activation(rank.stage, batch),
                    Known.CALIBRATED,
                    f"peak of the profile run: {format_tokens(batch.tokens)} tokens and "
                    f"{batch.sequences} sequences in a step, vocabulary "
                    f"{format_tokens(self._architecture.vocab_size)}",
                    profile.ACTIVATION_SPREAD,
                    profile.ACTIVATION_SOURCE,
                )
            )
            found += rank.host
        return tuple(found)

    @property
    def weight_bytes(self) -> int:
        """The log's "Model loading took", of the GPU that holds most."""
        return max((rank.weights.bytes - rank.offloaded for rank in self._ranks), default=0)

    def available_kv(self, gpu: int, context: int, concurrency: int = 1) -> int:
        """The log's "Available KV cache memory" on a GPU, which vLLM fills with blocks."""
        rank = self._ranks[gpu]
        outside = self._outside(gpu).bytes
        requested = self.budgets[gpu].bytes - outside
        activation = self.activation(rank.stage, self.batch(context, concurrency))
        return requested - (rank.fixed_bytes - outside) - activation

    def printed_activation(self, gpu: int, context: int, concurrency: int = 1) -> int:
        """The log's activation peak; where graphs are budgeted, it counts their estimate."""
        peak = self._laws[self._ranks[gpu].stage].peak(self.batch(context, concurrency))
        return peak + (self._graphs.bytes if self.rules.graphs_in_budget else 0)

    @property
    def graph_bytes(self) -> int:
        """What captured CUDA graphs hold on each GPU."""
        return self._graphs.bytes

    def _outside(self, gpu: int) -> Outside:
        graphs = 0 if self.rules.graphs_in_budget else self._graphs.bytes
        return Outside(self._contexts[gpu].bytes, graphs)

    def _utilization(self) -> float:
        gpus = self._scenario.gpus[: len(self._ranks)]
        return kept_utilization(
            gpus,
            asked_utilization(self._options, self.rules),
            self._scenario.margin_bytes,
            tuple(self._outside(number) for number in range(len(gpus))),
        )

    def _kv_plans(self) -> tuple[KvPlan, ...]:
        scenario, options, rules = self._scenario, self._options, self.rules
        settings = CacheSettings(
            scenario.kv,
            self._tp,
            options.block_size,
            prefix_caching=(
                rules.state_prefixes if options.prefix_caching is None else options.prefix_caching
            ),
            speculative_tokens=options.speculative_tokens,
        )
        layers = len(self._architecture.layers)
        caches = layer_caches(self._architecture, settings)
        if self._drafted is not None:
            caches += [(layers + i, c) for i, c in layer_caches(self._drafted, settings)]
        steps = self._pp - 1 + rules.in_flight_steps
        tokens = self._batching.batch(UNBOUNDED, scenario.concurrency).tokens
        paging = PagingRules(
            steps * tokens, rules.null_block, rules.hybrid, rules.capacity_by_request
        )
        groups = group_layers(caches, paging, packed=packs_pages(self._architecture))
        drafted = 0 if self._drafted is None else len(self._drafted.layers)
        stages = [*self._stages[:-1], range(self._stages[-1].start, layers + drafted)]
        return tuple(KvPlan(groups, stage, paging) for stage in stages)

    def _rank(self, gpu: int) -> _Rank:
        scenario, options = self._scenario, self._options
        stage = gpu // self._tp
        weights = self._weights[stage]
        offloaded = min(int(options.cpu_offload_gb * GIB), weights.tensors)
        fixed = [
            Allocation(
                gpu,
                Kind.WEIGHTS,
                weights.bytes - offloaded,
                Known.EXACT,
                self._weights_why(weights, stage, offloaded),
                0.002,
                WEIGHTS_SOURCE,
            ),
            *self._draft_allocations(gpu, stage),
            *self._lora_allocations(gpu, stage),
        ]
        libraries = profile.libraries(self.rules, scenario.gpus, self._split)
        if self._graphs.bytes:
            fixed.append(_estimated(gpu, Kind.GRAPHS, self._graphs))
        fixed.append(_estimated(gpu, Kind.RUNTIME, libraries))
        context = self._contexts[gpu]
        fixed.append(
            Allocation(
                gpu,
                Kind.RUNTIME,
                context.bytes,
                Known.CALIBRATED,
                "CUDA context of the worker, outside vLLM's budget",
                context.spread,
                context.source,
            )
        )
        host: tuple[Allocation, ...] = ()
        if offloaded:
            host = (
                Allocation(
                    HOST,
                    Kind.WEIGHTS,
                    offloaded,
                    Known.EXACT,
                    f"--cpu-offload-gb {options.cpu_offload_gb:g}: weights of GPU {gpu} in pinned "
                    "host memory",
                ),
            )
        return _Rank(stage, weights, offloaded, tuple(fixed), sum(a.bytes for a in fixed), host)

    def _weights_why(self, weights: StageWeights, stage: int, offloaded: int) -> str:
        layers = self._stages[stage]
        why = f"{self._scenario.weights.name} weights of {len(layers)} layers"
        if self._tp > 1:
            why += f", 1/{self._tp} of each divided tensor"
        if weights.rope:
            why += f", rope tables of {format_bytes(weights.rope)}"
        if weights.padding:
            why += f", {format_bytes(weights.padding)} that fill the kernels' tiles"
        if weights.absorbed:
            why += f", {format_bytes(weights.absorbed)} of absorbed latent projections"
        if offloaded:
            why += f", less {format_bytes(offloaded)} in host memory"
        return why

    def _draft_allocations(self, gpu: int, stage: int) -> list[Allocation]:
        if self._drafted is None or stage != self._pp - 1:
            return []
        draft = self._scenario.draft
        recipe = recipes.get("BF16") if draft is not None else self._scenario.weights
        size = rank_weights(weights_of(self._drafted, recipe), self._tp)[0]
        name = "multi-token-prediction layers" if draft is None else draft.name
        return [
            Allocation(
                gpu,
                Kind.DRAFT,
                size,
                Known.EXACT,
                f"{name} in {recipe.name}, drafting {self._options.speculative_tokens} tokens; its "
                "KV cache is in the same pool",
                source=WEIGHTS_SOURCE,
            )
        ]

    def _lora_allocations(self, gpu: int, stage: int) -> list[Allocation]:
        lora = self._scenario.lora
        if lora is None:
            return []
        size = sum(
            lora_bytes(
                self._architecture.layers[i], lora, self._tp, self._options.enable_expert_parallel
            )
            for i in self._stages[stage]
        )
        return [
            Allocation(
                gpu,
                Kind.LORA,
                size,
                Known.EXACT,
                f"room for {lora.adapters} adapters of rank {max_lora_rank(lora.rank)} beside "
                "every linear layer, whatever they touch",
                source="vllm/lora/layers/base_linear.py",
            )
        ]

    def _pool(self, gpu: int, plan: KvPlan, context: int, concurrency: int) -> list[Allocation]:
        states = (
            sum(g.cache.span for g in plan.groups if g.cache.kind is CacheKind.STATE) * concurrency
        )
        blocks = plan.blocks(context)
        total = plan.needed(context, concurrency)
        found = []
        if states:
            found.append(
                Allocation(
                    gpu,
                    Kind.STATE,
                    states * plan.block_bytes,
                    Known.EXACT,
                    f"{states} blocks of {format_bytes(plan.block_bytes)} for the recurrent "
                    f"states of {concurrency} sequences",
                    source=KV_SOURCE,
                )
            )
        return [
            Allocation(
                gpu,
                Kind.KV_CACHE,
                total - states * plan.block_bytes,
                Known.EXACT,
                f"{concurrency} x {format_tokens(context)} tokens: {blocks} blocks of "
                f"{plan.block_size} tokens a sequence in {len(plan.groups)} groups, "
                f"{format_bytes(plan.block_bytes)} a block in {self._scenario.kv.name}",
                source=KV_SOURCE,
            ),
            *found,
        ]

    def _problems(self) -> tuple[str, ...]:
        found = list(parallel_problems(self._architecture, self._tp))
        wanted = self._tp * self._pp
        if wanted > len(self._scenario.gpus):
            found.append(
                f"Tensor parallel {self._tp} x pipeline parallel {self._pp} takes {wanted} GPUs, "
                f"and {len(self._scenario.gpus)} are chosen."
            )
        layers = len(self._architecture.layers)
        if self._pp > layers:
            found.append(f"{layers} layers do not fill {self._pp} pipeline stages.")
        return tuple(found)


def _estimated(gpu: int, kind: Kind, estimate: profile.Estimate) -> Allocation:
    return Allocation(
        gpu, kind, estimate.bytes, Known.CALIBRATED, estimate.why, estimate.spread, estimate.source
    )


def _drafted(scenario: Scenario, options: VllmOptions) -> Architecture | None:
    """The model that drafts: the scenario's, or the model's own prediction layers."""
    if scenario.draft is not None:
        return scenario.draft.architecture
    if options.speculative_tokens and scenario.model.architecture.mtp:
        return prediction_layers(scenario.model.architecture)
    return None
