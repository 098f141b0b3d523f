"""The tensors of a GGUF file: what llama.cpp's converter makes of an architecture."""

from __future__ import annotations

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.tensors import Part, Tensor

_UNSUFFIXED = frozenset(("ssm_a", "ssm_d"))


def gguf_name(layer: int | None, tensor: Tensor) -> str:
    """The tensor's name in the file: "blk.3.attn_q.weight"."""
    stem = tensor.name if layer is None else f"blk.{layer}.{tensor.name}"
    if tensor.name in _UNSUFFIXED:
        return stem
    return f"{stem}.{'bias' if tensor.bias else 'weight'}"


def gguf_tensors(architecture: Architecture) -> tuple[tuple[int | None, Tensor], ...]:
    """The tensors of the file with their layer, in llama-quantize's order.

    The order is outside the layers first, then by layer, by name within each. Towers and projectors
    are left out: they live in a file of their own.
    """
    outer = sorted(
        (t for t in architecture.outer if t.part is not Part.TOWER),
        key=lambda t: gguf_name(None, t),
    )
    found: list[tuple[int | None, Tensor]] = [(None, t) for t in outer]
    for number, layer in enumerate(architecture.layers):
        tensors = sorted(layer.tensors(), key=lambda t: gguf_name(0, t))
        found += ((number, t) for t in tensors)
    return tuple(found)
