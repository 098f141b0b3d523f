"""How well a model does on given cards, at a glance: for lists of many models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import evaluate, max_context
from llm_lander_tui.planner.scenario import Scenario

BITS = (8.5, 4.85, 3.4, 2.6)
"""Weight formats near these bits are tried, the most faithful first."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The most faithful of a few weight formats that gives the asked context, or else the most.

    `max_context` is None when none of them lands; it holds with the question's own KV format.
    """

    parameters: int
    weights: Recipe | None
    max_context: int | None
    kv: KvFormat | None = None

    @property
    def formats(self) -> str:
        """The weight format, and the KV format where it is smaller than 16 bits."""
        if self.weights is None:
            return "–"
        if self.kv is None or choices.kv_bits(self.kv) >= 16:
            return self.weights.name
        return f"{self.weights.name} {self.kv.name}"


def glance(scenario: Scenario, model: Model, among: Sequence[Recipe] = ()) -> Glance:
    """The scenario's question about another model, with the format left open.

    `among` are the formats that it can be had in, the most faithful first; without them a few of
    the engine's are tried.
    """
    parameters = model.architecture.parameters
    formats: Sequence[Recipe | None] = among or [
        choices.nearest_weights(model, scenario.engine, bits) for bits in BITS
    ]
    best: tuple[int, Recipe] | None = None
    moved = moves.with_model(scenario, model)
    for recipe in dict.fromkeys(recipe for recipe in formats if recipe is not None):
        reach = max_context(replace(moved, weights=recipe))
        if reach is not None and (best is None or reach > best[0]):
            best = (reach, recipe)
            if reach >= moved.context:
                break
    if best is None:
        return Glance(parameters, None, None)
    return Glance(parameters, best[1], best[0], moved.kv)


def promised(scenario: Scenario, model: Model, quantizations: Collection[str] = ()) -> Glance:
    """What the program plans when that model is chosen.

    `quantizations` are the weight formats that its files are in, where they are known. Raises
    `UsageError` where the engine runs the model in no format.
    """
    there = [r for r in choices.weight_formats(model, scenario.engine) if r.name in quantizations]
    if there:
        return glance(scenario, model, there)
    moved = moves.with_model(scenario, model)
    plan = evaluate(moved)
    if not plan.fits:
        return glance(moved, model)
    limits = plan.limits
    return Glance(model.architecture.parameters, moved.weights, limits.max_context, moved.kv)
