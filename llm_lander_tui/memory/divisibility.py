"""Which degrees of parallelism a model can be divided by: whole heads, whole blocks of scales."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.sharding import shard_shape
from llm_lander_tui.memory.storage import ScaledStorage
from llm_lander_tui.memory.weights import Weights
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.tensors import Tensor

MOST = 64
"""The largest tensor parallel degree that is named as a way out."""


def parallel_problems(
    architecture: Architecture, weights: Weights, degrees: Degrees
) -> tuple[str, ...]:
    """Why the model cannot be divided so, with the tensor parallel degrees that can; or nothing.

    Attention heads, and the heads of recurrent states, must divide evenly; KV heads must divide or
    be divided by the degree. Of weights that share scales by blocks a rank must get whole blocks,
    or the serving engines fail at start (memory_models D).
    """
    tp = degrees.tensor
    heads = _broken_heads(architecture, tp)
    broken = _broken_blocks(weights, degrees) if heads is None else f"{heads} over {tp} GPUs"
    if broken is None:
        return ()
    legal = [
        n
        for n in legal_tensor_parallel(architecture)
        if _broken_blocks(weights, replace(degrees, tensor=n)) is None
    ]
    if not legal:
        return (f"{broken}, nor at any tensor parallel degree with {degrees.data} data parallel.",)
    return (f"{broken}; tensor parallel degrees that do: {', '.join(map(str, legal))}.",)


@lru_cache(maxsize=256)
def legal_tensor_parallel(architecture: Architecture, most: int = MOST) -> tuple[int, ...]:
    """The tensor parallel degrees up to `most` over which all heads divide."""
    return tuple(n for n in range(1, most + 1) if _broken_heads(architecture, n) is None)


def _broken_heads(architecture: Architecture, tp: int) -> str | None:
    for layer, _ in architecture.layer_groups:
        for mixer in layer.mixers:
            heads = getattr(mixer, "heads", None)
            if isinstance(heads, int) and heads % tp:
                return f"{heads} attention heads do not divide"
            row = mixer.kv_row
            if row is not None and not row.latent and row.kv_heads % tp and tp % row.kv_heads:
                return f"{row.kv_heads} KV heads do not divide"
            state = mixer.state
            if state is not None and state.recurrent_heads > 1 and state.recurrent_heads % tp:
                return f"{state.recurrent_heads} state heads do not divide"
    return None


@lru_cache(maxsize=4096)
def _broken_blocks(weights: Weights, degrees: Degrees) -> str | None:
    """The first matrix of whose blocks a rank would get a part (vllm/distributed/utils.py)."""
    for tensor, storage in _scaled(weights):
        rows, columns, _ = shard_shape(tensor, degrees)
        tall, wide = storage.block_rows, storage.block_columns
        uneven = columns % wide or tensor.columns % degrees.of(tensor) if wide > 1 else 0
        if columns != tensor.columns and uneven:
            return _sentence(tensor.name, columns, "inputs", wide)
        if tall > 1 and rows != tensor.rows and rows % tall:
            return _sentence(tensor.name, rows, "outputs", tall)
    return None


@lru_cache(maxsize=1024)
def _scaled(weights: Weights) -> tuple[tuple[Tensor, ScaledStorage], ...]:
    """The distinct matrices whose scales are shared by blocks."""
    found: list[tuple[Tensor, ScaledStorage]] = []
    seen: set[tuple[int, int]] = set()
    for weight in weights.tensors:
        tensor, storage = weight.tensor, weight.storage
        # Equal layers share their tensor and storage objects.
        key = id(tensor), id(storage)
        if key in seen or not isinstance(storage, ScaledStorage) or not tensor.linear:
            continue
        seen.add(key)
        if max(storage.block_rows, storage.block_columns) > 1:
            found.append((tensor, storage))
    return tuple(found)


def _sentence(name: str, size: int, side: str, block: int) -> str:
    return f"{size:,} {side} of {name} on a rank do not divide into quantisation blocks of {block}"
