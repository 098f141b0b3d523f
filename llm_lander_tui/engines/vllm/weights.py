"""What vLLM holds of a model's weights on one rank: shards, and what it adds to the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from llm_lander_tui.memory.sharding import pipeline_stages, rank_weights
from llm_lander_tui.memory.weights import Recipe, weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import LatentAttention
from llm_lander_tui.units import ceil_div


@dataclass(frozen=True, slots=True)
class StageWeights:
    """Weight bytes of one rank of a pipeline stage."""

    tensors: int
    rope: int
    absorbed: int
    """The up-projections of latent attention, kept a second time at 16 bits for decoding."""

    @property
    def bytes(self) -> int:
        return self.tensors + self.rope + self.absorbed


@lru_cache(maxsize=1024)
def stage_weights(
    architecture: Architecture,
    recipe: Recipe,
    tensor_parallel: int,
    pipeline_parallel: int,
    expert_parallel: bool,
) -> tuple[StageWeights, ...]:
    """What each pipeline stage holds on each of its ranks."""
    ranks = rank_weights(
        weights_of(architecture, recipe), tensor_parallel, pipeline_parallel, expert_parallel
    )
    rope = 2 * sum(table.positions * table.dim for table in architecture.rope)
    stages = pipeline_stages(len(architecture.layers), pipeline_parallel)
    return tuple(
        StageWeights(
            ranks[number * tensor_parallel],
            rope,
            sum(absorbed_bytes(architecture.layers[i], tensor_parallel) for i in stage),
        )
        for number, stage in enumerate(stages)
    )


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


def prediction_layers(architecture: Architecture) -> Architecture:
    """The model's multi-token-prediction layers as a model of their own."""
    return replace(architecture, layers=architecture.mtp, outer=architecture.mtp_outer, mtp=())
