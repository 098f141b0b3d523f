"""How much of a model to keep on the GPUs: the largest `-ngl`, the smallest `--n-cpu-moe`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llm_lander_tui.engines.base import Engine, Footprint
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.models.mlp import ExpertsMlp
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.planner.search import largest


def best_gpu_layers(scenario: Scenario) -> int | None:
    """The largest `--gpu-layers` with which the scenario fits its budgets; None when none does.

    Each candidate is evaluated in full. All layers are asked about first, since without weights in
    host memory no operation copies them to the GPU. The largest context for a given number is the
    planner's own search, with that number in the options.
    """
    layers = len(scenario.model.architecture.layers)
    if _fits(scenario, lambda o: replace(o, gpu_layers=layers + 1)):
        return layers + 1
    return largest(lambda n: _fits(scenario, lambda o: replace(o, gpu_layers=n)), layers)


def best_cpu_moe(scenario: Scenario) -> int | None:
    """The smallest `--n-cpu-moe` with which the scenario fits; None when it never does."""
    layers = scenario.model.architecture.layers
    if not any(isinstance(layer.mlp, ExpertsMlp) for layer in layers):
        return 0 if _fits(scenario, lambda o: replace(o, cpu_moe_layers=0)) else None
    if _fits(scenario, lambda o: replace(o, cpu_moe_layers=0)):
        return 0
    count = len(layers)
    kept = largest(
        lambda n: _fits(scenario, lambda o: replace(o, cpu_moe_layers=count - n)), count - 1
    )
    return None if kept is None else count - kept


def least_offload(scenario: Scenario) -> tuple[str, int] | None:
    """The option and its value that move the least to the host; see `engines.base.Offloading`.

    Experts first: a token uses few of them, so that the host has little to do for each.
    """
    experts = best_cpu_moe(scenario)
    if experts is not None:
        return ("cpu_moe_layers", experts) if experts else None
    layers = best_gpu_layers(scenario)
    everything = len(scenario.model.architecture.layers) + 1
    return None if layers is None or layers == everything else ("gpu_layers", layers)


def _fits(scenario: Scenario, change: Callable[[LlamaCppOptions], LlamaCppOptions]) -> bool:
    options = scenario.options
    base = options if isinstance(options, LlamaCppOptions) else LlamaCppOptions()
    engine: Engine = scenario.engine
    return fits_budgets(engine.footprint(replace(scenario, options=change(base))), scenario)


def fits_budgets(footprint: Footprint, scenario: Scenario) -> bool:
    """Whether a footprint is within its budgets with the context and load of the scenario."""
    needed = footprint.needed(scenario.context, scenario.concurrency)
    return not footprint.problems and all(
        need <= budget.bytes for need, budget in zip(needed, footprint.budgets, strict=True)
    )
