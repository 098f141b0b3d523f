"""Which GPUs of the catalogue would carry a plan, and how well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llm_lander_tui.gpus.catalog import hypothetical
from llm_lander_tui.gpus.gpu import GpuSpec
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario

COUNTS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Carrier:
    """`count` cards of one kind with the plan they give.

    `headroom` is the part of their memory that stays free, `steps_per_second` the rate at which
    they could read the active weights once from memory (an upper bound of decoding for one
    sequence, not a prediction; None without a known bandwidth), and `steps_per_joule` that rate
    over the cards' power limit.
    """

    spec: GpuSpec
    count: int
    plan: Plan
    headroom: float
    steps_per_second: float | None
    steps_per_joule: float | None


def carriers(scenario: Scenario, specs: Iterable[GpuSpec], most: int = 12) -> tuple[Carrier, ...]:
    """The smallest count of each kind of card on which the scenario fits, best first.

    Fewer cards come first; among as many, those that read the weights faster, and after them those
    with more memory left (R6).
    """
    found = [carrier for spec in specs if (carrier := _carrier(scenario, spec)) is not None]
    found.sort(key=lambda c: (c.count, -(c.steps_per_second or 0.0), -c.headroom))
    return tuple(found[:most])


def _carrier(scenario: Scenario, spec: GpuSpec) -> Carrier | None:
    for count in COUNTS:
        gpus = tuple(hypothetical(spec, index) for index in range(count))
        plan = evaluate(moves.with_gpus(scenario, gpus))
        if not plan.fits:
            continue
        memory = spec.memory_bytes * count
        steps = _steps_per_second(scenario, spec, count)
        power = spec.power_w
        return Carrier(
            spec,
            count,
            plan,
            headroom=1 - plan.total_bytes / memory,
            steps_per_second=steps,
            steps_per_joule=None if steps is None or not power else steps / (power * count),
        )
    return None


def _steps_per_second(scenario: Scenario, spec: GpuSpec, count: int) -> float | None:
    if spec.bandwidth_gb_s is None:
        return None
    architecture = scenario.model.architecture
    share = architecture.active_parameters / architecture.parameters
    read = weights_of(architecture, scenario.weights).bytes * share
    # Split layers are read one card after the other; split tensors at the same time.
    together = count if scenario.engine.tensor_parallel else 1
    return together * spec.bandwidth_gb_s * 1e9 / read
