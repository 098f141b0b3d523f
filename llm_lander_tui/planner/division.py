"""How to divide a model over GPUs: the fewest that fit, tensors inside a node, layers across."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from llm_lander_tui.engines.rank_cards import copies_of
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario

NODE = 8
"""GPUs that one machine links closely; tensor parallelism stays inside it."""


@dataclass(frozen=True, slots=True)
class Division:
    """Degrees of tensor and pipeline parallelism on the first `gpus` cards, with the plan."""

    gpus: int
    tensor_parallel: int
    pipeline_parallel: int
    plan: Plan


def divide(scenario: Scenario) -> Division | None:
    """The fewest of the scenario's cards on which it fits, and how to divide it over them (R28).

    Engines that split tensors get the largest degree of tensor parallelism inside a node that they
    accept, pipeline stages across; those that place layers get the cards alone. None: nothing fits.
    """
    for count in range(1, len(scenario.gpus) + 1):
        for tensor, pipeline in _degrees(scenario, count):
            plan = evaluate(
                replace(
                    scenario,
                    gpus=scenario.gpus[:count],
                    tensor_parallel=tensor,
                    pipeline_parallel=pipeline,
                )
            )
            if plan.fits:
                return Division(count, tensor, pipeline, plan)
    return None


def on_all_cards(scenario: Scenario) -> Scenario:
    """The scenario divided over as many of its cards as its engine can, as tensors if it can.

    The pipeline stages that it has are kept where they go with its cards; then come all cards as
    tensor parallel ranks, and the largest degree of it beside pipeline stages. Cards
    that are left over stay unused, which the plan's notes say.
    """
    if not scenario.engine.tensor_parallel:
        return replace(scenario, tensor_parallel=1, pipeline_parallel=1)
    ranks, stages = max(1, len(scenario.gpus) // copies_of(scenario.options)), 1
    if ranks % scenario.pipeline_parallel == 0:
        stages = scenario.pipeline_parallel
    whole = replace(scenario, tensor_parallel=ranks, pipeline_parallel=1)
    if ranks == 1:
        return whole
    kept = replace(scenario, tensor_parallel=ranks // stages, pipeline_parallel=stages)
    # What it refuses on one rank too, another weight format say, no division is to blame for.
    anyway = _problems(replace(scenario, tensor_parallel=1, pipeline_parallel=1))
    ways = chain((kept, whole), _ways(scenario, ranks))
    return next((divided for divided in ways if _problems(divided) <= anyway), whole)


def _problems(scenario: Scenario) -> set[str]:
    return set(scenario.engine.footprint(scenario).problems)


def _ways(scenario: Scenario, most: int) -> Iterator[Scenario]:
    """Every division over `most` ranks a copy and fewer, those that use the most first."""
    for ranks in range(most, 0, -1):
        for tensor, pipeline in _products(ranks):
            yield replace(scenario, tensor_parallel=tensor, pipeline_parallel=pipeline)


def _degrees(scenario: Scenario, count: int) -> Iterator[tuple[int, int]]:
    if not scenario.engine.tensor_parallel:
        yield 1, 1
        return
    each, more = divmod(count, copies_of(scenario.options))
    if not more:
        yield from _products(each)


def _products(ranks: int) -> Iterator[tuple[int, int]]:
    """Tensor x pipeline degrees of so many ranks, the most tensor parallel inside a node first."""
    for tensor in range(min(ranks, NODE), 0, -1):
        if ranks % tensor == 0:
            yield tensor, ranks // tensor
