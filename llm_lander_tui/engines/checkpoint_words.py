"""What a start command names as its model: the repository, or a checkpoint that is still to make.

A command that named the repository for weights it does not hold would start something else than
what was planned, so it names a file or directory after model and format instead, and says so in a
comment line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llm_lander_tui.errors import SourceError
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario

CAST = frozenset(("BF16", "FP16", "FP32"))
"""Formats that a loader casts an unquantised checkpoint to."""

_COMMENT = re.compile(
    r"^# Put a checkpoint of (?P<model>.+) in (?P<weights>\S+) at (?P<path>.+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class NamedCheckpoint:
    """What the command names, and the comment that goes above it ("": it can be pasted as is)."""

    name: str
    comment: str = ""

    def above(self, command: str) -> str:
        """The command with its comment line above."""
        return f"{self.comment}\n{command}" if self.comment else command


def holds(model: Model, weights: Recipe) -> bool:
    """Whether the model's own checkpoint is in this format."""
    try:
        return recipe_of(model).name == weights.name
    except SourceError:
        return False


def at_load(scenario: Scenario, formats: Mapping[str, str]) -> str | None:
    """The engine's word for the plan's format where it makes it while loading, else None.

    `formats` are the names of the formats that the engine makes of an unquantised checkpoint.
    """
    if scenario.model.quantization or holds(scenario.model, scenario.weights):
        return None
    return formats.get(scenario.weights.name)


def named_checkpoint(
    scenario: Scenario, formats: Mapping[str, str] | None = None, suffix: str = ""
) -> NamedCheckpoint:
    """The model as released where it has or gets the plan's weights, else a marked placeholder.

    `formats` are those that the engine makes while loading; `suffix` ends the placeholder's name.
    """
    model, weights = scenario.model, scenario.weights
    cast = not model.quantization and weights.name in CAST and not _gguf(model)
    if holds(model, weights) or cast or at_load(scenario, formats or {}):
        return NamedCheckpoint(model.name)
    stem = model.name.rstrip("/").rpartition("/")[2].removesuffix(".gguf").replace(":", "-")
    name = f"{stem}-{weights.name}{suffix}"
    said = " ".join(f"Put a checkpoint of {model.name} in {weights.name} at {name}".split())
    return NamedCheckpoint(name, f"# {said}")


def named_in_comment(command: str, name: str) -> tuple[str, str] | None:
    """The model and the weight format that the comment on the placeholder `name` states."""
    for match in _COMMENT.finditer(command):
        if name.endswith(match["path"]):
            return match["model"], match["weights"]
    return None


def _gguf(model: Model) -> bool:
    return model.checkpoint is not None and model.checkpoint.container == "gguf"
