"""What runs beside the model: LoRA adapters and a draft model for speculative decoding."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm_lander_tui.engines.base import Allocation, Kind, Known
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.kv_rows import row_bytes
from llm_lander_tui.memory.lora import SIXTEEN_BIT, THIRTY_TWO_BIT, adapter_elements
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.sharding import stage_bytes
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.planner.scenario import Lora, Scenario
from llm_lander_tui.units import format_bytes, format_tokens


@dataclass(frozen=True, slots=True)
class Beside:
    """Bytes of adapters and of a draft model on one GPU, the draft's cache by token."""

    adapters: int = 0
    adapters_why: str = ""
    draft: int = 0
    draft_per_token: int = 0
    draft_name: str = ""

    @property
    def fixed(self) -> int:
        """Bytes whatever the load."""
        return self.adapters + self.draft

    def allocations(self, gpu: int, tokens: int) -> list[Allocation]:
        """The same itemised, for `tokens` cached tokens of all sequences."""
        found = []
        if self.adapters:
            source = "peft tuners/lora/layer.py; lora/layers/base_linear.py of the serving engines"
            found.append(
                Allocation(
                    gpu, Kind.LORA, self.adapters, Known.EXACT, self.adapters_why, source=source
                )
            )
        cache = tokens * self.draft_per_token
        if self.draft or cache:
            why = (
                f"{self.draft_name}: {format_bytes(self.draft)} of weights and "
                f"{format_tokens(tokens)} tokens of {self.draft_per_token:,} bytes."
            )
            source = "the draft's own shapes; its cache holds the same tokens"
            found.append(
                Allocation(gpu, Kind.DRAFT, self.draft + cache, Known.EXACT, why, source=source)
            )
        return found


NOTHING = Beside()


def beside_modules(scenario: Scenario, layers: range, *, first: bool) -> Beside:
    """Beside a model of PyTorch modules: PEFT adapters with their layers, the draft on one GPU.

    PEFT holds the adapters of a 16-bit model in FP32 (`autocast_adapter_dtype`).
    """
    found, lora = NOTHING, scenario.lora
    if lora is not None:
        elements = adapter_elements(scenario.model.architecture, layers)
        size = THIRTY_TWO_BIT * lora.adapters * lora.rank * elements
        found = Beside(size, _why(lora, "in FP32 beside every linear layer"))
    if scenario.draft is None or not first:
        return found
    architecture = scenario.draft.architecture
    return Beside(
        found.adapters,
        found.adapters_why,
        weights_of(architecture, recipe_of(scenario.draft)).bytes,
        architecture.kv_bytes_per_token,
        scenario.draft.name,
    )


def beside_pool(scenario: Scenario, degrees: Degrees, stage: range, *, last: bool) -> Beside:
    """Beside a served model: pools for adapters on every rank, the draft with the last stage."""
    found, lora = NOTHING, scenario.lora
    if lora is not None:
        elements = adapter_elements(scenario.model.architecture, stage, degrees)
        size = SIXTEEN_BIT * lora.adapters * lora.rank * elements
        found = Beside(size, _why(lora, "in 16 bits set aside for every linear layer"))
    if scenario.draft is None or not last:
        return found
    architecture = scenario.draft.architecture
    weights = weights_of(architecture, recipe_of(scenario.draft))
    return Beside(
        found.adapters,
        found.adapters_why,
        stage_bytes(weights, replace(degrees, pipeline=1))[0],
        sum(n * row_bytes(row, scenario.kv, degrees.tensor) for row, n in architecture.kv_rows),
        scenario.draft.name,
    )


def _why(lora: Lora, how: str) -> str:
    return f"{lora.adapters} adapters of rank {lora.rank}, {how}."
