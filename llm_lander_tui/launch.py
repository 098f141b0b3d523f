"""How a session begins: what the command line, the last session and the settings ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.units import MIB

if TYPE_CHECKING:
    from llm_lander_tui.gpus.fleet import Fleet
    from llm_lander_tui.gpus.gpu import Gpu, GpuSource
    from llm_lander_tui.models.model import Model
    from llm_lander_tui.planner.launched import Launched
    from llm_lander_tui.planner.question import Question
    from llm_lander_tui.planner.scenario import Scenario
    from llm_lander_tui.storage.last_scenario import LastScenario
    from llm_lander_tui.storage.settings import Settings

FIRST_MODEL = "Qwen/Qwen3-8B"
"""The preset that is planned until another one is chosen."""
FIRST_CONTEXT = 8192

Progress = Callable[[str, float | None], None]
Load = Callable[[str, Progress, threading.Event], "Model"]
"""Reads a model by name; the event cancels."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What the command line says about the screen; None leaves the choice to the program.

    `gpu` names catalogue GPUs ("4x RTX 4090") to plan on instead of the machine's own.
    """

    model: str | None = None
    gpu: str | None = None
    engine: str | None = None
    weights: str | None = None
    kv: str | None = None
    context: int | None = None
    concurrency: int = 1
    margin_bytes: int | None = None
    demo: bool = False
    resume: bool = False
    launched: Launched | None = None
    """The start command whose plan is opened."""


@dataclass(frozen=True, slots=True)
class Start:
    """The first model and question, and the cards that were planned with before."""

    model: str
    question: Question
    what_if: tuple[str, ...] = ()
    unused: frozenset[str] = frozenset()
    resumed: bool = False
    draft: str | None = None
    """The draft model, to be read as the model is."""


def first(options: LaunchOptions, settings: Settings, last: LastScenario | None) -> Start:
    """What to ask first; options go before the last session, and that before the settings."""
    from llm_lander_tui.planner.question import Question

    if last is not None and options.resume and options.model is None:
        unused = frozenset(last.unused)
        return Start(
            last.model, last.question(), last.what_if, unused, resumed=True, draft=last.draft
        )
    margin = options.margin_bytes
    question = Question(
        engine=options.engine or settings.engine,
        weights=options.weights,
        kv=options.kv,
        context=options.context or FIRST_CONTEXT,
        concurrency=options.concurrency,
        margin_bytes=settings.margin_mib * MIB if margin is None else margin,
    )
    named = () if options.gpu is None else (options.gpu,)
    return Start(options.model or FIRST_MODEL, question, named)


def with_draft(start: Start, load: Load, cancel: threading.Event) -> Start:
    """The start with its draft model read; without one that cannot be had any more."""
    if start.draft is None:
        return start
    try:
        draft = load(start.draft, lambda text, done: None, cancel)
    except LanderError:
        return start
    return replace(start, question=replace(start.question, draft=draft))


def planned_cards(start: Start, fleet: Fleet) -> Fleet:
    """The fleet with the cards that a start names; real ones are left out beside named ones.

    Raises `UsageError` for a name that the catalogue does not have.
    """
    from llm_lander_tui.gpus.catalog import parse_gpus

    if start.unused:
        fleet = replace(fleet, unused=start.unused)
    elif start.what_if:
        for card in fleet.real:
            fleet = fleet.without(card)
    for name in start.what_if:
        fleet = fleet.adding(parse_gpus(name))
    return fleet


def gpu_source(options: LaunchOptions) -> GpuSource:
    """The driver, or the made-up machine."""
    if options.demo:
        from llm_lander_tui.gpus.demo import DemoSource

        return DemoSource()
    from llm_lander_tui.machine import nvml_source

    return nvml_source()


def resolve(name: str, progress: Progress, cancel: threading.Event) -> Model:
    """The model of a name, from wherever it comes."""
    from llm_lander_tui.models import sources

    return sources.resolve(name, progress=progress, cancel=cancel)


def _each_engine() -> Iterator[Question]:
    """The first question to one engine after the other; none is imported before its turn."""
    from llm_lander_tui.engines import registry
    from llm_lander_tui.planner.question import Question

    for engine in registry.engines():
        yield Question(engine=engine.id, context=FIRST_CONTEXT)


def first_scenario(question: Question, model: Model, gpus: tuple[Gpu, ...]) -> tuple[Scenario, str]:
    """The scenario of the first question; else, with the reason, of the first engine that can."""
    from llm_lander_tui.planner.question import scenario_of

    wrong = ""
    for asked in chain((question,), _each_engine()):
        try:
            return scenario_of(asked, model, gpus), wrong
        except LanderError as error:
            wrong = wrong or str(error)
    raise SourceError("No engine", f"No engine here runs {model.name} in any format.")
