"""A measured log as a record, and what a prediction of it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llm_lander_tui.models.model import Model

Record = Mapping[str, object]
"""One line of a log file: launch options and measured numbers."""

ModelOf = Callable[[str], Model]
"""The model of a config stem ("Qwen__Qwen3-8B"). Raises `LanderError` when there is none."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity of a record, in one unit for both (bytes, bytes per token, tokens, blocks)."""

    quantity: str
    measured: float
    predicted: float
    spread: float = 0.0
    """How far the plan itself says that a figure may be off (0.3 = ±30 %)."""
    rounding: float = 0.0
    """Half of the last digit that the log prints, as a share of the figure."""
    doubts: tuple[str, ...] = ()
    """What the record leaves open of the figure."""

    @property
    def error(self) -> float:
        """Relative error of the prediction; 0.04 is 4 % too much."""
        if self.measured == self.predicted:
            return 0.0
        return self.predicted / self.measured - 1 if self.measured else float("inf")


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a record cannot be predicted, in a few words that can be counted."""

    reason: str


Predicted = Sequence[Comparison] | Skipped
"""What a predictor answers. Predictors may raise `LanderError`; the run turns it into `Skipped`."""

Predictor = Callable[[Record, ModelOf], Predicted]
