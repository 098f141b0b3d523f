"""The best balanced configuration for a model on given cards, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.planner import choices
from llm_lander_tui.planner.evaluate import max_context
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_tokens

COMFORTABLE_CONTEXT = 32768
"""Tokens beyond which more context is no longer weighed against fidelity."""

_WEIGHT_COST = ((8.0, 0.0), (6.0, 0.5), (5.0, 1.0), (4.0, 1.5), (3.0, 4.0), (2.0, 8.0))
_HALVING_COST = 3.0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A scenario in its recommended formats, how far it reaches, and why it was chosen."""

    scenario: Scenario
    max_context: int
    reason: str


def recommend(scenario: Scenario, kvs: tuple[KvFormat, ...] | None = None) -> Recommendation | None:
    """The formats of the scenario's engine that balance fidelity and context; None if none lands.

    `kvs` limits the KV formats considered (None: all of the engine).

    Every weight format x KV format is ranked by a cost in steps: fidelity lost in the weights (none
    down to 8 bits, little down to 4, much below; above 8 bits the price is reading twice the bytes
    per token), fidelity lost in the cache, and three steps for every halving of the context below
    what was asked or 32,768 tokens, whichever is larger, as far as the model supports it.
    """
    limit = scenario.model.architecture.context_limit
    wanted = max(scenario.context, COMFORTABLE_CONTEXT)
    wanted = min(wanted, limit.trained) if limit is not None else wanted
    best: tuple[float, Recipe, KvFormat, int] | None = None
    for weights in choices.weight_formats(scenario.model, scenario.engine):
        for kv in kvs or choices.kv_columns(scenario.engine, scenario.kv):
            floor = _weights_cost(weights) + _kv_cost(kv)
            if best is not None and floor >= best[0]:
                continue
            reach = max_context(replace(scenario, weights=weights, kv=kv))
            if not reach:
                continue
            cost = floor + _HALVING_COST * max(0.0, log2(wanted / reach))
            if best is None or cost < best[0]:
                best = (cost, weights, kv, reach)
    if best is None:
        return None
    _, weights, kv, reach = best
    chosen = replace(scenario, weights=weights, kv=kv)
    return Recommendation(chosen, reach, _reason(chosen, reach, wanted))


def _weights_cost(recipe: Recipe) -> float:
    if recipe.bits > 12:
        return 1.0
    return next((cost for bits, cost in _WEIGHT_COST if recipe.bits >= bits), 16.0)


def _kv_cost(kv: KvFormat) -> float:
    bits = choices.kv_bits(kv)
    return 0.0 if bits >= 16 else 1.0 if bits >= 8 else 3.0 if bits >= 5 else 5.0


def _reason(scenario: Scenario, reach: int, wanted: int) -> str:
    chosen = f"{scenario.weights.name} weights with {scenario.kv.name} cache"
    held = f"{chosen} hold {format_tokens(reach)} tokens"
    if reach < wanted:
        held += f" of the {format_tokens(wanted)} wanted"
    formats = choices.weight_formats(scenario.model, scenario.engine)
    more = [r for r in formats if r.bits > scenario.weights.bits]
    if not more:
        return f"{held}, and no more faithful weights exist."
    other = more[-1]
    instead = max_context(replace(scenario, weights=other))
    there = "would not land" if not instead else f"would hold {format_tokens(instead)}"
    return f"{held}; the next more faithful, {other.name}, {there}."
