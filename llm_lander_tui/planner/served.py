"""What a server does where its own start command is silent."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.engines.ollama import own_context
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.own_format import kv_format_of, recipe_of
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner import choices

GGUF_DEFAULT = "Q4_K_M"
"""What llama.cpp and Ollama take of a repository where no quantization is named."""


@dataclass(frozen=True, slots=True)
class Served:
    """Marks a question as a server's own: unnamed things are what the server does.

    `quantize` is the format that it makes of an unquantised checkpoint while loading; `largest`
    tells that it takes the largest context that fits, up to the model's own.
    """

    quantize: str | None = None
    largest: bool = False


def weights_as_served(served: Served, model: Model, engine: Engine) -> Recipe:
    """The format that the checkpoint is released in, or that the server makes of it.

    A model that is no GGUF file is GGUF_DEFAULT to an engine that reads nothing else. Raises
    `SourceError` where a quantised checkpoint cannot be read.
    """
    own = recipe_of(model)
    if served.quantize is not None and not model.quantization:
        return recipes.get(served.quantize)
    default = recipes.get(GGUF_DEFAULT)
    if own.family != "gguf" and not engine.runs(own, model) and engine.runs(default, model):
        return default
    return own


_CACHE_OF = {"FP32": "f32", "FP16": "f16", "BF16": "bf16"}
"""The cache's number format where weights are cast: engines cache what they compute in."""


def kv_as_served(served: Served, model: Model, engine: Engine) -> KvFormat:
    """What the checkpoint or a cast fixes where the engine has it, else the engine's default."""
    offered = choices.kv_formats(engine)
    fixed = kv_format_of(model)
    name = _CACHE_OF.get(served.quantize or "") if fixed is None else fixed.name
    return next((kv for kv in offered if kv.name == name), offered[0])


def context_as_served(
    model: Model, engine: Engine, gpus: tuple[Gpu, ...], slots: int
) -> int | None:
    """Tokens of one sequence: the model's own limit, or Ollama's by memory; None without a limit.

    llama-server divides the model's limit between its slots.
    """
    if engine.id == "ollama":
        return own_context(model, gpus)
    limit = model.architecture.context_limit
    trained = None if limit is None else limit.trained
    if engine.id == "llama.cpp" and trained is not None:
        return max(1, trained // slots)
    return trained
