"""The norms of a family: how many vectors of the hidden size one has."""

from __future__ import annotations

from enum import StrEnum

from llm_lander_tui.models.tensors import Part, Tensor, vector


class Norm(StrEnum):
    """The norm of a family: how many vectors of the hidden size one has."""

    RMS = "rms"
    LAYER = "layer"
    """LayerNorm: a weight and a bias."""
    NONE = "none"
    """A norm without parameters (OLMo)."""


def norm_tensors(norm: Norm, name: str, path: str, width: int) -> tuple[Tensor, ...]:
    """The vectors of one norm."""
    if norm is Norm.NONE:
        return ()
    weight = vector(name, path, Part.NORM, width)
    if norm is Norm.RMS:
        return (weight,)
    return (weight, vector(name, path, Part.NORM, width, bias=True))
