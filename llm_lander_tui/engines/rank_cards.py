"""The cards that ranks run on, for engines that divide tensors."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from llm_lander_tui.memory.degrees import Degrees


@runtime_checkable
class Copying(Protocol):
    """Options of an engine that runs several copies of the model (data parallel)."""

    @property
    def copies(self) -> int:
        """Copies of the model, each with tensor and pipeline parallel cards of its own."""
        ...


def copies_of(options: object) -> int:
    """How often an engine's options ask for the cards of tensor and pipeline parallelism."""
    return options.copies if isinstance(options, Copying) else 1


def too_many_ranks(degrees: Degrees, cards: int) -> tuple[str, ...]:
    """The problem of degrees that take more GPUs than are chosen; empty where they do not."""
    if degrees.ranks <= cards:
        return ()
    words = degrees.words
    return (f"{words[0].upper()}{words[1:]} takes {degrees.ranks} GPUs, and {cards} are chosen.",)


def unused_cards(degrees: Degrees, unused: int) -> str:
    """The note on chosen GPUs that no rank runs on."""
    taken = f"{degrees.words} takes {degrees.ranks}"
    return f"{unused} of the chosen GPUs stay unused: {taken}."
