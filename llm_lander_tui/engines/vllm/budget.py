"""vLLM's rule for how much of a card it fills, and when it refuses to start."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from llm_lander_tui.engines.base import Budget
from llm_lander_tui.engines.vllm.options import Rules, VllmOptions
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.units import format_bytes

STEPS = 1000
"""The utilization is given to three decimals."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What a process takes on a card beside its budget: its CUDA context, which is there before
    vLLM's check, and in old versions the CUDA graphs, which come after it.
    """

    context: int
    graphs: int = 0

    @property
    def bytes(self) -> int:
        return self.context + self.graphs


def visible_bytes(gpu: Gpu) -> int:
    """What CUDA reports as the card's memory: all but what the driver keeps for itself."""
    return gpu.total_bytes - gpu.reserved_bytes


def utilization_for(room: int, gpu: Gpu) -> float:
    """The largest utilization, to three decimals, that asks for no more than `room` bytes."""
    return max(0.0, floor(STEPS * room / visible_bytes(gpu)) / STEPS)


def requested_bytes(gpu: Gpu, utilization: float) -> int:
    """Utilization x total, the memory that vLLM manages (v1/worker/utils.py request_memory)."""
    return ceil(visible_bytes(gpu) * utilization)


def asked_utilization(options: VllmOptions, rules: Rules) -> float:
    """The option, or the version's default."""
    return (
        rules.utilization
        if options.gpu_memory_utilization is None
        else (options.gpu_memory_utilization)
    )


def kept_utilization(
    gpus: tuple[Gpu, ...],
    asked: float,
    margin: int,
    outside: tuple[Outside, ...],
    *,
    stated: bool,
) -> float:
    """The utilization that leaves the margin free on every card: `asked` or less.

    `outside` is what the process takes beside its budget on each card. One flag holds for all
    cards, so the tightest decides. A utilization that was `stated` is not lowered by a card that
    refuses it anyway, nor without a margin: vLLM's own rule stands. The default is lowered to what
    is free, since the command can say so.
    """
    rooms = [
        (gpu, gpu.free_bytes - (out.bytes if margin > 0 else out.context))
        for gpu, out in zip(gpus, outside, strict=True)
        if not stated
        or (margin > 0 and requested_bytes(gpu, asked) <= gpu.free_bytes - out.context)
    ]
    return min((asked, *(utilization_for(room - max(0, margin), gpu) for gpu, room in rooms)))


def budget_of(
    gpu: Gpu, outside: Outside, margin: int, asked: float, utilization: float, *, stated: bool
) -> Budget:
    """The budget of one card, with the refusal of vLLM's own check at its start.

    That check goes by `asked` where it was `stated`, else by the `utilization` that the plan's
    command states. What is outside stands in the allocations too, so the budget includes it.
    """
    total = visible_bytes(gpu)
    wanted = requested_bytes(gpu, asked if stated else utilization)
    found = gpu.free_bytes - outside.context
    refusal = None
    if found < wanted:
        works = utilization_for(found - outside.graphs - margin, gpu)
        remedy = (
            f"start it with --gpu-memory-utilization {works:g}."
            if works > 0
            else "free memory on the card first."
        )
        refusal = (
            f"vLLM refuses to start: it wants {asked:g} of {format_bytes(total)} = "
            f"{format_bytes(wanted)} on {gpu.name}, where {format_bytes(max(0, found))} are free; "
            + remedy
        )
    why = (
        f"--gpu-memory-utilization {utilization:g} of {format_bytes(total)}, and "
        f"{format_bytes(outside.bytes)} that vLLM takes outside of it"
    )
    if utilization < asked:
        why += f"; {asked:g} would not leave the margin of {format_bytes(max(0, margin))} free"
    return Budget(requested_bytes(gpu, utilization) + outside.bytes, why, refusal)
