"""Why an engine does not start with a format, a model or a card, each with a way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.weights import Recipe

Capability = tuple[int, int]
"""CUDA's compute capability: (8, 9)."""
ANY = ""
"""The key of an engine's floor for every format, in a table of floors by weight format."""


def format_not_loaded(title: str, recipe: Recipe, families: Collection[str]) -> str:
    """The problem of weights in a format that the engine does not load."""
    return f"{title} does not load {recipe.name} weights; it loads {', '.join(sorted(families))}."


def cards_too_old(
    title: str, recipe: Recipe, gpus: Sequence[Gpu], floors: Mapping[str, Capability]
) -> tuple[str, ...]:
    """The problem of cards that the engine has no kernels for; empty where all are new enough.

    `floors` are the least compute capabilities by weight family or by the name of one format in it,
    and under `ANY` for all of them. A card whose capability is not known passes.
    """
    least = max(floors.get(key, (0, 0)) for key in (ANY, recipe.family, recipe.name))
    for gpu in gpus:
        has = gpu.capability
        if has is None or has >= least:
            continue
        why = f"{title} runs {recipe.name} weights on compute capability {_words(least)} and newer"
        if has < floors.get(ANY, (0, 0)):
            why = f"{title} runs on compute capability {_words(floors[ANY])} and newer"
            way_out = "Choose llama.cpp, or newer cards."
        else:
            way_out = "Choose another format, or newer cards."
        return (f"{why}; {gpu.name} has {_words(has)}. {way_out}",)
    return ()


def _words(capability: Capability) -> str:
    return f"{capability[0]}.{capability[1]}"
