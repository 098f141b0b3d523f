"""A plan as the JSON contract of the command line and the APIs; the README documents it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from llm_lander_tui.engines.base import Allocation, Kind
from llm_lander_tui.memory.weights import Recipe, weights_of
from llm_lander_tui.planner.division import divide
from llm_lander_tui.planner.evaluate import evaluate, planned_context
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.recommend import Recommendation
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB

Json = Mapping[str, object]


def fit_report(
    plan: Plan,
    formats: Iterable[Recipe],
    recommended: Recommendation | None,
    *,
    context_asked: bool,
    warnings: tuple[str, ...] = (),
) -> Json:
    """The whole answer. `formats` are what `results` compares, beside the plan's own format.

    With `context_asked` the results are for the plan's context, else each for its own largest.
    """
    scenario = plan.scenario
    return {
        "model": model_report(scenario),
        "engine": scenario.engine.id,
        "weights": scenario.weights.name,
        "kv": scenario.kv.name,
        "gpus": [gpu.as_json() for gpu in scenario.gpus],
        "plan": plan_report(plan),
        "results": {
            recipe.name: result_report(
                replace(scenario, weights=recipe),
                context_asked=context_asked,
                notional=not plan.problems and not scenario.engine.runs(recipe, scenario.model),
            )
            for recipe in formats
        },
        "recommended": recommended_report(recommended),
        "scaling": scaling_report(scenario),
        "warnings": [*warnings, *_above_safe(plan), *plan.notes],
    }


def _above_safe(plan: Plan) -> tuple[str, ...]:
    context, safe = plan.scenario.context, plan.limits.safe_context
    if not plan.fits or context <= safe:
        return ()
    than = f"above the safe {safe:,}" if safe else "not safe, as no context is"
    return (
        f"{context:,} tokens are {than}: they fit if the estimates hold, and do not where each "
        "takes as much as its spread allows.",
    )


def model_report(scenario: Scenario) -> Json:
    """The model's figures that every answer rests on."""
    model, architecture = scenario.model, scenario.model.architecture
    limit = architecture.context_limit
    return {
        "name": model.name,
        "source": model.source,
        "parameters": architecture.parameters,
        "active_parameters": architecture.active_parameters,
        "kv_bytes_per_token": architecture.kv_bytes_per_token,
        "state_bytes_per_sequence": architecture.state_bytes_per_sequence,
        "context_limit": None if limit is None else limit.trained,
    }


def plan_report(plan: Plan) -> Json:
    """The plan with its limits and every allocation."""
    limits = plan.limits
    return {
        "context": plan.scenario.context,
        "concurrency": plan.scenario.concurrency,
        "fits": plan.fits,
        "total_bytes": plan.total_bytes,
        "free_bytes": plan.free_bytes,
        "short_bytes": plan.short_bytes,
        "max_context_length": limits.max_context,
        "memory_context_length": limits.memory_context,
        "safe_context_length": limits.safe_context,
        "hopeful_context_length": limits.hopeful_context,
        "max_concurrency": limits.max_concurrency,
        "binding": limits.binding.value,
        "budgets": [
            {
                "gpu": d.gpu,
                "bytes": d.budget.bytes,
                "spare_bytes": d.spare_bytes,
                "why": d.budget.why,
            }
            for d in plan.devices
        ],
        "allocations": [
            _allocation(a) for a in (*(a for d in plan.devices for a in d.allocations), *plan.host)
        ],
        "problems": list(plan.problems),
        "command": plan.scenario.engine.command(plan.scenario, plan.scenario.context),
    }


def _allocation(allocation: Allocation) -> Json:
    return {
        "gpu": allocation.gpu,
        "kind": allocation.kind.value,
        "bytes": allocation.bytes,
        "known": allocation.known.value,
        "spread": allocation.spread,
        "why": allocation.why,
        "source": allocation.source,
    }


def result_report(scenario: Scenario, *, context_asked: bool, notional: bool) -> Json:
    """One weight format by R63's fields, in MiB, at the asked context or at its own largest.

    A `notional` format is no file of the engine's, but a size per parameter to compare with.
    `model_weight_mb` is the whole model, also what the engine leaves in host memory; the other
    sizes are what the GPUs hold.
    """
    plan = evaluate(scenario, notional=notional)
    limits = plan.limits
    if not context_asked:
        plan = evaluate(replace(scenario, context=limits.max_context), notional=notional)

    def mb(*kinds: Kind) -> int:
        found = (a.bytes for d in plan.devices for a in d.allocations if a.kind in kinds)
        return round(sum(found) / MIB)

    return {
        "max_context_length": limits.max_context,
        "model_weight_mb": round(
            weights_of(scenario.model.architecture, scenario.weights).bytes / MIB
        ),
        "kv_cache_mb": mb(Kind.KV_CACHE, Kind.STATE),
        "total_memory_mb": round(plan.total_bytes / MIB),
        "fits_in_vram": plan.fits and (context_asked or limits.max_context > 0),
    }


def scaling_report(scenario: Scenario) -> Json | None:
    """The fewest of the cards that hold the plan, and how to divide it over them; None: none do."""
    found = divide(scenario)
    if found is None:
        return None
    return {
        "gpus": [gpu.index for gpu in found.plan.scenario.gpus],
        "tensor_parallel": found.tensor_parallel,
        "pipeline_parallel": found.pipeline_parallel,
        "spare_bytes": found.plan.spare_bytes,
    }


def recommended_report(recommended: Recommendation | None) -> Json | None:
    """The recommended formats and why; None when nothing lands."""
    if recommended is None:
        return None
    scenario = recommended.scenario
    return {
        "engine": scenario.engine.id,
        "weights": scenario.weights.name,
        "kv": scenario.kv.name,
        "max_context_length": recommended.max_context,
        "reason": recommended.reason,
        "command": scenario.engine.command(
            scenario, planned_context(scenario) or recommended.max_context
        ),
    }
