"""What is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.engines.base import Allocation, Budget
from llm_lander_tui.planner.scenario import Scenario


class Binding(StrEnum):
    """Which of the two limits ends the context first."""

    MEMORY = "memory"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the scenario can go.

    `lands` tells whether the model fits at all, with a context of nothing. `memory_context` is the
    largest context that memory alone allows (the theoretical limit, searched up to `searched_to`),
    `model_context` what the model itself supports, None when unknown, and `max_context` the smaller
    of the two, which `binding` names. `max_concurrency` is the number of sequences of the
    scenario's context that fit. `safe_context` still fits when every calibrated or rough allocation
    is as large as its spread allows, `hopeful_context` when each is as small.
    """

    lands: bool
    memory_context: int
    model_context: int | None
    max_context: int
    binding: Binding
    searched_to: int
    max_concurrency: int
    safe_context: int
    hopeful_context: int


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU of the plan: its allocations against its budget."""

    gpu: int
    allocations: tuple[Allocation, ...]
    budget: Budget

    @property
    def needed_bytes(self) -> int:
        return sum(a.bytes for a in self.allocations)

    @property
    def spare_bytes(self) -> int:
        """Budget less need; negative when bytes are missing."""
        return self.budget.bytes - self.needed_bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer to a scenario."""

    scenario: Scenario
    devices: tuple[Device, ...]
    host: tuple[Allocation, ...]
    fits: bool
    limits: Limits
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Bytes that the plan needs on all GPUs."""
        return sum(device.needed_bytes for device in self.devices)

    @property
    def free_bytes(self) -> int:
        """Free bytes of all GPUs, as last read."""
        return sum(gpu.free_bytes for gpu in self.scenario.gpus)

    @property
    def short_bytes(self) -> int:
        """Bytes missing, summed over the GPUs that lack any; 0 when it fits."""
        return sum(max(0, -device.spare_bytes) for device in self.devices)

    @property
    def spare_bytes(self) -> int:
        """The least that any GPU has to spare; negative when one is short."""
        return min((device.spare_bytes for device in self.devices), default=0)
