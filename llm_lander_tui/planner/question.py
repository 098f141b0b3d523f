"""A question in the words of the command line, made into a Scenario."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.rank_cards import copies_of
from llm_lander_tui.errors import UsageError
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import max_context, planned_context
from llm_lander_tui.planner.recommend import recommend
from llm_lander_tui.planner.scenario import DEFAULT_MARGIN, Lora, Scenario
from llm_lander_tui.planner.served import (
    Served,
    context_as_served,
    kv_as_served,
    weights_as_served,
)

DEFAULT_ENGINE = "llama.cpp"
MOST = 2**50
"""More tokens, sequences or bytes than anything that is planned here."""
CONTEXT_WHERE_NOTHING_FITS = 4096
"""Tokens that a plan is shown for when no context fits and none was asked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a user asked beside the model and the GPUs; None leaves the choice to the planner.

    With `served` it is left to the server instead: the question of a server's start command.
    """

    engine: str = DEFAULT_ENGINE
    weights: str | None = None
    kv: str | None = None
    context: int | None = None
    concurrency: int = 1
    margin_bytes: int = DEFAULT_MARGIN
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    options: object | None = None
    served: Served | None = None
    lora: Lora | None = None
    draft: Model | None = None


def check_numbers(question: Question) -> None:
    """Raise `UsageError` for a number that is out of range, whatever the model and the cards."""
    asked = (
        ("Concurrency", question.concurrency, 1, "At least one sequence has to be served."),
        ("Context", question.context, 1, "The context has to be at least one token."),
        ("Margin", question.margin_bytes, 0, "The safety margin cannot be negative."),
        ("Parallelism", question.tensor_parallel, 1, "A tensor parallel degree is at least 1."),
        ("Parallelism", question.pipeline_parallel, 1, "A pipeline parallel degree is at least 1."),
    )
    for title, value, least, sentence in asked:
        if value is None:
            continue
        if value < least:
            raise UsageError(title, sentence, f"Use {least} or more.")
        if value > MOST:
            raise UsageError(title, "No machine has that much.", f"Use {MOST:,} or less.")


def scenario_of(question: Question, model: Model, gpus: tuple[Gpu, ...]) -> Scenario:
    """The scenario of a question: unnamed formats as recommended, unnamed context the largest safe.

    A server's question takes what the server would: the checkpoint as released, the engine's
    default cache, the model's own limit. Raises `UsageError` for an unknown engine or format and
    for numbers out of range, `SourceError` for a checkpoint as released that cannot be read.
    """
    engine = registry.get(question.engine)
    check_numbers(question)
    weights = None if question.weights is None else recipes.get(question.weights)
    kv = None if question.kv is None else choices.kv_named(question.kv, engine.id)
    scenario = moves.start(model, engine, gpus)
    scenario = replace(
        scenario,
        concurrency=question.concurrency,
        margin_bytes=question.margin_bytes,
        context=question.context or scenario.context,
        options=question.options,
        lora=question.lora,
        draft=question.draft,
        weights=weights or scenario.weights,
        kv=kv or scenario.kv,
    )
    scenario = _divided(scenario, question)
    if question.served is not None:
        return _as_served(scenario, question, question.served)
    if weights is None:
        scenario = _with_recommended(scenario, kv)
    if question.context is None:
        found = planned_context(scenario)
        smallest = min(CONTEXT_WHERE_NOTHING_FITS, moves.longest_context(model))
        scenario = replace(scenario, context=found or smallest)
    return scenario


def on_fewer_cards(question: Question, model: Model, gpus: tuple[Gpu, ...]) -> Scenario | None:
    """The question on the cards with the most free memory, where all of them together do not do.

    Engines that divide tensors go by their fullest card; leaving it out may help. None: nothing
    helps.
    """
    by_free = sorted(gpus, key=lambda gpu: -gpu.free_bytes)
    for count in range(len(gpus) - 1, 0, -1):
        chosen = tuple(gpu for gpu in gpus if gpu in by_free[:count])
        scenario = scenario_of(question, model, chosen)
        if max_context(scenario):
            return scenario
    return None


def _as_served(scenario: Scenario, question: Question, served: Served) -> Scenario:
    """The scenario with what its server does where the question is silent."""
    model, engine = scenario.model, scenario.engine
    if question.weights is None:
        scenario = replace(scenario, weights=weights_as_served(served, model, engine))
    if question.kv is None:
        scenario = replace(scenario, kv=kv_as_served(served, model, engine))
    if question.context is not None:
        return scenario
    if served.largest:
        return replace(scenario, context=max_context(scenario) or CONTEXT_WHERE_NOTHING_FITS)
    limit = context_as_served(model, engine, scenario.gpus, scenario.concurrency)
    return replace(scenario, context=limit or max_context(scenario) or CONTEXT_WHERE_NOTHING_FITS)


def _with_recommended(scenario: Scenario, kv: KvFormat | None) -> Scenario:
    best = recommend(scenario, None if kv is None else (kv,))
    return scenario if best is None else best.scenario


def _divided(scenario: Scenario, question: Question) -> Scenario:
    tp, pp = question.tensor_parallel, question.pipeline_parallel
    copies = copies_of(scenario.options)
    if tp is None and pp is None:
        if question.served is None:
            return moves.with_gpus(scenario, scenario.gpus)
        # A server that is not told otherwise takes every card, whether the model divides or not.
        every = max(1, len(scenario.gpus) // copies) if scenario.engine.tensor_parallel else 1
        return replace(scenario, tensor_parallel=every, pipeline_parallel=1)
    tp, pp = tp or 1, pp or 1
    cards = tp * pp * copies
    if min(tp, pp, copies) < 1 or cards > len(scenario.gpus):
        asked = f"Tensor parallel {tp} x pipeline parallel {pp}"
        if copies != 1:
            asked += f" x data parallel {copies}"
        raise UsageError(
            "Parallelism",
            f"{asked} needs {cards} GPUs, the plan has {len(scenario.gpus)}.",
            "Name more GPUs, or smaller degrees.",
        )
    return replace(scenario, gpus=scenario.gpus[:cards], tensor_parallel=tp, pipeline_parallel=pp)


def plain_formats() -> tuple[Recipe, ...]:
    """The formats that every comparison starts with: FP16, INT8, INT4."""
    return tuple(recipes.get(name) for name in ("FP16", "INT8", "INT4"))
