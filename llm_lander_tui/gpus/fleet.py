"""The cards that a plan may use: real ones as last read, hypothetical ones, and the choice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llm_lander_tui.gpus import slices
from llm_lander_tui.units import MIB

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Gpu

QUANTUM = 64 * MIB
"""Free memory of a real card is planned with in steps of this, so that the answer stands still."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Real and hypothetical cards, with the keys of those that the plan leaves out."""

    real: tuple[Gpu, ...] = ()
    hypothetical: tuple[Gpu, ...] = ()
    unused: frozenset[str] = frozenset()

    @property
    def cards(self) -> tuple[Gpu, ...]:
        """All cards, real ones first."""
        return (*self.real, *self.hypothetical)

    @property
    def chosen(self) -> tuple[Gpu, ...]:
        """The cards that the plan uses."""
        return tuple(card for card in self.cards if key(card) not in self.unused)

    def read(self, gpus: Iterable[Gpu]) -> Fleet:
        """The fleet after a new reading of the real cards.

        Cards that turn up beside hypothetical ones are left out until they are chosen, and so are
        MIG slices that cannot be joined with what is chosen.
        """
        known = {key(card): card for card in self.real}
        real = tuple(planned(gpu, known.get(key(gpu))) for gpu in gpus)
        new = {key(card) for card in real} - known.keys()
        if not self.hypothetical:
            new &= {key(card) for card in slices.beyond_one(real)}
        return replace(self, real=real, unused=self.unused | new)

    def toggled(self, card: Gpu) -> Fleet:
        """With the card left out, or taken in again."""
        return replace(self, unused=self.unused ^ {key(card)})

    def adding(self, gpus: Iterable[Gpu]) -> Fleet:
        """With hypothetical cards added, numbered after all others."""
        first = 1 + max((card.index for card in self.cards), default=-1)
        added = tuple(
            replace(gpu, index=first + n, hypothetical=True) for n, gpu in enumerate(gpus)
        )
        return replace(self, hypothetical=(*self.hypothetical, *added))

    def without(self, card: Gpu) -> Fleet:
        """With a hypothetical card gone, or a real one left out."""
        if not card.hypothetical:
            return replace(self, unused=self.unused | {key(card)})
        return replace(
            self,
            hypothetical=tuple(c for c in self.hypothetical if key(c) != key(card)),
            unused=self.unused - {key(card)},
        )

    def grown(self) -> Fleet:
        """With one card more: the next that is left out, else another like the last, empty.

        A MIG slice is not joined with another card: the fleet stays as it is.
        """
        if any(card.mig is not None for card in self.chosen):
            return self
        spare = [card for card in self.cards if key(card) in self.unused and card.mig is None]
        if spare:
            return self.toggled(spare[0])
        return self.adding([emptied(self.cards[-1])]) if self.cards else self

    def shrunk(self) -> Fleet:
        """With one card less, the last; the last of all stays."""
        return self.without(self.chosen[-1]) if len(self.chosen) > 1 else self


def key(gpu: Gpu) -> str:
    """What identifies a card between readings."""
    return f"what-if {gpu.index}" if gpu.hypothetical else gpu.uuid or str(gpu.index)


def planned(gpu: Gpu, before: Gpu | None) -> Gpu:
    """A real card as plans see it: sensors left out, free memory in steps.

    The step of the reading `before` is kept while free memory stays within two steps above it, and
    is never above what is free.
    """
    from llm_lander_tui.gpus.gpu import Gpu

    free = gpu.free_bytes - gpu.free_bytes % QUANTUM
    if before is not None and 0 <= gpu.free_bytes - before.free_bytes < 2 * QUANTUM:
        free = before.free_bytes
    return Gpu(
        gpu.index,
        gpu.name,
        gpu.total_bytes,
        gpu.total_bytes - free - gpu.reserved_bytes,
        free,
        reserved_bytes=gpu.reserved_bytes,
        uuid=gpu.uuid,
        mig=gpu.mig,
        nvlinks=gpu.nvlinks,
        spec=gpu.spec,
        compute_capability=gpu.compute_capability,
        multiprocessors=gpu.multiprocessors,
    )


def emptied(gpu: Gpu) -> Gpu:
    """A hypothetical card of the same kind with nothing on it."""
    from llm_lander_tui.gpus.gpu import Gpu

    if gpu.hypothetical:
        return gpu
    return Gpu(
        gpu.index,
        gpu.name,
        gpu.total_bytes,
        0,
        gpu.total_bytes - gpu.reserved_bytes,
        reserved_bytes=gpu.reserved_bytes,
        hypothetical=True,
        spec=gpu.spec,
        compute_capability=gpu.compute_capability,
        multiprocessors=gpu.multiprocessors,
    )
