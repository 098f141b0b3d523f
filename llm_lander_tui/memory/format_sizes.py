"""What the weights of a model weigh in each format it can be had in."""

from __future__ import annotations

from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.model import Model


def format_sizes(model: Model) -> dict[str, int]:
    """Bytes of tensor data by format name, the model's own format first.

    GGUF mixes are counted as llama-quantize makes them with an importance matrix, without towers
    (they are files of their own) and without the file's metadata.
    """
    return {
        recipe.name: weights_of(model.architecture, recipe).bytes
        for recipe in recipes.offered(model)
    }
