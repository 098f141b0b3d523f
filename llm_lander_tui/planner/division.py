"""How to divide a model over GPUs: the fewest that fit, tensors inside a node, layers across."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

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


def _degrees(scenario: Scenario, count: int) -> Iterator[tuple[int, int]]:
    if not scenario.engine.tensor_parallel:
        yield 1, 1
        return
    each, more = divmod(count, copies_of(scenario.options))
    for tensor in range(min(each, NODE), 0, -1):
        if not more and each % tensor == 0:
            yield tensor, each // tensor
