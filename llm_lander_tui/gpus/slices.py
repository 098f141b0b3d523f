"""MIG slices: what CUDA does not join, no plan may join.

A process enumerates one MIG compute instance, whatever CUDA_VISIBLE_DEVICES lists, and GPU to GPU
transfers (peer to peer, NCCL) do not exist between instances: NVIDIA Multi-Instance GPU user guide,
"Device enumeration" and "Application considerations".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Gpu

ALONE = "A MIG slice works alone: neither CUDA nor NCCL joins it with another slice or GPU."


def joined(gpus: Sequence[Gpu]) -> bool:
    """Whether a plan on these cards would join a MIG slice with something else."""
    return len(gpus) > 1 and any(gpu.mig is not None for gpu in gpus)


def beyond_one(gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The slices to leave out at first: all beside whole cards, else all but the roomiest."""
    slices = [gpu for gpu in gpus if gpu.mig is not None]
    if len(slices) < len(gpus):
        return tuple(slices)
    return tuple(sorted(slices, key=lambda gpu: -gpu.free_bytes)[1:])
