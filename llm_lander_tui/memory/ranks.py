"""What a rank of a served model holds of its weights: shards, and what engines add to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.sharding import pipeline_stages, shard_shape, stage_bytes
from llm_lander_tui.memory.storage import ScaledStorage
from llm_lander_tui.memory.weights import Recipe, Weights, weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import LatentAttention
from llm_lander_tui.models.tensors import Shard
from llm_lander_tui.units import ceil_div, round_up

MARLIN_SCALE_BYTES = 2
ABSORBED_BYTES = 2
"""The absorbed projections are held in 16 bits, whatever the checkpoint's format."""


@dataclass(frozen=True, slots=True)
class Tile:
    """What an engine's MXFP4 expert kernels pad each expert's sides to, in elements."""

    intermediate: int = 1
    hidden: int = 1


UNPADDED = Tile()


@dataclass(frozen=True, slots=True)
class Kernels:
    """What an engine's kernels keep of quantised matrices once they are loaded.

    `tile` is what experts in MXFP4 are padded to. Without `fp8` a card runs FP8 weights on Marlin's
    kernels, which repeat block scales for each output. Of GPTQ's dense matrices the packed
    `zero_points` and the `order` of the inputs (g_idx) may be left out.
    """

    tile: Tile = UNPADDED
    fp8: bool = True
    zero_points: bool = True
    order: bool = True


AS_STORED = Kernels()


@dataclass(frozen=True, slots=True)
class RankWeights:
    """Weight bytes of one rank of a pipeline stage."""

    tensors: int
    """Its shards of the checkpoint's tensors."""
    absorbed: int
    """The up-projections of latent attention, kept a second time at 16 bits for decoding."""
    padding: int
    """What fills the kernels' tiles."""
    scales: int = 0
    """What block scales grow by where they are repeated for each output."""
    dropped: int = 0
    """Zero points and input orders among the tensors that the kernels do not keep."""


@lru_cache(maxsize=1024)
def rank_weights(
    architecture: Architecture,
    recipe: Recipe,
    degrees: Degrees,
    kernels: Kernels = AS_STORED,
) -> tuple[RankWeights, ...]:
    """What each pipeline stage holds on each of its ranks."""
    weights = weights_of(architecture, recipe)
    padding = _padding_by_layer(weights, degrees, kernels.tile)
    scales = {} if kernels.fp8 else _repeated_scales(weights, degrees)
    dropped = _dropped(weights, degrees, kernels)
    stages = pipeline_stages(len(architecture.layers), degrees.pipeline, degrees.remainder)
    return tuple(
        RankWeights(
            tensors,
            sum(_absorbed_bytes(architecture.layers[i], degrees.tensor) for i in stage),
            sum(padding.get(i, 0) for i in stage),
            sum(scales.get(i, 0) for i in stage),
            sum(dropped.get(i, 0) for i in stage),
        )
        for tensors, stage in zip(stage_bytes(weights, degrees), stages, strict=True)
    )


def rope_table_bytes(architecture: Architecture, element_bytes: int) -> int:
    """Rotary tables of all positions: cos and sin of half the rotated elements each."""
    return sum(element_bytes * t.positions * t.dim for t in architecture.rope)


def _padding_by_layer(weights: Weights, degrees: Degrees, tile: Tile) -> dict[int, int]:
    """Bytes that fill the tiles of MXFP4 experts, by layer."""
    found: dict[int, int] = {}
    for weight in weights.tensors:
        tensor, storage = weight.tensor, weight.storage
        experts = tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW)
        if weight.layer is None or not experts or not tensor.linear or storage.name != "MXFP4":
            continue
        rows, columns, copies = shard_shape(tensor, degrees)
        sides = (tile.intermediate, tile.hidden)
        tall, wide = sides if tensor.shard is Shard.EXPERTS else sides[::-1]
        filled = storage.matrix_bytes(round_up(rows, tall), round_up(columns, wide))
        more = copies * (filled - storage.matrix_bytes(rows, columns))
        found[weight.layer] = found.get(weight.layer, 0) + more
    return found


def _repeated_scales(weights: Weights, degrees: Degrees) -> dict[int, int]:
    """Bytes by layer that FP8 block scales take more as a 16-bit scale per output and input block
    (vllm quantization/utils/marlin_utils_fp8.py, prepare_fp8_layer_for_marlin).
    """
    found: dict[int, int] = {}
    for weight in weights.tensors:
        storage = weight.storage
        if not isinstance(storage, ScaledStorage) or storage.name != "fp8":
            continue
        if weight.layer is None or storage.block_rows < 2:
            continue
        rows, columns, copies = shard_shape(weight.tensor, degrees)
        wide = ceil_div(columns, storage.block_columns)
        stored = storage.scale_bytes * wide * ceil_div(rows, storage.block_rows)
        more = copies * (MARLIN_SCALE_BYTES * wide * rows - stored)
        found[weight.layer] = found.get(weight.layer, 0) + more
    return found


def _dropped(weights: Weights, degrees: Degrees, kernels: Kernels) -> dict[int, int]:
    """Bytes by layer of GPTQ's zero points and input orders that are not kept
    (vllm quantization/kernels/mixed_precision/marlin.py, process_weights_after_loading).
    """
    found: dict[int, int] = {}
    if kernels.zero_points and kernels.order:
        return found
    for weight in weights.tensors:
        storage = weight.storage
        if not isinstance(storage, ScaledStorage) or not storage.name.startswith("gptq"):
            continue
        if weight.layer is None or weight.tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
            continue
        rows, columns, _ = shard_shape(weight.tensor, degrees)
        less = 0 if kernels.zero_points else storage.zero_point_bytes(rows, columns)
        less += 0 if kernels.order else columns * storage.per_column
        found[weight.layer] = found.get(weight.layer, 0) + less
    return found


def _absorbed_bytes(layer: Layer, tensor_parallel: int) -> int:
    """W_UK and W_UV beside kv_b_proj: heads x (nope + v) x kv_lora_rank elements (memory_models
    A.3, vllm layers/attention/mla_attention.py).
    """
    return sum(
        ABSORBED_BYTES
        * ceil_div(mixer.heads, tensor_parallel)
        * (mixer.qk_nope_head_dim + mixer.v_head_dim)
        * mixer.kv_lora_rank
        for mixer in layer.mixers
        if isinstance(mixer, LatentAttention)
    )
