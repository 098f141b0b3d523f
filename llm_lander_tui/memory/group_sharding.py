"""Where quantisation groups end the degrees of tensor parallelism."""

from __future__ import annotations

from functools import lru_cache

from llm_lander_tui.memory.sharding import shard_shape
from llm_lander_tui.memory.storage import ScaledStorage
from llm_lander_tui.memory.weights import Weights
from llm_lander_tui.models.tensors import Shard, Tensor

MOST = 64
_ROWS = (Shard.COLUMN, Shard.EXPERTS, Shard.KV_HEADS)
_COLUMNS = (Shard.ROW, Shard.EXPERTS_ROW)


def group_problems(
    weights: Weights, tensor_parallel: int, expert_parallel: bool = False
) -> tuple[str, ...]:
    """Why the weights' scales cannot be divided over so many ranks, with the degrees that can.

    A rank's part of a divided side must be a multiple of the block that shares a scale, or the
    serving engines fail at start (memory_models D). Empty when it is.
    """
    broken = _broken(weights, tensor_parallel, expert_parallel)
    if broken is None:
        return ()
    degrees = [n for n in range(1, MOST + 1) if _broken(weights, n, expert_parallel) is None]
    powers = [n for n in degrees if n & (n - 1) == 0]
    return (f"{broken}; tensor parallel degrees that do: {', '.join(map(str, powers))}.",)


@lru_cache(maxsize=4096)
def _broken(weights: Weights, tensor_parallel: int, expert_parallel: bool) -> str | None:
    if tensor_parallel == 1:
        return None
    for tensor, storage in _scaled(weights):
        rows, columns, _ = shard_shape(tensor, tensor_parallel, expert_parallel)
        if tensor.shard in _ROWS and storage.block_rows > 1 and rows % storage.block_rows:
            return _sentence(tensor, rows, "outputs", storage.block_rows)
        if tensor.shard in _COLUMNS and storage.block_columns > 1:
            left = columns % storage.block_columns
            if left or tensor.columns % tensor_parallel:
                return _sentence(tensor, columns, "inputs", storage.block_columns)
    return None


@lru_cache(maxsize=1024)
def _scaled(weights: Weights) -> tuple[tuple[Tensor, ScaledStorage], ...]:
    """The distinct tensors whose scales are shared by blocks."""
    found: list[tuple[Tensor, ScaledStorage]] = []
    seen: set[tuple[int, int]] = set()
    for weight in weights.tensors:
        storage = weight.storage
        # Equal layers share their tensor and storage objects.
        key = id(weight.tensor), id(storage)
        if key in seen or not isinstance(storage, ScaledStorage):
            continue
        seen.add(key)
        blocks = max(storage.block_rows, storage.block_columns)
        if blocks > 1 and weight.tensor.shard in (*_ROWS, *_COLUMNS):
            found.append((weight.tensor, storage))
    return tuple(found)


def _sentence(tensor: Tensor, size: int, side: str, block: int) -> str:
    return (
        f"{size:,} {side} of {tensor.name} on a rank do not divide into quantisation blocks of "
        f"{block}"
    )
