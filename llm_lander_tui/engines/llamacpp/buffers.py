"""Model buffers: which weight tensors each device holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp.cache import ALIGNMENT, ROW_PADDING
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.memory.lora import takes_adapter
from llm_lander_tui.memory.weights import BlockStorage, Weights, WeightTensor
from llm_lander_tui.models.tensors import Part, Shard
from llm_lander_tui.planner.scenario import Lora
from llm_lander_tui.units import round_up

EXPERT_SHARDS = (Shard.EXPERTS, Shard.EXPERTS_ROW)


@dataclass(frozen=True, slots=True)
class ModelBuffers:
    """Weight bytes of each device.

    `host_weights` are the weights in host memory that an operation reads as a whole, by layer, name
    and whether it is a bias: a prompt is computed on the GPU, which copies them one at a time.
    `head_copy` are the bytes of a tied embedding's second copy.
    """

    bytes: dict[int, int]
    host_weights: dict[tuple[int | None, str, bool], int]
    head_copy: int


@lru_cache(maxsize=512)
def model_buffers(weights: Weights, placement: Placement, cpu_moe_layers: int) -> ModelBuffers:
    """The weights by device (llama-model.cpp `load_tensors`, memory_models E).

    Embedding tables stay in host memory; a model without a head of its own gets a second copy of
    its embedding where the head sits. Experts of the first `cpu_moe_layers` layers stay in host
    memory. Vision and audio towers are files of their own (`--mmproj`).
    """
    held: dict[int, int] = {}
    host_weights: dict[tuple[int | None, str, bool], int] = {}
    head_copy = 0
    has_head = any(t.layer is None and t.tensor.part is Part.LM_HEAD for t in weights.tensors)
    # Equal layers share their tensor and storage objects, so each is padded once.
    padded: dict[tuple[int, int, bool], int] = {}
    for t in weights.tensors:
        tensor, layer = t.tensor, t.layer
        if tensor.part is Part.TOWER:
            continue
        if layer is None:
            is_table = tensor.part is Part.EMBEDDING
            device = HOST if is_table else placement.output
            copied = is_table and tensor.name == "token_embd" and not has_head
            if copied and placement.output != HOST:
                head_copy = _tensor_bytes(t, placement.output)
                held[placement.output] = held.get(placement.output, 0) + head_copy
        else:
            device = placement.layers[layer]
            if layer < cpu_moe_layers and tensor.shard in EXPERT_SHARDS:
                device = HOST
        if device == HOST and tensor.part is not Part.EMBEDDING:
            host_weights[layer, tensor.name, tensor.bias] = t.bytes
        key = id(tensor), id(t.storage), device == HOST
        taken = padded.get(key)
        if taken is None:
            taken = padded[key] = _tensor_bytes(t, device)
        held[device] = held.get(device, 0) + taken
    return ModelBuffers(held, host_weights, head_copy)


def adapter_bytes(weights: Weights, placement: Placement, lora: Lora | None) -> dict[int, int]:
    """Bytes of LoRA adapters by device: rank x (inputs + outputs) of linear layers, 32 bits.

    `convert_lora_to_gguf` writes 32-bit tensors unless told otherwise; each lies with the layer
    that it adapts (llama-adapter.cpp).
    """
    held: dict[int, int] = {}
    if lora is None:
        return held
    for t in weights.tensors:
        if t.layer is None or not takes_adapter(t.tensor) or t.tensor.rows == 1:
            continue
        device = placement.layers[t.layer]
        elements = t.tensor.copies * (t.tensor.rows + t.tensor.columns)
        held[device] = held.get(device, 0) + 4 * lora.adapters * lora.rank * elements
    return held


def _tensor_bytes(t: WeightTensor, device: int) -> int:
    """Bytes that a tensor takes in a buffer; CUDA pads the last row of quantised ones."""
    size = t.bytes
    if device != HOST and isinstance(t.storage, BlockStorage):
        block, columns = t.storage.block, t.tensor.columns
        if block.size > 1 and columns % ROW_PADDING:
            size += block.row_bytes(ROW_PADDING - columns % ROW_PADDING)
    return round_up(size, ALIGNMENT if device != HOST else 32)
