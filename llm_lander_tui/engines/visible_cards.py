"""Which cards a start command sees: the plan's own, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from llm_lander_tui.gpus.gpu import Gpu


def on_cards(gpus: Sequence[Gpu], line: str) -> str:
    """A command line that sees these cards only, by the numbers that the driver gives them.

    A MIG instance has no number that CUDA takes and goes by its UUID. Hypothetical cards cannot be
    named, so the line stays as it is.
    """
    devices = visible_devices(gpus)
    return f"{devices} {line}" if devices else line


def visible_devices(gpus: Sequence[Gpu]) -> str:
    """The assignments that show CUDA these cards only; "" where one is hypothetical."""
    if not gpus or any(gpu.hypothetical for gpu in gpus):
        return ""
    names = [gpu.uuid if gpu.mig and gpu.uuid else str(gpu.index) for gpu in gpus]
    return f"CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={','.join(names)}"
