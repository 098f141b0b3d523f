"""The what-if keys: which move each makes, and why one may have nothing to turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.engines import registry
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Knob:
    """A move by steps, and the sentence for when it changes nothing."""

    move: Callable[[Scenario, int], Scenario]
    stuck: Callable[[Scenario, int], str]


def _engine(scenario: Scenario, by: int) -> Scenario:
    """The next engine that runs the model in some format."""
    able = [e for e in registry.engines() if choices.weight_formats(scenario.model, e)]
    ids = [e.id for e in able]
    if scenario.engine.id not in ids:
        return moves.with_engine(scenario, able[0]) if able else scenario
    at = (ids.index(scenario.engine.id) + by) % len(ids)
    return scenario if len(ids) == 1 else moves.with_engine(scenario, able[at])


def _context(scenario: Scenario, by: int) -> Scenario:
    return moves.scale_context(scenario, up=by > 0)


def _concurrency(scenario: Scenario, by: int) -> Scenario:
    return moves.step_concurrency(scenario, up=by > 0)


def _context_stuck(scenario: Scenario, by: int) -> str:
    if by < 0:
        return f"{scenario.context:,} tokens is the smallest context that is planned."
    return f"{scenario.context:,} tokens is the limit of {scenario.model.name}."


def _parallel_stuck(scenario: Scenario, by: int) -> str:
    if len(scenario.gpus) < 2:
        return "Tensor parallelism needs a second GPU: press g."
    return f"{scenario.engine.title} divides layers over the GPUs, not tensors."


KNOBS = {
    "weights": Knob(
        moves.step_weights,
        lambda s, by: f"{s.engine.title} runs {s.model.name} in {s.weights.name} only.",
    ),
    "kv": Knob(
        moves.step_kv,
        lambda s, by: f"{s.engine.title} has no other KV format than {s.kv.name}.",
    ),
    "engine": Knob(_engine, lambda s, by: f"No other engine runs {s.model.name}."),
    "context": Knob(_context, _context_stuck),
    "fine": Knob(moves.nudge_context, _context_stuck),
    "concurrency": Knob(
        _concurrency,
        lambda s, by: "One sequence is the least." if by < 0 else "More is not planned.",
    ),
    "parallel": Knob(moves.step_tensor_parallel, _parallel_stuck),
}
