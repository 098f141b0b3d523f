"""A small engine whose sums can be done by hand, and a model of round numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from llm_lander_tui.engines.base import Allocation, Budget, Kind, Known, Option
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB

SCRATCH = 100 * MIB


@dataclass(frozen=True)
class PlainOptions:
    scratch_mib: int = 100


class PlainFootprint:
    """Weights and cache divided evenly over the cards, and a rough scratch buffer on each."""

    notes = ()

    def __init__(self, scenario: Scenario) -> None:
        architecture = scenario.model.architecture
        self.count = max(1, len(scenario.gpus))
        self.weights = weights_of(architecture, scenario.weights).bytes // self.count
        self.per_token = round(architecture.kv_bytes_per_token * scenario.kv.k.bits / 16)
        self.scratch = (scenario.options or PlainOptions()).scratch_mib * MIB
        self.problems = () if scenario.gpus else ("no GPU",)
        self.budgets = tuple(
            Budget(gpu.free_bytes - scenario.margin_bytes, "free less the margin")
            for gpu in scenario.gpus
        )

    def needed(self, context, concurrency):
        cache = -(-self.per_token * context * concurrency // self.count)
        return [self.weights + cache + self.scratch for _ in self.budgets]

    def allocations(self, context, concurrency):
        cache = -(-self.per_token * context * concurrency // self.count)
        return tuple(
            allocation
            for gpu in range(len(self.budgets))
            for allocation in (
                Allocation(gpu, Kind.WEIGHTS, self.weights, Known.EXACT, "weights"),
                Allocation(gpu, Kind.KV_CACHE, cache, Known.EXACT, "cache"),
                Allocation(gpu, Kind.ACTIVATIONS, self.scratch, Known.ROUGH, "scratch", 0.5),
            )
        )


@dataclass(frozen=True)
class PlainEngine:
    id: str = "plain"
    title: str = "Plain"
    kv_formats: tuple[str, ...] = ("f16", "q8_0", "q4_0")
    tensor_parallel: bool = False
    default_options: PlainOptions = PlainOptions()
    options: tuple[Option, ...] = (
        Option("scratch_mib", "--scratch", "working memory", (50, 100, 200)),
    )

    def runs(self, recipe, model):
        return recipe.family in {"plain", "gguf"}

    def footprint(self, scenario):
        return PlainFootprint(scenario)

    def command(self, scenario, context):
        return f"plain --model {scenario.model.name} --context {context}"


@pytest.fixture(scope="session")
def engine() -> PlainEngine:
    return PlainEngine()


@pytest.fixture(scope="session")
def model() -> Model:
    """Llama-3.1-8B's shape: 8,030,261,248 parameters, 131,072 bytes of 16-bit cache per token."""
    config = {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    return Model("plain/8B", "manual", parse_config(config))


def card(free: int, total: int = 24 * GIB, index: int = 0) -> Gpu:
    return Gpu(index, "card", total, total - free, free)


@pytest.fixture(scope="session")
def scenario(engine, model) -> Scenario:
    from llm_lander_tui.memory import recipes

    return Scenario(model, engine, recipes.get("FP16"), kv_format("f16"), (card(24 * GIB),), 8192)
