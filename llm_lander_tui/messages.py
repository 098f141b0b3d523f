"""What threads tell the app; only the app changes state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from llm_lander_tui.errors import LanderError
    from llm_lander_tui.gpus.gpu import Reading
    from llm_lander_tui.models.model import Model
    from llm_lander_tui.planner.launched import Launched
    from llm_lander_tui.workbench import Result


@dataclass
class GpusRead(Message):
    """The sampler has a new reading."""

    reading: Reading

    def can_replace(self, message: Message) -> bool:
        """A later reading makes an earlier one worthless."""
        return isinstance(message, GpusRead)


@dataclass
class Progressed(Message):
    """A source tells how far it is."""

    text: str

    def can_replace(self, message: Message) -> bool:
        """Only the latest word counts."""
        return isinstance(message, Progressed)


@dataclass
class Worked(Message):
    """The workbench has a result."""

    result: Result


@dataclass
class ModelLoaded(Message):
    """A model was read."""

    model: Model
    launched: Launched | None = None
    """The start command that it was read for."""


@dataclass
class ModelFailed(Message):
    """A model could not be read."""

    name: str
    error: LanderError
    launched: Launched | None = None
    """The start command that it was to be read for."""
