"""Scenario -> Plan: the one function that every door of the program calls."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.engines.base import HOST, Allocation, Engine, Footprint, Known, Slotted
from llm_lander_tui.gpus import slices
from llm_lander_tui.planner.plan import Binding, Device, Limits, Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.planner.search import CONCURRENCY_SEARCH, CONTEXT_SEARCH, largest


def evaluate(scenario: Scenario, *, notional: bool = False) -> Plan:
    """The plan of a scenario: allocations against budgets, and how far it could go.

    `notional` plans a format that the engine does not load as if it did, to compare sizes.
    """
    footprint = scenario.engine.footprint(scenario)
    problems = (
        *(() if notional else footprint.problems),
        *((slices.ALONE,) if slices.joined(scenario.gpus) else ()),
        *(b.refusal for b in footprint.budgets if b.refusal is not None),
    )
    startable = bool(footprint.budgets) and not problems
    allocations = footprint.allocations(scenario.context, scenario.concurrency)
    devices = tuple(
        Device(gpu, tuple(a for a in allocations if a.gpu == gpu), budget)
        for gpu, budget in enumerate(footprint.budgets)
    )
    return Plan(
        scenario,
        devices,
        tuple(a for a in allocations if a.gpu == HOST),
        fits=startable and all(d.spare_bytes >= 0 for d in devices),
        limits=_limits(scenario, footprint, devices, startable=startable),
        problems=problems,
        notes=(*_beyond_the_model(scenario), *(() if problems else footprint.notes)),
    )


def _beyond_the_model(scenario: Scenario) -> tuple[str, ...]:
    limit = scenario.model.architecture.context_limit
    if limit is None or scenario.context <= limit.trained:
        return ()
    said = f"{scenario.context:,} tokens are beyond the model's own {limit.trained:,}"
    if limit.extended is not None and scenario.context <= limit.extended:
        return (f"{said}: it needs the RoPE scaling that its authors document.",)
    return (f"{said}: memory is planned for them, sense is not promised.",)


def max_context(scenario: Scenario) -> int | None:
    """The largest context that memory and model allow; None when the model does not land at all."""
    footprint = scenario.engine.footprint(scenario)
    if footprint.problems or any(b.refusal is not None for b in footprint.budgets):
        return None
    if not footprint.budgets or slices.joined(scenario.gpus):
        return None
    limit = scenario.model.architecture.context_limit
    end = _search_end(scenario) if limit is None else limit.trained
    # Whether the model's own limit fits is one question; only where it does not, a search follows.
    if _fits(footprint, end, scenario.concurrency):
        return end
    return largest(lambda n: _fits(footprint, n, scenario.concurrency), end)


def planned_context(scenario: Scenario) -> int | None:
    """The context to start with where none is asked for: the safe one, or else the likely one.

    A server refuses to start when its cache comes out a token smaller than it was promised. None
    when the model does not land at all.
    """
    likely = max_context(scenario)
    if not likely:
        return likely
    return evaluate(replace(scenario, context=likely)).limits.safe_context or likely


def most_sequences(engine: Engine) -> int:
    """Sequences at once beyond which an engine goes nowhere, or else the search's end."""
    return engine.most_sequences if isinstance(engine, Slotted) else CONCURRENCY_SEARCH


def _fits(
    footprint: Footprint, context: int, concurrency: int, extra: tuple[int, ...] | None = None
) -> bool:
    """Whether the need, with `extra` bytes on each GPU, is within every budget."""
    needed = footprint.needed(context, concurrency)
    if extra is not None:
        needed = [need + more for need, more in zip(needed, extra, strict=True)]
    return all(need <= budget.bytes for need, budget in zip(needed, footprint.budgets, strict=True))


def _search_end(scenario: Scenario) -> int:
    limit = scenario.model.architecture.context_limit
    longest = 0 if limit is None else max(limit.trained, limit.extended or 0)
    return max(CONTEXT_SEARCH, longest)


def _memory_context(
    scenario: Scenario, footprint: Footprint, extra: tuple[int, ...] | None = None
) -> int | None:
    if not footprint.budgets:
        return None
    return largest(
        lambda n: _fits(footprint, n, scenario.concurrency, extra), _search_end(scenario)
    )


def _within_model(scenario: Scenario, context: int | None) -> int | None:
    limit = scenario.model.architecture.context_limit
    return context if context is None or limit is None else min(context, limit.trained)


def _uncertain_bytes(device: Device) -> int:
    """Bytes by which the allocations may together exceed their expectation, by their spreads."""
    return round(sum(_spread_bytes(a) for a in device.allocations))


def _spread_bytes(allocation: Allocation) -> float:
    return 0.0 if allocation.known is Known.EXACT else allocation.spread * allocation.bytes


def _limits(
    scenario: Scenario, footprint: Footprint, devices: tuple[Device, ...], *, startable: bool
) -> Limits:
    limit = scenario.model.architecture.context_limit
    model_context = None if limit is None else limit.trained
    memory = _memory_context(scenario, footprint) if startable else None
    uncertain = tuple(_uncertain_bytes(d) for d in devices)
    safe = _memory_context(scenario, footprint, uncertain) if memory is not None else None
    hopeful = (
        _memory_context(scenario, footprint, tuple(-u for u in uncertain)) if startable else None
    )
    concurrency = (
        largest(lambda n: _fits(footprint, scenario.context, n), most_sequences(scenario.engine))
        if memory is not None
        else None
    )
    by_model = model_context is not None and memory is not None and memory >= model_context
    return Limits(
        lands=memory is not None,
        memory_context=memory or 0,
        model_context=model_context,
        max_context=_within_model(scenario, memory) or 0,
        binding=Binding.MODEL if by_model else Binding.MEMORY,
        searched_to=_search_end(scenario),
        max_concurrency=concurrency or 0,
        safe_context=_within_model(scenario, safe) or 0,
        hopeful_context=_within_model(scenario, hopeful) or 0,
    )
