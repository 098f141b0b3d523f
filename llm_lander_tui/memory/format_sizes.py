"""What the weights of a model weigh in each format it can be had in."""

from __future__ import annotations

from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.gguf_mix import FILE_TYPES, GgufRecipe
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.model import Model


def format_sizes(model: Model) -> dict[str, int]:
    """Bytes of tensor data by format name, the model's own format first.

    Beside the formats that are offered, every plain number format and every mix that llama-quantize
    can make is weighed, with an importance matrix, without towers (they are files of their own) and
    without the file's metadata.
    """
    every = (
        *recipes.offered(model),
        *map(recipes.get, ("FP32", "BF16", "FP16", "INT8", "INT4")),
        *map(GgufRecipe, FILE_TYPES),
    )
    found: dict[str, int] = {}
    for recipe in every:
        if recipe.name not in found:
            found[recipe.name] = weights_of(model.architecture, recipe).bytes
    return found
