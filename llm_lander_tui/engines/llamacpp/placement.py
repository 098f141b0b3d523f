"""Which device each layer sits on: `-ngl`, `--tensor-split` and `--split-mode`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import pack, unpack

from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions, SplitMode


@dataclass(frozen=True, slots=True)
class Placement:
    """The device of each layer, and of the head with the final norm; HOST is the CPU."""

    layers: tuple[int, ...]
    output: int
    pipelined: bool = False
    """Several GPUs work on micro-batches in turn, each with copies of the graph's inputs."""

    @property
    def offloaded(self) -> int:
        """Layers on GPUs, the head counted as one (`offloaded 33/33 layers to GPU`)."""
        return sum(device != HOST for device in (*self.layers, self.output))


@lru_cache(maxsize=256)
def place(layers: int, options: LlamaCppOptions, free_bytes: tuple[int, ...]) -> Placement:
    """Where the `layers` layers and the head go (llama-model.cpp, `load_tensors`).

    The last `gpu_layers` of the layers + 1 units (the head is the last) are offloaded; unit i of n
    goes to the first GPU whose cumulative share exceeds i / n, the shares being `tensor_split` or
    the free bytes of each GPU. In row and none mode the main GPU holds all offloaded units.
    """
    units = layers + 1
    count = units if options.gpu_layers is None else max(0, min(options.gpu_layers, units))
    if not free_bytes:
        count = 0
    start = units - count
    if options.split_mode is not SplitMode.LAYER or len(free_bytes) == 1:
        main = options.main_gpu if options.main_gpu < len(free_bytes) else 0
        devices = [HOST] * start + [main] * count
    else:
        shares = _cumulative(options.tensor_split or free_bytes, len(free_bytes))
        devices = [HOST] * start + [
            min(bisect_right(shares, _single(i / count)), len(free_bytes) - 1) for i in range(count)
        ]
    pipelined = (
        len(free_bytes) > 1
        and options.split_mode is SplitMode.LAYER
        and count == units
        and options.kv_offload
        and not options.cpu_moe_layers
    )
    return Placement(tuple(devices[:-1]), devices[-1], pipelined)


def _single(value: float) -> float:
    """The value in single precision, in which llama.cpp divides."""
    rounded: float = unpack("f", pack("f", value))[0]
    return rounded


def _cumulative(weights: Sequence[float], gpus: int) -> list[float]:
    padded = [*map(_single, weights[:gpus]), *[0.0] * (gpus - len(weights))]
    if not any(padded):
        padded = [1.0] * gpus
    total, sums = 0.0, []
    for weight in padded:
        total = _single(total + weight)
        sums.append(total)
    return [_single(s / total) for s in sums]
