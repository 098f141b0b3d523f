"""What a checkpoint stores against the architecture that was derived: an error would show here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.model import Checkpoint
from llm_lander_tui.models.tensors import Part
from llm_lander_tui.units import format_count

_TOLERANCE = 0.005
"""Buffers, padded rows and scales stay below this share of the parameters."""
_BLOCK = re.compile(r"blk\.(\d+)\.")
_BESIDES = ("v.", "mm.", "a.", "rope_")
"""Tensors of a GGUF file beside the language model: towers, projectors, rotary factors."""
_PLAIN = frozenset({"F64", "F32", "F16", "BF16"})


def disagreement(
    checkpoint: Checkpoint, architecture: Architecture, quantization: Mapping[str, object] | None
) -> tuple[str, ...]:
    """A warning where the stored elements are not those of the derived layers, else nothing.

    Quantised safetensors are left out: their elements hold several weights each.
    """
    derived = architecture.parameters
    if checkpoint.container == "gguf":
        stored = _gguf_elements(checkpoint, len(architecture.layers))
        fitting = {derived}
    else:
        if quantization is not None or not {kind for kind, _ in checkpoint.elements} <= _PLAIN:
            return ()
        stored = sum(count for _, count in checkpoint.elements)
        ahead = sum(t.elements for layer in architecture.mtp for t in layer.tensors())
        ahead += sum(t.elements for t in architecture.mtp_outer)
        # Some checkpoints store a tied head a second time.
        head = architecture.parts[Part.EMBEDDING] if architecture.tied_embeddings else 0
        fitting = {derived, derived + ahead, derived + head, derived + ahead + head}
    if not stored or any(abs(stored - count) <= _TOLERANCE * stored for count in fitting):
        return ()
    return (
        f"The file's tensors hold {format_count(stored)} parameters, the layers that follow from "
        f"its description {format_count(derived)}: what is said of the layers may be wrong.",
    )


def _gguf_elements(checkpoint: Checkpoint, layers: int) -> int:
    """Elements of the language model's tensors, layers for multi-token prediction left out."""
    stored = 0
    for tensor in checkpoint.tensors:
        block = _BLOCK.match(tensor.name)
        outside = int(block[1]) >= layers if block else tensor.name.startswith(_BESIDES)
        stored += 0 if outside else prod(tensor.shape)
    return stored
