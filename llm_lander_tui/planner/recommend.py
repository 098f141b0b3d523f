"""The best balanced configuration for a model on given cards, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from llm_lander_tui.errors import SourceError
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.planner import choices
from llm_lander_tui.planner.evaluate import max_context
from llm_lander_tui.planner.fidelity import faithful_bits
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_tokens

COMFORTABLE_CONTEXT = 32768
"""Tokens beyond which more context is no longer weighed against fidelity."""

_LOSS_AT_NOMINAL = 1.5
_NOMINAL_BITS = 4.8
_LOSS_DOUBLES_PER_BIT = 1.6
"""Steps lost at 4.8 bits (Q4_K_M), and how often they double with every bit less: a rank after the
common finding that perplexity worsens about threefold per bit, not a measure of any model."""
_HALVING_COST = 3.0
_QUANTISED_BITS = 12.0
_MORE_THAN_RELEASED = 2.0
"""Steps for storing released weights in more bits than they hold."""


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
    in the format that the model was released in, next to none at 8 bits, more than double with
    every bit less; at 16 bits the price is reading twice the bytes per token), fidelity lost in the
    cache, and three steps for every halving of the context below what was asked or 32,768 tokens,
    whichever is larger, as far as the model supports it.
    """
    limit = scenario.model.architecture.context_limit
    wanted = max(scenario.context, COMFORTABLE_CONTEXT)
    wanted = min(wanted, limit.trained) if limit is not None else wanted
    formats = choices.weight_formats(scenario.model, scenario.engine)
    losses = _weight_losses(scenario, formats)
    pairs = [
        (losses[weights] + _kv_loss(kv), weights, kv)
        for weights in formats
        for kv in kvs or choices.kv_columns(scenario.engine, scenario.kv)
    ]
    best: tuple[float, Recipe, KvFormat, int] | None = None
    for loss, weights, kv in sorted(pairs, key=lambda pair: pair[0]):
        if best is not None and loss >= best[0]:
            break
        reach = max_context(replace(scenario, weights=weights, kv=kv))
        if not reach:
            continue
        cost = loss + _HALVING_COST * max(0.0, log2(wanted / reach))
        if best is None or cost < best[0]:
            best = (cost, weights, kv, reach)
    if best is None:
        return None
    _, weights, kv, reach = best
    chosen = replace(scenario, weights=weights, kv=kv)
    return Recommendation(chosen, reach, _reason(chosen, reach, wanted))


def _weight_losses(scenario: Scenario, formats: tuple[Recipe, ...]) -> dict[Recipe, float]:
    """Steps of fidelity lost by format; GGUF files cost a quarter where an engine has its own."""
    released = _released(scenario)
    mixed = any(recipe.family != "gguf" for recipe in formats)
    return {
        recipe: _weight_loss(recipe, released) + (0.25 if mixed and recipe.family == "gguf" else 0)
        for recipe in formats
    }


def _weight_loss(recipe: Recipe, released: Recipe | None) -> float:
    if released is not None and released.bits <= _QUANTISED_BITS:
        if recipe.name.startswith(released.name):
            return 0.0
        if recipe.bits > released.bits:
            return _MORE_THAN_RELEASED + recipe.bits / 16
    if recipe.bits > _QUANTISED_BITS:
        return 1.0
    return _LOSS_AT_NOMINAL * 2 ** (_LOSS_DOUBLES_PER_BIT * (_NOMINAL_BITS - faithful_bits(recipe)))


def _kv_loss(kv: KvFormat) -> float:
    bits = choices.kv_bits(kv)
    return 0.0 if bits >= 16 else 1.0 if bits >= 8 else 3.0 if bits >= 5 else 5.0


def _reason(scenario: Scenario, reach: int, wanted: int) -> str:
    chosen = f"{scenario.weights.name} weights with {scenario.kv.name} cache"
    held = f"{chosen} hold {format_tokens(reach)} tokens"
    if reach < wanted:
        held += f" (short of {format_tokens(wanted)})"
    formats = choices.weight_formats(scenario.model, scenario.engine)
    here = faithful_bits(scenario.weights)
    more = [r for r in formats if faithful_bits(r) > here]
    if not more:
        return f"{held}, and no more faithful weights exist."
    if scenario.weights == _released(scenario):
        return f"{held} in the format that the model was released in."
    other = min(more, key=faithful_bits)
    instead = max_context(replace(scenario, weights=other)) or 0
    if instead >= min(reach, wanted):
        times = other.bits / scenario.weights.bits
        return (
            f"{held}; {other.name} would hold them too, but read {times:.1f} times the bytes for "
            "every token, for a fidelity that hardly differs."
        )
    there = f"would hold {format_tokens(instead)}" if instead else "would not land"
    return f"{held}; the next more faithful, {other.name}, {there}."


def _released(scenario: Scenario) -> Recipe | None:
    """The format that the model was released in; None where it cannot be read."""
    try:
        return recipe_of(scenario.model)
    except SourceError:
        return None
