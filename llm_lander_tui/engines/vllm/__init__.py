"""vLLM: a paged KV cache in a fixed share of each card."""

from __future__ import annotations

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.vllm.command import serve_command
from llm_lander_tui.engines.vllm.footprint import VllmFootprint
from llm_lander_tui.engines.vllm.formats import loads
from llm_lander_tui.engines.vllm.options import OPTIONS, VllmOptions
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario


class Vllm:
    """vLLM's `vllm serve`; see `engines.base.Engine`."""

    id = "vllm"
    title = "vLLM"
    kv_formats = ("bf16", "f16", "fp8", "fp8_e5m2")
    tensor_parallel = True
    options: tuple[Option, ...] = OPTIONS
    default_options = VllmOptions()

    def runs(self, recipe: Recipe, model: Model) -> bool:
        return loads(recipe)

    def footprint(self, scenario: Scenario) -> VllmFootprint:
        return VllmFootprint(scenario, own_options(scenario, VllmOptions))

    def command(self, scenario: Scenario, context: int) -> str:
        return serve_command(scenario, context, own_options(scenario, VllmOptions))


VLLM = Vllm()

__all__ = ["VLLM", "Vllm", "VllmFootprint", "VllmOptions"]
