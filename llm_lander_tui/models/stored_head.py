"""Whether a checkpoint stores an output head although its config ties it to the embedding.

Some publishers saved the tied matrix twice. Engines that follow the config drop the second copy;
llama.cpp's converter keeps it, and the file then has an `output.weight` of a type of its own.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from importlib import resources

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.model import Checkpoint
from llm_lander_tui.models.tensors import Part

HEAD_NAMES = ("lm_head.weight", "lm_head.qweight", "embed_out.weight", "output.weight")
"""How a stored head is called, after the path of its module."""

_PLAIN = frozenset({"F64", "F32", "F16", "BF16"})
_SLACK = 0.01
"""Share of the head that buffers (rotary frequencies, masks) may add to a count of elements."""


def with_stored_head(architecture: Architecture, checkpoint: Checkpoint | None) -> Architecture:
    """The architecture, told whether the checkpoint stores the head that its config ties.

    By the tensors' names where headers were read, else by the count of stored elements.
    """
    if checkpoint is None or not architecture.tied_embeddings or checkpoint.container == "gguf":
        return architecture
    if checkpoint.tensors:
        stored = any(tensor.name.endswith(HEAD_NAMES) for tensor in checkpoint.tensors)
    elif {kind for kind, _ in checkpoint.elements} <= _PLAIN:
        stored = counts_head(architecture, sum(count for _, count in checkpoint.elements))
    else:
        # Packed weights are counted by the word, which tells nothing of a single matrix.
        return architecture
    return replace(architecture, stored_head=True) if stored else architecture


def counts_head(architecture: Architecture, elements: int) -> bool:
    """Whether the stored elements are those of the model and of its head a second time (V x h)."""
    if not architecture.tied_embeddings:
        return False
    ahead = sum(t.elements for layer in architecture.mtp for t in layer.tensors())
    ahead += sum(t.elements for t in architecture.mtp_outer)
    width = next(t.columns for t in architecture.outer if t.part is Part.EMBEDDING)
    head = architecture.vocab_size * width
    counted = (architecture.parameters, architecture.parameters + ahead)
    return any(abs(elements - count - head) <= _SLACK * head for count in counted)


def as_published(architecture: Architecture, name: str) -> Architecture:
    """The architecture with what is known of the stored head of the repository of that Hub id."""
    elements = published_elements().get(name.lower())
    if elements is None or not counts_head(architecture, elements):
        return architecture
    return replace(architecture, stored_head=True)


@lru_cache(maxsize=1)
def published_elements() -> dict[str, int]:
    """Stored elements of repositories that save a tied head twice, by Hub id in small letters.

    `stored_heads.json` names the source of each count.
    """
    text = resources.files(__package__).joinpath("stored_heads.json").read_text("utf-8")
    return {name.lower(): fact["elements"] for name, fact in json.loads(text).items()}


@lru_cache(maxsize=64)
def as_configured(architecture: Architecture) -> Architecture:
    """The architecture as its config alone tells it: a tied head is stored once."""
    return replace(architecture, stored_head=False) if architecture.stored_head else architecture
