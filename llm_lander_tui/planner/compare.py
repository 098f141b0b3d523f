"""Many scenarios side by side: formats against formats, engines, context against concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.weights import Recipe, weights_of
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import evaluate, max_context
from llm_lander_tui.planner.fidelity import faithful_bits
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.planner.search import largest


@dataclass(frozen=True, slots=True)
class Cell:
    """One weight format with one KV format: the largest context, None where it does not land.

    `frontier` marks the cells that no other beats in fidelity of weights, of cache and in context
    at once.
    """

    weights: Recipe
    kv: KvFormat
    max_context: int | None
    frontier: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A weight format with its size and a cell for each KV format."""

    weights: Recipe
    weight_bytes: int
    cells: tuple[Cell, ...]


def table(scenario: Scenario) -> tuple[Row, ...]:
    """Largest context for every weight format x KV format size of the scenario's engine."""
    kvs = choices.kv_columns(scenario.engine, scenario.kv)
    formats = choices.weight_formats(scenario.model, scenario.engine)
    cells = [
        Cell(weights, kv, max_context(replace(scenario, weights=weights, kv=kv)))
        for weights in formats
        for kv in kvs
    ]
    marked = iter([replace(cell, frontier=not _beaten(cell, cells)) for cell in cells])
    return tuple(
        Row(
            weights,
            weights_of(scenario.model.architecture, weights).bytes,
            tuple(next(marked) for _ in kvs),
        )
        for weights in formats
    )


def _beaten(cell: Cell, cells: Sequence[Cell]) -> bool:
    if not cell.max_context:
        return True
    mine = _merits(cell)
    return any(
        theirs != mine and all(t >= m for t, m in zip(theirs, mine, strict=True))
        for theirs in map(_merits, cells)
    )


def _merits(cell: Cell) -> tuple[float, float, int]:
    return faithful_bits(cell.weights), choices.kv_bits(cell.kv), cell.max_context or 0


@dataclass(frozen=True, slots=True)
class EngineRow:
    """The same question to one engine; `scenario` is None where it cannot run the model."""

    engine: Engine
    plan: Plan | None


def by_engine(scenario: Scenario, engines: Sequence[Engine]) -> tuple[EngineRow, ...]:
    """The scenario's plan on each engine, in each engine's nearest formats."""
    return tuple(
        EngineRow(
            engine,
            evaluate(moves.with_engine(scenario, engine))
            if choices.weight_formats(scenario.model, engine)
            else None,
        )
        for engine in engines
    )


@dataclass(frozen=True, slots=True)
class Fill:
    """What a load needs of the GPU that it fills most, against that GPU's budget, in bytes."""

    needed: int
    budget: int

    @property
    def share(self) -> float:
        """The need over the budget: 1.0 and less fits; infinite without any budget."""
        return self.needed / self.budget if self.budget > 0 else float("inf")


def heat(
    scenario: Scenario, contexts: Sequence[int], concurrencies: Sequence[int]
) -> tuple[tuple[Fill, ...], ...]:
    """How far loads fill the tightest GPU: a row per concurrency, a value per context."""
    footprint = scenario.engine.footprint(scenario)
    budgets = [budget.bytes for budget in footprint.budgets]

    def fill(context: int, concurrency: int) -> Fill:
        needed = footprint.needed(context, concurrency)
        found = [Fill(n, b) for n, b in zip(needed, budgets, strict=True)]
        return max(found, key=lambda one: one.share, default=Fill(0, 0))

    return tuple(tuple(fill(n, c) for n in contexts) for c in concurrencies)


@dataclass(frozen=True, slots=True)
class Curve:
    """Bytes needed on the tightest GPU against context, for one weight and KV format."""

    weights: Recipe
    kv: KvFormat
    points: tuple[tuple[int, int], ...]
    budget_bytes: int
    max_context: int


def curve(scenario: Scenario, contexts: Sequence[int]) -> Curve:
    """The need of the scenario at each of `contexts`, on the GPU that has the least to spare."""
    footprint = scenario.engine.footprint(scenario)
    budgets = [budget.bytes for budget in footprint.budgets]
    at_asked = footprint.needed(scenario.context, scenario.concurrency)
    tightest = min(range(len(budgets)), key=lambda g: budgets[g] - at_asked[g], default=0)
    needs = [footprint.needed(n, scenario.concurrency) for n in contexts]
    points = tuple(
        (n, need[tightest] if budgets else 0) for n, need in zip(contexts, needs, strict=True)
    )
    fit = largest(
        lambda n: all(
            need <= budget
            for need, budget in zip(footprint.needed(n, scenario.concurrency), budgets, strict=True)
        ),
        moves.longest_context(scenario.model),
    )
    return Curve(
        scenario.weights,
        scenario.kv,
        points,
        budgets[tightest] if budgets else 0,
        fit or 0,
    )
