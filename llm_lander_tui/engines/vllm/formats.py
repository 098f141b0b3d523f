"""The weight formats that vLLM loads, and on which cards."""

from __future__ import annotations

from collections.abc import Mapping

from llm_lander_tui.engines.refusals import ANY, Capability, cards_too_old, format_not_loaded
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.planner.scenario import Scenario

FAMILIES = frozenset(("gptq", "awq", "fp8", "int8", "bnb", "mxfp4", "nvfp4", "compressed-tensors"))
PLAIN = frozenset(("BF16", "FP16", "FP32"))
"""Number formats that vLLM computes weights in; others need a method that says how."""
FLOORS: Mapping[str, Capability] = {
    ANY: (7, 0),
    **dict.fromkeys(("awq", "int8", "fp8", "nvfp4", "compressed-tensors"), (7, 5)),
    "mxfp4": (8, 0),
}
"""docs/features/quantization: AWQ, INT8 and Marlin kernels (FP8, FP4 as weights only) from Turing
on, GPTQ and bitsandbytes from Volta on; MXFP4 experts by Marlin from Ampere on."""


def loads(recipe: Recipe) -> bool:
    """Whether vLLM loads weights in this format."""
    return recipe.family in FAMILIES or recipe.name in PLAIN


def format_problems(scenario: Scenario) -> tuple[str, ...]:
    """Why vLLM does not load the scenario's weights on its cards; empty where it does."""
    recipe = scenario.weights
    if recipe.family == "gguf":
        return (
            f"vLLM's loader for GGUF is experimental and not planned here; serve {recipe.name} "
            "with llama.cpp, or choose a format of vLLM's own.",
        )
    if not loads(recipe):
        return (format_not_loaded("vLLM", recipe, (*FAMILIES, *PLAIN)),)
    return cards_too_old("vLLM", recipe, scenario.gpus, FLOORS)
