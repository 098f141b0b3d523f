"""The memory that vLLM sets aside for LoRA adapters."""

from __future__ import annotations

from functools import lru_cache

from llm_lander_tui.memory.sharding import shard_shape
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.tensors import Part, Tensor
from llm_lander_tui.planner.scenario import Lora

ADAPTER_BYTES = 2
"""Adapters are held in the model's 16-bit format."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values that --max-lora-rank takes."""

_ADAPTED = (Part.ATTENTION, Part.MLP, Part.MIXER)


def max_lora_rank(rank: int) -> int:
    """The smallest --max-lora-rank that holds adapters of `rank`."""
    return next((r for r in RANKS if r >= rank), rank)


def lora_bytes(
    layer: Layer, lora: Lora, tensor_parallel: int, expert_parallel: bool = False
) -> int:
    """Bytes set aside for a layer on one rank, whatever the adapters touch.

    For every linear of the layer: adapters x (rank x inputs + outputs x rank). The outputs of a
    column-parallel and the inputs of a row-parallel layer divide over the ranks, the other side is
    whole (lora/layers/base_linear.py).
    """
    rank = max_lora_rank(lora.rank)
    sides = sum(
        _sides(tensor, tensor_parallel, expert_parallel)
        for tensor in layer.tensors()
        if tensor.linear and tensor.part in _ADAPTED and tensor.name != "ffn_gate_inp"
    )
    return ADAPTER_BYTES * lora.adapters * rank * sides


@lru_cache(maxsize=256)
def stage_lora_bytes(
    architecture: Architecture,
    layers: range,
    lora: Lora,
    tensor_parallel: int,
    expert_parallel: bool,
) -> int:
    """Bytes set aside for the layers of a pipeline stage on one rank; equal layers count once."""
    known: dict[int, int] = {}
    total = 0
    for i in layers:
        layer = architecture.layers[i]
        if id(layer) not in known:
            known[id(layer)] = lora_bytes(layer, lora, tensor_parallel, expert_parallel)
        total += known[id(layer)]
    return total


def _sides(tensor: Tensor, tensor_parallel: int, expert_parallel: bool) -> int:
    rows, columns, copies = shard_shape(tensor, tensor_parallel, expert_parallel)
    return copies * (rows + columns)
