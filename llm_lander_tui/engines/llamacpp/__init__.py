"""llama.cpp: GGUF weights, free memory, layers divided over GPUs and host."""

from __future__ import annotations

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.llamacpp.builds import Build
from llm_lander_tui.engines.llamacpp.command import server_command
from llm_lander_tui.engines.llamacpp.footprint import (
    MOST_SLOTS,
    LlamaCppFootprint,
    free_memory_budgets,
)
from llm_lander_tui.engines.llamacpp.offload import best_cpu_moe, best_gpu_layers, least_offload
from llm_lander_tui.engines.llamacpp.options import (
    OPTIONS,
    FlashAttention,
    LlamaCppOptions,
    SplitMode,
)
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario

KV_FORMATS = ("f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "f32", "q8_0/f16")


class LlamaCpp:
    """llama.cpp's `llama-server`; see `engines.base.Engine`."""

    id = "llama.cpp"
    title = "llama.cpp"
    kv_formats = KV_FORMATS
    tensor_parallel = False
    options: tuple[Option, ...] = OPTIONS
    default_options = LlamaCppOptions()
    offload_options = ("gpu_layers", "cpu_moe_layers")
    most_sequences = MOST_SLOTS

    def runs(self, recipe: Recipe, model: Model) -> bool:
        return recipe.family == "gguf"

    def footprint(self, scenario: Scenario) -> LlamaCppFootprint:
        budgets = free_memory_budgets(
            scenario.gpus, scenario.margin_bytes, "safety margin (llama.cpp's own is 1 GiB)"
        )
        return LlamaCppFootprint(scenario, own_options(scenario, LlamaCppOptions), budgets)

    def command(self, scenario: Scenario, context: int) -> str:
        return server_command(scenario, context, own_options(scenario, LlamaCppOptions))

    def offload(self, scenario: Scenario) -> tuple[str, int] | None:
        return least_offload(scenario)


LLAMACPP = LlamaCpp()

__all__ = [
    "LLAMACPP",
    "Build",
    "FlashAttention",
    "LlamaCpp",
    "LlamaCppOptions",
    "SplitMode",
    "best_cpu_moe",
    "best_gpu_layers",
]
