"""CUDA_VISIBLE_DEVICES: which cards a CUDA program started here would see, and in which order.

The rules are CUDA's (CUDA C++ Programming Guide, environment variables): the list ends at the first
entry that names no card, a card named twice leaves none, an empty list hides all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"

_INDEX = re.compile(r"\s*\+?(\d+)")


class Device(Protocol):
    """What selection needs to know of a card or a MIG slice of one."""

    @property
    def index(self) -> int: ...

    @property
    def uuid(self) -> str | None: ...

    @property
    def mig(self) -> str | None: ...


def visible(devices: Sequence[Device], environment: Mapping[str, str]) -> list[int] | None:
    """Positions in `devices` that CUDA would show, in CUDA's order; None when it hides nothing.

    An index names a card with all of its MIG slices; CUDA itself would use the first.
    """
    value = environment.get(VARIABLE)
    if value is None:
        return None
    chosen: list[int] = []
    for entry in value.split(","):
        named = _named(entry, devices)
        if not named:
            break
        if any(position in chosen for position in named):
            return []
        chosen += named
    return chosen


def told(devices: Sequence[Device], value: str) -> tuple[list[int], str]:
    """Positions of the cards that a list chooses, and what has to be said where some are not here.

    No positions, where none is here: the choice of cards is then left as it is.
    """
    found = visible(devices, {VARIABLE: value}) or []
    entries = [entry.strip() for entry in value.split(",")]
    missing = [entry for entry in entries if not _named(entry, devices)]
    if not found:
        return found, f"{VARIABLE}={value} names no GPU that is here: the choice of cards is kept."
    if missing:
        return found, f"Of {VARIABLE}={value} only {len(found)} of {len(entries)} GPUs are here."
    return found, ""


def _named(entry: str, devices: Sequence[Device]) -> list[int]:
    """Positions of the devices that one entry of the list names."""
    entry = entry.strip()
    if entry.startswith(("GPU-", "MIG-")):
        found = [at for at, device in enumerate(devices) if (device.uuid or "").startswith(entry)]
        return found if len(found) == 1 else []
    if index := _INDEX.match(entry):
        return [at for at, device in enumerate(devices) if device.index == int(index[1])]
    return []


def note(environment: Mapping[str, str], hidden: int, names: Sequence[str]) -> str | None:
    """A sentence for the user about what the variable does to this reading; None if nothing.

    `names` are the names of all cards: indices may mean others when the cards differ, since CUDA
    counts the fastest card first unless CUDA_DEVICE_ORDER says otherwise.
    """
    value = environment.get(VARIABLE)
    if value is None:
        return None
    parts = []
    if hidden:
        parts.append(f"{VARIABLE}={value} hides {hidden} of {len(names)} GPUs.")
    by_index = any(_INDEX.match(entry) for entry in value.split(","))
    if by_index and len(set(names)) > 1 and environment.get(ORDER) != "PCI_BUS_ID":
        parts.append(
            "CUDA may count the cards in another order than shown here (the fastest first); "
            f"{ORDER}=PCI_BUS_ID makes the two agree."
        )
    return " ".join(parts) or None
