"""The what-ifs: each takes a Scenario and gives the next one, keeping it consistent."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.engines.rank_cards import copies_of
from llm_lander_tui.errors import UsageError
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner import choices
from llm_lander_tui.planner.division import on_all_cards
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.planner.search import CONTEXT_SEARCH

DEFAULT_CONTEXT = 8192
SMALLEST_CONTEXT = 256
FINE_STEP = 1024


def start(
    model: Model, engine: Engine, gpus: tuple[Gpu, ...], weights_bits: float = 4.5
) -> Scenario:
    """The first scenario for a model: the engine's default cache, weights near `weights_bits`.

    Raises `UsageError` when the engine runs the model in no format.
    """
    weights = choices.nearest_weights(model, engine, weights_bits)
    if weights is None:
        raise UsageError("No format", _why_not(model, engine, gpus), "Choose another engine.")
    scenario = Scenario(
        model=model,
        engine=engine,
        weights=weights,
        kv=choices.kv_formats(engine)[0],
        gpus=gpus,
        context=min(DEFAULT_CONTEXT, longest_context(model)),
    )
    return with_gpus(scenario, gpus)


def _why_not(model: Model, engine: Engine, gpus: tuple[Gpu, ...]) -> str:
    """Why the engine runs the model in no format, in its own last word on one of them."""
    kv = choices.kv_formats(engine)[0]
    asked = Scenario(model, engine, recipes.offered(model)[0], kv, gpus, SMALLEST_CONTEXT)
    problems = engine.footprint(asked).problems
    said = problems[-1] if problems else ""
    return (
        f"{engine.title} runs {model.name} in no weight format that is known here. {said}".strip()
    )


def longest_context(model: Model) -> int:
    """The largest context worth asking for: the model's own limit, else the search's end."""
    limit = model.architecture.context_limit
    return CONTEXT_SEARCH if limit is None else max(limit.trained, limit.extended or 0)


def step_weights(scenario: Scenario, by: int) -> Scenario:
    """The next more (-1) or less (+1) faithful weight format of the engine."""
    formats = choices.weight_formats(scenario.model, scenario.engine)
    return replace(scenario, weights=choices.step(formats, scenario.weights, by))


def step_kv(scenario: Scenario, by: int) -> Scenario:
    """The engine's next smaller (+1) or larger (-1) KV format."""
    formats = choices.kv_steps(scenario.engine, scenario.kv)
    return replace(scenario, kv=choices.step(formats, scenario.kv, by))


def with_engine(scenario: Scenario, engine: Engine) -> Scenario:
    """The same question to another engine, in its nearest formats and with its own options."""
    weights = (
        scenario.weights
        if engine.runs(scenario.weights, scenario.model)
        else choices.nearest_weights(scenario.model, engine, scenario.weights.bits)
    )
    moved = replace(
        scenario,
        engine=engine,
        weights=weights or scenario.weights,
        kv=choices.nearest_kv(engine, scenario.kv),
        options=None,
    )
    return with_gpus(moved, scenario.gpus)


def with_model(scenario: Scenario, model: Model) -> Scenario:
    """The same question about another model, in the nearest format that it can be had in.

    Raises `UsageError` when the engine runs the model in no format.
    """
    fresh = start(model, scenario.engine, scenario.gpus, scenario.weights.bits)
    return replace(
        fresh,
        kv=scenario.kv,
        context=min(scenario.context, longest_context(model)),
        concurrency=scenario.concurrency,
        margin_bytes=scenario.margin_bytes,
        options=scenario.options,
    )


def with_gpus(scenario: Scenario, gpus: tuple[Gpu, ...]) -> Scenario:
    """The same question on other cards; engines that split tensors use all that they can."""
    return on_all_cards(replace(scenario, gpus=gpus))


def with_options(scenario: Scenario, options: object) -> Scenario:
    """The engine's options changed; other copies of the model divide the cards anew."""
    changed = replace(scenario, options=options)
    same = copies_of(options) == copies_of(scenario.options)
    return changed if same else with_gpus(changed, scenario.gpus)


def step_tensor_parallel(scenario: Scenario, by: int) -> Scenario:
    """Another division of the same cards: tensor parallel within, pipeline parallel across."""
    if not scenario.engine.tensor_parallel:
        return scenario
    count = max(1, len(scenario.gpus) // copies_of(scenario.options))
    degrees = [n for n in range(1, count + 1) if count % n == 0]
    degree = choices.step(degrees, scenario.tensor_parallel, by)
    return replace(scenario, tensor_parallel=degree, pipeline_parallel=count // degree)


def scale_context(scenario: Scenario, up: bool) -> Scenario:
    """Context doubled or halved, landing on powers of two and on the model's own limit."""
    longest, now = longest_context(scenario.model), scenario.context
    power = 1 << (now.bit_length() - 1)
    if up:
        return replace(scenario, context=min(longest, power * 2))
    smaller = power if power < now else power // 2
    return replace(scenario, context=max(min(SMALLEST_CONTEXT, longest), smaller))


def nudge_context(scenario: Scenario, by: int) -> Scenario:
    """Context changed by `by` fine steps, on their grid."""
    longest = longest_context(scenario.model)
    grid = scenario.context // FINE_STEP if by > 0 else -(-scenario.context // FINE_STEP)
    wanted = (grid + by) * FINE_STEP
    return replace(scenario, context=max(min(SMALLEST_CONTEXT, longest), min(longest, wanted)))


def step_concurrency(scenario: Scenario, up: bool) -> Scenario:
    """Concurrency doubled or halved: 1, 2, 4, 8 and so on."""
    now = scenario.concurrency
    return replace(scenario, concurrency=min(now * 2, 4096) if up else max(1, now // 2))
