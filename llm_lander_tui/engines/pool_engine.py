"""What engines that serve from one pool of KV tokens share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from llm_lander_tui.engines.base import Known, Option
from llm_lander_tui.engines.pool_footprint import PoolFootprint, step_bytes
from llm_lander_tui.engines.pool_rules import Estimate, PoolRules
from llm_lander_tui.engines.refusals import Capability, cards_too_old, format_not_loaded
from llm_lander_tui.memory.degrees import Degrees, Remainder
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB, format_bytes, format_tokens

ACTIVATION_SPREAD = 0.15
"""Relative. Set wider than the 3 % of vLLM, since few logs of these engines print their peak."""
SINGLE_LIBRARIES = 256 * MIB
"""Workspaces of cuBLAS and attention on one rank: 0.24 to 0.27 GiB in vLLM logs on H100."""
PARALLEL_LIBRARIES = 2000 * MIB
"""With NCCL and custom all-reduce: SGLang prints 1.8 to 2.0 GiB at TP 8 (sgl-project/sglang pull
request 11716)."""
LIBRARIES_SPREAD = 0.5
"""Relative, as of vLLM's libraries: logs of one GPU print 0.05 to 0.3 GiB, and no law is known."""


class PoolEngine(ABC):
    """A serving engine with a token pool (`engines.base.Engine`)."""

    id: ClassVar[str]
    title: ClassVar[str]
    kv_formats: ClassVar[tuple[str, ...]] = ("bf16", "f16", "fp8")
    tensor_parallel: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = ()
    default_options: ClassVar[object] = None
    families: ClassVar[frozenset[str]]
    pipelines: ClassVar[bool] = True
    """Whether it divides layers over stages as well."""
    drafts: ClassVar[bool] = True
    """Whether it takes a draft model for speculative decoding."""
    floors: ClassVar[Mapping[str, Capability]] = {}
    """The least compute capability by weight format (`refusals.cards_too_old`)."""

    def runs(self, recipe: Recipe, model: Model) -> bool:
        return recipe.family in self.families and self.lacks(model) is None

    def lacks(self, model: Model) -> str | None:
        """Why the engine runs the model in no format; None where it does."""
        return None

    @abstractmethod
    def rules(self, scenario: Scenario) -> PoolRules:
        """How the engine spends memory on this scenario."""

    def footprint(self, scenario: Scenario) -> PoolFootprint:
        return PoolFootprint(scenario, self.rules(scenario), self.problems(scenario))

    def problems(self, scenario: Scenario) -> tuple[str, ...]:
        """Why the engine does not take the scenario, whatever the memory."""
        recipe, lacks = scenario.weights, self.lacks(scenario.model)
        problems = cards_too_old(self.title, recipe, scenario.gpus, self.floors)
        if recipe.family not in self.families:
            problems = (format_not_loaded(self.title, recipe, self.families),)
        if lacks is not None:
            problems += (lacks,)
        if scenario.pipeline_parallel > 1 and not self.pipelines:
            problems += (f"{self.title} has no pipeline parallelism; legal degree: 1.",)
        if scenario.draft is not None and not self.drafts:
            problems += (f"{self.title} takes no draft model.",)
        return problems

    @abstractmethod
    def command(self, scenario: Scenario, context: int) -> str: ...


def degrees_of(scenario: Scenario, *, whole_experts: bool = False) -> Degrees:
    """The scenario's own degrees, one copy of the model."""
    tp, pp = max(1, scenario.tensor_parallel), max(1, scenario.pipeline_parallel)
    return Degrees(tp, pp, whole_experts=whole_experts, remainder=Remainder.FIRST)


def step(scenario: Scenario, degrees: Degrees, tokens: int) -> Estimate:
    """Activations of a step of `tokens` tokens."""
    size = step_bytes(scenario.model.architecture, tokens, degrees)
    return Estimate(
        size,
        f"a step of {format_tokens(tokens)} tokens through the widest layer: {format_bytes(size)}.",
        Known.CALIBRATED,
        ACTIVATION_SPREAD,
        "memory_models C.2, fitted to vLLM profile runs",
    )


def libraries(scenario: Scenario) -> Estimate:
    """Workspaces of cuBLAS, and NCCL with more than one rank."""
    if scenario.tensor_parallel > 1:
        return Estimate(
            PARALLEL_LIBRARIES,
            f"NCCL and all-reduce buffers of {scenario.tensor_parallel} ranks.",
            Known.CALIBRATED,
            LIBRARIES_SPREAD,
            "sgl-project/sglang pull request 11716",
        )
    return Estimate(
        SINGLE_LIBRARIES,
        "cuBLAS and attention workspaces of one rank.",
        Known.CALIBRATED,
        LIBRARIES_SPREAD,
        "vLLM logs on H100, memory_models C.2",
    )


_DTYPES = {"BF16": "bfloat16", "FP16": "float16", "FP32": "float32"}


def cast_words(scenario: Scenario) -> list[str]:
    """--dtype where the plan's unquantised weights are not in the checkpoint's own type."""
    dtype = _DTYPES.get(scenario.weights.name)
    if dtype is None or dtype == scenario.model.architecture.dtype:
        return []
    return ["--dtype", dtype]
