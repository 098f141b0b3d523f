"""How well a model does on given cards, at a glance: for lists of many models."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import max_context
from llm_lander_tui.planner.scenario import Scenario

BITS = (8.5, 4.85, 3.4, 2.6)
"""Weight formats near these bits are tried, the most faithful first."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The most faithful of a few weight formats that gives the asked context, or else the most.

    `max_context` is None when none of them lands.
    """

    parameters: int
    weights: Recipe | None
    max_context: int | None


def glance(scenario: Scenario, model: Model) -> Glance:
    """The scenario's question about another model, with the formats left open."""
    parameters = model.architecture.parameters
    formats = [choices.nearest_weights(model, scenario.engine, bits) for bits in BITS]
    best: tuple[int, Recipe] | None = None
    wanted = min(scenario.context, moves.longest_context(model))
    for recipe in dict.fromkeys(recipe for recipe in formats if recipe is not None):
        start = moves.start(model, scenario.engine, scenario.gpus, recipe.bits)
        reach = max_context(
            replace(
                start,
                weights=recipe,
                kv=scenario.kv,
                concurrency=scenario.concurrency,
                margin_bytes=scenario.margin_bytes,
            )
        )
        if reach is not None and (best is None or reach > best[0]):
            best = (reach, recipe)
            if reach >= wanted:
                break
    if best is None:
        return Glance(parameters, None, None)
    return Glance(parameters, best[1], best[0])
