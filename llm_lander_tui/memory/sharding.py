"""How tensor, pipeline and expert parallelism divide weights and KV heads over ranks.

The rules are those of vLLM, SGLang, TensorRT-LLM and TGI alike (memory_models D): columns of
q, k, v, gate and up, rows of o and down, vocabulary rows of embedding and head; norms, routers and
the down-projections of latent attention are on every rank.
"""

from __future__ import annotations

from functools import lru_cache

from llm_lander_tui.memory.storage import ScaledStorage
from llm_lander_tui.memory.weights import Weights, WeightTensor
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.tensors import Part, Shard, Tensor
from llm_lander_tui.units import ceil_div, round_up

VOCABULARY_PADDING = 64
"""Rows to which vLLM and SGLang pad embedding and head (vocab_parallel_embedding.py)."""


def kv_heads_per_rank(kv_heads: int, tensor_parallel: int) -> int:
    """KV heads on one rank; with fewer heads than ranks each head is replicated."""
    return max(1, kv_heads // tensor_parallel)


def shard_shape(
    tensor: Tensor, tensor_parallel: int, expert_parallel: bool = False
) -> tuple[int, int, int]:
    """(rows, columns, copies) of a tensor on one of `tensor_parallel` ranks.

    A vector divides along its length. With `expert_parallel` whole experts are divided over the
    ranks instead of each expert. The vocabulary is padded to 64 rows first, also on one rank.
    """
    rows, columns, copies, tp = tensor.rows, tensor.columns, tensor.copies, tensor_parallel
    shard = tensor.shard
    if shard is Shard.VOCAB:
        return _vocabulary(tensor, tp)
    if tp == 1 or shard is Shard.REPLICATED or _undivided_tower(tensor, tp):
        return rows, columns, copies
    if shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
        if expert_parallel:
            return rows, columns, ceil_div(copies, tp)
        shard = Shard.COLUMN if shard is Shard.EXPERTS else Shard.ROW
    if shard is Shard.ROW:
        return rows, ceil_div(columns, tp), copies
    if shard is Shard.KV_HEADS and tensor.kv_heads:
        mine = kv_heads_per_rank(tensor.kv_heads, tp)
        if rows == 1:
            return rows, columns * mine // tensor.kv_heads, copies
        return rows * mine // tensor.kv_heads, columns, copies
    if shard is Shard.QKV and tensor.kv_heads:
        mine = kv_heads_per_rank(tensor.kv_heads, tp)
        kv = tensor.kv_rows * mine // tensor.kv_heads
        if rows == 1:
            return rows, ceil_div(columns - tensor.kv_rows, tp) + kv, copies
        return ceil_div(rows - tensor.kv_rows, tp) + kv, columns, copies
    if rows == 1 and not tensor.linear:
        return rows, ceil_div(columns, tp), copies
    return ceil_div(rows, tp), columns, copies


def _undivided_tower(tensor: Tensor, tp: int) -> bool:
    """Whether a tower's matrix is too odd to divide, and kept whole on every rank."""
    side = tensor.columns if tensor.shard is Shard.ROW else tensor.rows
    return tensor.part is Part.TOWER and side % tp != 0


def _vocabulary(tensor: Tensor, tp: int) -> tuple[int, int, int]:
    if tensor.rows == 1:
        return 1, ceil_div(round_up(tensor.columns, VOCABULARY_PADDING), tp), tensor.copies
    return (
        ceil_div(round_up(tensor.rows, VOCABULARY_PADDING), tp),
        tensor.columns,
        tensor.copies,
    )


def shard_bytes(weight: WeightTensor, tensor_parallel: int, expert_parallel: bool = False) -> int:
    """Bytes of a weight tensor on one of `tensor_parallel` ranks."""
    rows, columns, copies = shard_shape(weight.tensor, tensor_parallel, expert_parallel)
    return copies * weight.storage.matrix_bytes(rows, columns)


def pipeline_stages(layers: int, pipeline_parallel: int) -> tuple[range, ...]:
    """The layers of each pipeline stage.

    Layers divide evenly; the remainder goes one each to the stages before the last, from the back
    (vLLM distributed/utils.py get_pp_indices).
    """
    sizes = [layers // pipeline_parallel] * pipeline_parallel
    for i in range(2, layers % pipeline_parallel + 2):
        sizes[-i] += 1
    starts = [sum(sizes[:stage]) for stage in range(pipeline_parallel)]
    return tuple(range(a, a + n) for a, n in zip(starts, sizes, strict=True))


@lru_cache(maxsize=1024)
def rank_weights(
    weights: Weights,
    tensor_parallel: int,
    pipeline_parallel: int = 1,
    expert_parallel: bool = False,
) -> tuple[int, ...]:
    """Weight bytes per rank, stage by stage, `tensor_parallel` equal ranks in each.

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
            size = known[key] = shard_bytes(weight, tensor_parallel, expert_parallel)
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
    stages = pipeline_stages(layers, pipeline_parallel)
    sizes = [sum(by_layer[i] for i in stage) for stage in stages]
    sizes[0] += embedding + first
    sizes[-1] += last + head
    if not head and pipeline_parallel > 1:
        sizes[-1] += embedding
    return tuple(size for size in sizes for _ in range(tensor_parallel))


def parallel_problems(
    architecture: Architecture,
    tensor_parallel: int,
    weights: Weights | None = None,
    *,
    expert_parallel: bool = False,
) -> tuple[str, ...]:
    """Why the model cannot be divided over so many ranks, with the degrees that can; or nothing.

    Attention heads, and the heads of recurrent states, must divide evenly; KV heads must divide or
    be divided by the degree. Of quantised `weights` a rank must get whole groups.
    """
    tp = tensor_parallel
    if tp == 1:
        return ()
    broken = _indivisible(architecture, tp)
    if broken is None and weights is not None:
        broken = _broken_groups(weights, tp, expert_parallel)
    if broken is None:
        return ()
    legal = [
        n
        for n in legal_tensor_parallel(architecture)
        if n == 1 or weights is None or _broken_groups(weights, n, expert_parallel) is None
    ]
    return (
        f"{broken} do not divide over {tp} GPUs; tensor parallel degrees that do: "
        f"{', '.join(map(str, legal))}.",
    )


@lru_cache(maxsize=256)
def legal_tensor_parallel(architecture: Architecture, most: int = 64) -> tuple[int, ...]:
    """The tensor parallel degrees up to `most` over which all heads divide."""
    return tuple(n for n in range(1, most + 1) if _indivisible(architecture, n) is None)


def _indivisible(architecture: Architecture, tp: int) -> str | None:
    for layer, _ in architecture.layer_groups:
        for mixer in layer.mixers:
            heads = getattr(mixer, "heads", None)
            if isinstance(heads, int) and heads % tp:
                return f"{heads} attention heads"
            row = mixer.kv_row
            if row is not None and not row.latent and row.kv_heads % tp and tp % row.kv_heads:
                return f"{row.kv_heads} KV heads"
            state = mixer.state
            if state is not None and state.recurrent_heads > 1 and state.recurrent_heads % tp:
                return f"{state.recurrent_heads} state heads"
    return None


@lru_cache(maxsize=1024)
def _broken_groups(weights: Weights, tp: int, expert_parallel: bool) -> str | None:
    """The quantisation groups that a rank would get a part of (distributed/utils.py)."""
    seen: set[tuple[int, int]] = set()
    for weight in weights.tensors:
        tensor, storage = weight.tensor, weight.storage
        key = id(tensor), id(storage)
        if not isinstance(storage, ScaledStorage) or not tensor.linear or key in seen:
            continue
        seen.add(key)
        rows, columns, _ = shard_shape(tensor, tp, expert_parallel)
        tall, wide = storage.block_rows, storage.block_columns
        if wide > 1 and columns != tensor.columns and columns % wide:
            return f"{tensor.columns} columns of {tensor.name} in groups of {wide}"
        if tall > 1 and rows != tensor.rows and rows % tall:
            return f"{tensor.rows} rows of {tensor.name} in blocks of {tall}"
    return None
