"""LoRA adapters: a pair of thin matrices beside every linear layer."""

from __future__ import annotations

from functools import lru_cache

from llm_lander_tui.memory.degrees import ONE_RANK, Degrees
from llm_lander_tui.memory.sharding import shard_shape
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.tensors import Part, Tensor

SIXTEEN_BIT = 2
"""Bytes of an adapter's element where it is held in the model's own format."""
THIRTY_TWO_BIT = 4
"""The same where adapters are held in FP32 (PEFT)."""

_ADAPTED = (Part.ATTENTION, Part.MLP, Part.MIXER)
_ROUTER = "ffn_gate_inp"


@lru_cache(maxsize=256)
def adapter_elements(architecture: Architecture, layers: range, degrees: Degrees = ONE_RANK) -> int:
    """Elements of an adapter of rank 1 on every linear layer of a range, on one rank.

    An adapter of rank r takes r x (inputs + outputs) (memory_models F). The side by which the
    linear layer is divided is divided for its adapter too, the other one is whole
    (vllm/lora/layers/base_linear.py).
    """
    known: dict[int, int] = {}
    total = 0
    for i in layers:
        layer = architecture.layers[i]
        if id(layer) not in known:
            known[id(layer)] = _sides(layer, degrees)
        total += known[id(layer)]
    return total


def takes_adapter(tensor: Tensor) -> bool:
    """Whether an adapter on every linear layer has a pair of matrices for this tensor.

    Routers have none: in Transformers 5 they are no `nn.Linear`, which is what PEFT's "all-linear"
    looks for (peft/tuners/tuners_utils.py), and llama.cpp holds what the adapter has.
    """
    return tensor.linear and tensor.part in _ADAPTED and tensor.name != _ROUTER


def _sides(layer: Layer, degrees: Degrees) -> int:
    total = 0
    for tensor in layer.tensors():
        if takes_adapter(tensor):
            rows, columns, copies = shard_shape(tensor, degrees)
            total += copies * (rows + columns)
    return total
