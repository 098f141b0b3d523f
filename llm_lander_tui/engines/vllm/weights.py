"""What vLLM holds of a model's weights on one rank: shards, and what it adds to the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.sharding import pipeline_stages, rank_weights, shard_shape
from llm_lander_tui.memory.weights import Recipe, Weights, weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import LatentAttention
from llm_lander_tui.models.tensors import Shard
from llm_lander_tui.units import ceil_div, round_up


@dataclass(frozen=True, slots=True)
class Tile:
    """What the MXFP4 expert kernels pad each expert's sides to."""

    intermediate: int = 1
    hidden: int = 1


HOPPER_TILE = Tile(256)
"""Triton kernels with Hopper's swizzled layout: 13.47 GiB of gpt-oss-20b, 64.38 of 120b (0.11)."""
MARLIN_TILE = Tile(128, 256)
"""Marlin and TensorRT-LLM kernels (fused_moe/oracle/mxfp4.py); 65.97 GiB of gpt-oss-120b."""


@dataclass(frozen=True, slots=True)
class Division:
    """How the weights are divided over ranks."""

    tensor: int = 1
    pipeline: int = 1
    experts: bool = False
    tile: Tile = Tile()


@dataclass(frozen=True, slots=True)
class StageWeights:
    """Weight bytes of one rank of a pipeline stage."""

    tensors: int
    rope: int
    absorbed: int
    """The up-projections of latent attention, kept a second time at 16 bits for decoding."""
    padding: int
    """What kernels add to fill their tiles."""

    @property
    def bytes(self) -> int:
        return self.tensors + self.rope + self.absorbed + self.padding


def tile_of(gpu: Gpu) -> Tile:
    """The tile of the MXFP4 kernels that vLLM chooses on a card."""
    capability = gpu.compute_capability or (gpu.spec.compute_capability if gpu.spec else None)
    return HOPPER_TILE if capability is not None and capability[0] == 9 else MARLIN_TILE


@lru_cache(maxsize=1024)
def stage_weights(
    architecture: Architecture, recipe: Recipe, division: Division
) -> tuple[StageWeights, ...]:
    """What each pipeline stage holds on each of its ranks."""
    weights = weights_of(architecture, recipe)
    tp, pp = division.tensor, division.pipeline
    ranks = rank_weights(weights, tp, pp, division.experts)
    rope = 2 * sum(table.positions * table.dim for table in architecture.rope)
    padding = _padding_by_layer(weights, division)
    return tuple(
        StageWeights(
            ranks[number * tp],
            rope,
            sum(absorbed_bytes(architecture.layers[i], tp) for i in stage),
            sum(padding.get(i, 0) for i in stage),
        )
        for number, stage in enumerate(pipeline_stages(len(architecture.layers), pp))
    )


def _padding_by_layer(weights: Weights, division: Division) -> dict[int, int]:
    """Bytes that fill the tiles of MXFP4 experts, by layer."""
    found: dict[int, int] = {}
    for weight in weights.tensors:
        tensor, storage = weight.tensor, weight.storage
        experts = tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW)
        if weight.layer is None or not experts or not tensor.linear or storage.name != "MXFP4":
            continue
        rows, columns, copies = shard_shape(tensor, division.tensor, division.experts)
        sides = (division.tile.intermediate, division.tile.hidden)
        tall, wide = sides if tensor.shard is Shard.EXPERTS else sides[::-1]
        filled = storage.matrix_bytes(round_up(rows, tall), round_up(columns, wide))
        more = copies * (filled - storage.matrix_bytes(rows, columns))
        found[weight.layer] = found.get(weight.layer, 0) + more
    return found


def absorbed_bytes(layer: Layer, tensor_parallel: int) -> int:
    """Bytes of W_UK and W_UV beside kv_b_proj (layers/attention/mla_attention.py)."""
    return sum(
        2
        * ceil_div(mixer.heads, tensor_parallel)
        * (mixer.qk_nope_head_dim + mixer.v_head_dim)
        * mixer.kv_lora_rank
        for mixer in layer.mixers
        if isinstance(mixer, LatentAttention)
    )


@lru_cache(maxsize=64)
def prediction_layers(architecture: Architecture) -> Architecture:
    """The model's multi-token-prediction layers as a model of their own."""
    return replace(architecture, layers=architecture.mtp, outer=architecture.mtp_outer, mtp=())
