"""How tensor, pipeline and expert parallelism divide weights and KV heads over ranks.

The rules are those of vLLM, SGLang, TensorRT-LLM and TGI alike (memory_models D): columns of
q, k, v, gate and up, rows of o and down, vocabulary rows of embedding and head; norms, routers and
the down-projections of latent attention are on every rank.
"""

from __future__ import annotations

from functools import lru_cache

from llm_lander_tui.memory.degrees import Degrees, Remainder
from llm_lander_tui.memory.weights import Weights, WeightTensor
from llm_lander_tui.models.tensors import Part, Shard, Tensor
from llm_lander_tui.units import ceil_div, round_up

VOCABULARY_PADDING = 64
"""Rows to which vLLM and SGLang pad embedding and head (vocab_parallel_embedding.py)."""


def kv_heads_per_rank(kv_heads: int, tensor_parallel: int) -> int:
    """KV heads on one rank; with fewer heads than ranks each head is replicated."""
    return max(1, kv_heads // tensor_parallel)


def shard_shape(tensor: Tensor, degrees: Degrees) -> tuple[int, int, int]:
    """(rows, columns, copies) of a tensor on one rank.

    A vector divides along its length. The vocabulary is padded to 64 rows first, also on one rank.
    """
    rows, columns, copies, degree = tensor.rows, tensor.columns, tensor.copies, degrees.of(tensor)
    shard = tensor.shard
    if shard is Shard.VOCAB:
        return _vocabulary(tensor, degree)
    if degree == 1 or shard is Shard.REPLICATED or _undivided_tower(tensor, degree):
        return rows, columns, copies
    if shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
        if degrees.whole_experts:
            return rows, columns, ceil_div(copies, degree)
        shard = Shard.COLUMN if shard is Shard.EXPERTS else Shard.ROW
    if shard is Shard.ROW:
        return rows, ceil_div(columns, degree), copies
    if shard is Shard.KV_HEADS and tensor.kv_heads:
        mine = kv_heads_per_rank(tensor.kv_heads, degree)
        if rows == 1:
            return rows, columns * mine // tensor.kv_heads, copies
        return rows * mine // tensor.kv_heads, columns, copies
    if shard is Shard.QKV and tensor.kv_heads:
        mine = kv_heads_per_rank(tensor.kv_heads, degree)
        kv = tensor.kv_rows * mine // tensor.kv_heads
        if rows == 1:
            return rows, ceil_div(columns - tensor.kv_rows, degree) + kv, copies
        return ceil_div(rows - tensor.kv_rows, degree) + kv, columns, copies
    if rows == 1 and not tensor.linear:
        return rows, ceil_div(columns, degree), copies
    return ceil_div(rows, degree), columns, copies


def _undivided_tower(tensor: Tensor, degree: int) -> bool:
    """Whether a tower's matrix is too odd to divide, and kept whole on every rank."""
    side = tensor.columns if tensor.shard is Shard.ROW else tensor.rows
    return tensor.part is Part.TOWER and side % degree != 0


def _vocabulary(tensor: Tensor, degree: int) -> tuple[int, int, int]:
    if tensor.rows == 1:
        return 1, ceil_div(round_up(tensor.columns, VOCABULARY_PADDING), degree), tensor.copies
    return (
        ceil_div(round_up(tensor.rows, VOCABULARY_PADDING), degree),
        tensor.columns,
        tensor.copies,
    )


def shard_bytes(weight: WeightTensor, degrees: Degrees) -> int:
    """Bytes of a weight tensor on one rank."""
    rows, columns, copies = shard_shape(weight.tensor, degrees)
    return copies * weight.storage.matrix_bytes(rows, columns)


def pipeline_stages(
    layers: int, pipeline_parallel: int, remainder: Remainder = Remainder.BEFORE_LAST
) -> tuple[range, ...]:
    """The layers of each pipeline stage, which divide evenly but for the remainder."""
    each, left = divmod(layers, pipeline_parallel)
    sizes = [each] * pipeline_parallel
    if remainder is Remainder.LAST:
        sizes[-1] += left
    else:
        first = remainder is Remainder.FIRST
        for i in range(left) if first else range(-left - 1, -1):
            sizes[i] += 1
    starts = [sum(sizes[:stage]) for stage in range(pipeline_parallel)]
    return tuple(range(a, a + n) for a, n in zip(starts, sizes, strict=True))


@lru_cache(maxsize=1024)
def stage_bytes(weights: Weights, degrees: Degrees) -> tuple[int, ...]:
    """Weight bytes of each pipeline stage on one of its ranks, which are equal.

    The first stage holds the embedding and the towers, the last one the final norm and the head,
    which for a model with tied embeddings is the embedding once more.
    """
    layers = 1 + max((t.layer for t in weights.tensors if t.layer is not None), default=-1)
    by_layer = [0] * layers
    first = last = embedding = head = 0
    # Equal layers share their tensor and storage objects, so each is divided once.
    known: dict[tuple[int, int], int] = {}
    for weight in weights.tensors:
        key = id(weight.tensor), id(weight.storage)
        size = known.get(key, -1)
        if size < 0:
            size = known[key] = shard_bytes(weight, degrees)
        if weight.layer is not None:
            by_layer[weight.layer] += size
        elif weight.tensor.part is Part.LM_HEAD:
            head += size
        elif weight.tensor.part is Part.EMBEDDING:
            embedding += size
        elif weight.tensor.part is Part.NORM:
            last += size
        else:
            first += size
    stages = pipeline_stages(layers, degrees.pipeline, degrees.remainder)
    sizes = [sum(by_layer[i] for i in stage) for stage in stages]
    sizes[0] += embedding + first
    sizes[-1] += last + head
    if not head and degrees.pipeline > 1:
        sizes[-1] += embedding
    return tuple(sizes)
