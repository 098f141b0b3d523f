"""Which GPUs a question is about: named ones, a given free memory, or those of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from threading import Thread

from llm_lander_tui.errors import SourceError, UsageError
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.gpus.gpu import Gpu, GpuSource, Problem, Reading
from llm_lander_tui.units import MIB

WHAT_IF_GPU = "RTX 4090"
"""The catalogue GPU that is planned on when the machine has none."""

DRIVER_SECONDS = 10.0
"""How long a command waits for the driver; a first call may wake the cards, which takes seconds."""


def nvml_source(environment: Mapping[str, str] | None = None) -> GpuSource:
    """The driver of this machine, as seen in `environment` (None: this program's own)."""
    from llm_lander_tui.gpus.nvml import NvmlSource

    return NvmlSource(os.environ if environment is None else environment)


def read_within(source: GpuSource, seconds: float = DRIVER_SECONDS) -> Reading:
    """One reading, or the problem that the driver does not answer within `seconds`.

    The driver is asked in a thread that may hang alone: it keeps neither ctrl+c nor the end of the
    program waiting.
    """
    readings: list[Reading] = []
    thread = Thread(target=lambda: readings.append(source.read()), name="driver", daemon=True)
    thread.start()
    thread.join(seconds)
    if readings:
        return readings[0]
    return Reading(
        problem=Problem(
            "Driver does not answer",
            f"The NVIDIA driver has not answered for {seconds:g} seconds.",
            "See whether nvidia-smi hangs too; a GPU may have to be reset.",
        )
    )


def choose_gpus(
    named: str | None, count: int | None, free_mib: int | None, source: GpuSource
) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """The GPUs of a plan, and what has to be said about the choice.

    `named` takes from the catalogue ("4x RTX 4090"), else the driver is read; without a driver a
    catalogue GPU stands in, and a warning says so. `count` takes the first of them, or multiplies a
    single named one; `free_mib` overrides the free memory of each, and alone is a card of its own.
    Raises `UsageError` for an unknown name or more GPUs than there are.
    """
    warnings: tuple[str, ...] = ()
    if free_mib is not None and free_mib < 0:
        raise UsageError("Free memory", "Free memory cannot be negative.", "Use 0 or more.")
    if count is not None and count < 1:
        raise UsageError("GPUs", "A plan needs at least one GPU.", "Use --gpus 1 or more.")
    if named is not None:
        gpus = parse_gpus(named)
        if count is not None and len(gpus) == 1:
            gpus = tuple(replace(gpus[0], index=i) for i in range(count))
    elif free_mib is not None:
        free = free_mib * MIB
        card = Gpu(0, f"GPU with {free_mib:,} MiB free", free, 0, free, hypothetical=True)
        gpus = tuple(replace(card, index=i) for i in range(count or 1))
    else:
        reading = read_within(source)
        gpus, warnings = _read(reading)
        if not reading.gpus and count is not None:
            gpus = tuple(replace(gpus[0], index=i) for i in range(count))
    if count is not None and count > len(gpus):
        raise UsageError(
            "GPUs", f"{count} GPUs were asked for, {len(gpus)} are there.", "Name some with --gpu."
        )
    gpus = gpus[:count]
    if free_mib is not None:
        gpus = tuple(_with_free(gpu, free_mib * MIB) for gpu in gpus)
    return gpus, warnings


def _read(reading: Reading) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    problem = reading.problem
    said = () if problem is None else (f"{problem.message} {problem.remedy}".strip(),)
    if reading.gpus:
        return reading.gpus, (*said, *reading.notes)
    return parse_gpus(WHAT_IF_GPU), (*said, f"Planned as a what-if on one {WHAT_IF_GPU}.")


def _with_free(gpu: Gpu, free: int) -> Gpu:
    if free + gpu.reserved_bytes > gpu.total_bytes:
        raise UsageError(
            "Free memory",
            f"{free // MIB:,} MiB free is more than {gpu.name} has.",
            f"It has {(gpu.total_bytes - gpu.reserved_bytes) // MIB:,} MiB.",
        )
    return replace(gpu, free_bytes=free, used_bytes=gpu.total_bytes - gpu.reserved_bytes - free)


def require_gpus(reading: Reading) -> tuple[Gpu, ...]:
    """The GPUs of a reading. Raises `SourceError` when it has none."""
    problem = reading.problem
    if reading.gpus:
        return reading.gpus
    if problem is None:
        raise SourceError("No GPU", "The driver reports no GPU.", "")
    raise SourceError(problem.title, problem.message, problem.remedy)
