"""What is asked: a model, in formats, on an engine, on GPUs, for a load."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.units import MIB

DEFAULT_MARGIN = 500 * MIB


@dataclass(frozen=True, slots=True)
class Lora:
    """LoRA adapters served beside the base model: how many at once, their largest rank."""

    adapters: int
    rank: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question. Changed by `dataclasses.replace`; compared by value.

    `gpus` are the cards that the plan may use, in order; `context` counts the tokens of one
    sequence, prompt and answer together; `concurrency` the sequences alive at once. `options` is
    the engine's own frozen dataclass, None for its defaults.
    """

    model: Model
    engine: Engine
    weights: Recipe
    kv: KvFormat
    gpus: tuple[Gpu, ...]
    context: int
    concurrency: int = 1
    margin_bytes: int = DEFAULT_MARGIN
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    options: object | None = None
    lora: Lora | None = None
    draft: Model | None = None
