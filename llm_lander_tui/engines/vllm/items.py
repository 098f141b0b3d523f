"""The allocations of one rank that depend on the scenario alone, and its blocks, itemised."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.engines.base import HOST, Allocation, Kind, Known
from llm_lander_tui.engines.tied_head import left_out
from llm_lander_tui.engines.vllm.kv_planner import CacheKind, KvPlan
from llm_lander_tui.engines.vllm.options import max_lora_rank
from llm_lander_tui.engines.vllm.profile import Estimate
from llm_lander_tui.gpus.context import ContextSize
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.lora import SIXTEEN_BIT, adapter_elements
from llm_lander_tui.memory.ranks import RankWeights
from llm_lander_tui.memory.sharding import stage_bytes
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens

WEIGHTS_SOURCE = "vllm/model_executor: parallel linear layers, vocabulary padding, rope caches"
KV_SOURCE = "vllm/v1/core/kv_cache_planning.py"
LORA_SOURCE = "vllm/lora/layers/base_linear.py"


def weights_item(
    gpu: int, scenario: Scenario, layers: range, weights: RankWeights, *, rope: int, offloaded: int
) -> Allocation:
    """The weights of the layers on one rank with `rope` bytes of tables, less what is offloaded."""
    why = f"{scenario.weights.name} weights of {len(layers)} layers"
    if scenario.tensor_parallel > 1:
        why += f", 1/{scenario.tensor_parallel} of each divided tensor"
    for size, what in (
        (rope, "of rope tables"),
        (weights.padding, "that fill the kernels' tiles"),
        (weights.scales, "more of FP8 scales, which Marlin repeats for each output"),
        (weights.absorbed, "of latent projections kept twice"),
    ):
        if size:
            why += f", {format_bytes(size)} {what}"
    if weights.dropped:
        dropped = format_bytes(weights.dropped)
        why += f", less {dropped} of zero points and input orders that the kernels do not keep"
    why += left_out(scenario.model.architecture)
    if offloaded:
        why += f", less {format_bytes(offloaded)} in host memory"
    held = weights.tensors + rope + weights.absorbed + weights.padding + weights.scales
    held -= weights.dropped + offloaded
    return Allocation(gpu, Kind.WEIGHTS, held, Known.EXACT, why, source=WEIGHTS_SOURCE)


def on_gpu(a: Allocation, gpu: int) -> Allocation:
    """The same allocation on another GPU."""
    return Allocation(gpu, a.kind, a.bytes, a.known, a.why, a.spread, a.source)


def host_item(gpu: int, offloaded: int) -> Allocation:
    """The weights of a rank that stay in host memory."""
    why = f"weights of GPU {gpu} in pinned host memory (--cpu-offload-gb)"
    return Allocation(HOST, Kind.WEIGHTS, offloaded, Known.EXACT, why)


def draft_item(
    gpu: int, scenario: Scenario, drafted: Architecture, tokens: int, degrees: Degrees
) -> Allocation:
    """The weights of what drafts: another model at 16 bits, or the model's own layers."""
    draft = scenario.draft
    recipe = scenario.weights if draft is None else recipes.get("BF16")
    name = "multi-token-prediction layers" if draft is None else draft.name
    return Allocation(
        gpu,
        Kind.DRAFT,
        stage_bytes(weights_of(drafted, recipe), replace(degrees, pipeline=1))[0],
        Known.EXACT,
        f"{name} in {recipe.name}, drafting {tokens} tokens a step; the KV cache is in the pool",
        source=WEIGHTS_SOURCE,
    )


def lora_item(gpu: int, scenario: Scenario, layers: range, degrees: Degrees) -> Allocation | None:
    """The room for adapters; None where none are served."""
    lora = scenario.lora
    if lora is None:
        return None
    elements = adapter_elements(scenario.model.architecture, layers, degrees)
    size = SIXTEEN_BIT * lora.adapters * max_lora_rank(lora.rank) * elements
    why = (
        f"room for {lora.adapters} adapters of rank {max_lora_rank(lora.rank)} beside every "
        "linear layer, whatever they touch"
    )
    return Allocation(gpu, Kind.LORA, size, Known.EXACT, why, source=LORA_SOURCE)


def estimated_item(gpu: int, kind: Kind, estimate: Estimate) -> Allocation:
    """An allocation that follows a fitted law, or what stands for one where none is known."""
    known = Known.CALIBRATED if estimate.lawful else Known.ROUGH
    return Allocation(
        gpu, kind, estimate.bytes, known, estimate.why, estimate.spread, estimate.source
    )


def context_item(gpu: int, context: ContextSize) -> Allocation:
    """The CUDA context of the worker."""
    why = "CUDA context of the worker, outside vLLM's budget"
    return Allocation(
        gpu, Kind.RUNTIME, context.bytes, Known.CALIBRATED, why, context.spread, context.source
    )


def pool_items(
    gpu: int, plan: KvPlan, kv_name: str, context: int, concurrency: int
) -> tuple[Allocation, ...]:
    """The blocks of all sequences: those that hold tokens, and those that hold states."""
    per_sequence = sum(g.cache.span for g in plan.groups if g.cache.kind is CacheKind.STATE)
    states = per_sequence * concurrency * plan.block_bytes
    size = f"{plan.block_bytes:,} bytes"
    blocks = f"{concurrency} x {format_tokens(plan.blocks(context) - per_sequence)}"
    if plan.rules.null_block:
        blocks = f"({blocks} + 1 that vLLM holds back)"
    groups = f"{len(plan.groups)} group{'s' if len(plan.groups) > 1 else ''} of layers"
    tokens = Allocation(
        gpu,
        Kind.KV_CACHE,
        plan.needed(context, concurrency) - states,
        Known.EXACT,
        f"{blocks} blocks of {size}, each for {plan.block_size} tokens in {kv_name}; "
        f"{format_tokens(context)} tokens a sequence, {groups}",
        source=KV_SOURCE,
    )
    if not states:
        return (tokens,)
    why = f"{concurrency} x {per_sequence} blocks of {size} for the recurrent states"
    return (
        tokens,
        Allocation(gpu, Kind.STATE, states, Known.EXACT, why, source=KV_SOURCE),
    )
