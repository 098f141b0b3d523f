"""What single changes are worth in tokens of context, and the shortest ways to make a plan land."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llm_lander_tui.engines.base import Offloading, Option
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.fidelity import faithful_bits
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB

HOST_NOTICED = 256 * MIB
"""Bytes moved to host memory from which a change counts as such; staging buffers stay below."""
GPU_COUNTS = (2, 3, 4, 6, 8, 12, 16)
"""How many cards machines have, and engines divide models over."""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed knob (or two) and what it gives.

    `context_delta` is the change of the context that memory allows, `fits` whether the asked
    context and concurrency then fit, `spare_bytes` what the tightest GPU then has left, and
    `host_bytes` what moves from the GPUs into host memory, which costs speed.
    """

    label: str
    scenario: Scenario
    context_delta: int
    fits: bool
    spare_bytes: int
    host_bytes: int = 0


def changes(plan: Plan) -> tuple[Change, ...]:
    """Every single change that moves the largest context, the most valuable first.

    Those that move memory to the host stand behind those that do not.
    """
    found = [_priced(plan, label, scenario) for label, scenario in _singles(plan.scenario)]
    worth = [c for c in found if c.context_delta or c.fits != plan.fits]
    return tuple(sorted(worth, key=lambda c: (c.host_bytes > 0, -c.context_delta)))


def landings(plan: Plan, most: int = 4) -> tuple[Change, ...]:
    """The shortest ways to make a plan that does not fit land: single changes, else pairs.

    Those that cost the least fidelity come first, then a shorter context; the last is to leave the
    least that it takes on the host.
    """
    if plan.fits:
        return ()
    singles = list(_singles(plan.scenario))
    found = [c for c in (_priced(plan, *single) for single in singles) if c.fits]
    if not any(c.scenario.weights != plan.scenario.weights for c in found):
        found += _lighter(plan)
    if not any(len(c.scenario.gpus) > len(plan.scenario.gpus) for c in found):
        found += _more_gpus(plan)
    if not found:
        pairs = (
            (f"{first} and {second}", scenario)
            for first, changed in singles
            for second, scenario in _kv_changes(changed)
        )
        found = [c for c in (_priced(plan, *pair) for pair in pairs) if c.fits]
    found.sort(key=lambda c: (c.host_bytes > 0, _fidelity_lost(plan.scenario, c.scenario)))
    last = [_priced(plan, *change) for change in (*_shorter(plan), *_offload(plan.scenario))]
    return (*found[: most - len(last)], *last)


def _shorter(plan: Plan) -> Iterator[tuple[str, Scenario]]:
    """The largest context that lands, where one does."""
    context = plan.limits.max_context
    if context >= moves.SMALLEST_CONTEXT:
        yield f"context {context:,}", replace(plan.scenario, context=context)


def _offload(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    """The least that has to stay on the host, where the engine can leave anything there."""
    engine = scenario.engine
    found = engine.offload(scenario) if isinstance(engine, Offloading) else None
    if found is not None:
        name, value = found
        option = next(option for option in engine.options if option.name == name)
        changed = replace(scenario.options or engine.default_options, **{name: value})  # type: ignore[type-var]
        yield _change_words(option, value), replace(scenario, options=changed)


def _lighter(plan: Plan) -> list[Change]:
    """The most faithful of the lighter weight formats with which the plan lands, if any."""
    scenario = plan.scenario
    formats = choices.weight_formats(scenario.model, scenario.engine)
    for recipe in sorted(formats, key=faithful_bits, reverse=True):
        if recipe.bits < scenario.weights.bits:
            changed = replace(scenario, weights=recipe)
            priced = _priced(plan, f"weights {recipe.name}", changed)
            if priced.fits:
                return [priced]
    return []


def _more_gpus(plan: Plan) -> list[Change]:
    """The fewest more of the same card with which the plan lands, if any."""
    gpus = plan.scenario.gpus
    for count in GPU_COUNTS if gpus else ():
        more = count - len(gpus)
        if more > 1:
            index = 1 + max(gpu.index for gpu in gpus)
            added = tuple(_another(gpus[-1], index + n) for n in range(more))
            changed = moves.with_gpus(plan.scenario, (*gpus, *added))
            priced = _priced(plan, f"{more} more {gpus[-1].name}", changed)
            if priced.fits:
                return [priced]
    return []


def _priced(plan: Plan, label: str, scenario: Scenario) -> Change:
    other = evaluate(scenario)
    delta = other.limits.memory_context - plan.limits.memory_context
    moved = sum(a.bytes for a in other.host) - sum(a.bytes for a in plan.host)
    # Another weight format moves nothing: what lay on the host only changes its size there.
    same = scenario.weights == plan.scenario.weights
    host = moved if same and moved >= HOST_NOTICED else 0
    return Change(label, scenario, delta, other.fits, other.spare_bytes, host)


def _fidelity_lost(before: Scenario, after: Scenario) -> float:
    """A rank, not a measure: halvings of weight bits count four times those of the cache."""
    weights = 4 * max(0.0, faithful_bits(before.weights) / faithful_bits(after.weights) - 1)
    cache = max(0.0, choices.kv_bits(before.kv) / choices.kv_bits(after.kv) - 1)
    cards = 2 * max(0, len(after.gpus) - len(before.gpus))
    load = 3 * max(0.0, before.concurrency / after.concurrency - 1)
    return weights + cache + cards + load


def _singles(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    yield from _weight_changes(scenario)
    yield from _kv_changes(scenario)
    yield from _load_changes(scenario)
    yield from _gpu_changes(scenario)
    yield from _option_changes(scenario)


def _weight_changes(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    formats = choices.weight_formats(scenario.model, scenario.engine)
    if scenario.weights not in formats:
        return
    here = formats.index(scenario.weights)
    for recipe in (*formats[here + 1 : here + 3], *formats[max(0, here - 1) : here]):
        yield f"weights {recipe.name}", replace(scenario, weights=recipe)


def _kv_changes(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    for kv in choices.kv_columns(scenario.engine, scenario.kv):
        if kv != scenario.kv:
            yield f"KV {kv.name}", replace(scenario, kv=kv)


def _load_changes(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    now = scenario.concurrency
    yield "one more user", replace(scenario, concurrency=now + 1)
    if now > 1:
        yield "one user less", replace(scenario, concurrency=now - 1)


def _gpu_changes(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    gpus = scenario.gpus
    if not gpus:
        return
    if gpus[-1].mig is None:
        another = _another(gpus[-1], 1 + max(g.index for g in gpus))
        yield f"one more {gpus[-1].name}", moves.with_gpus(scenario, (*gpus, another))
    if len(gpus) > 1:
        yield "one GPU less", moves.with_gpus(scenario, gpus[:-1])


def _another(gpu: Gpu, index: int) -> Gpu:
    """An empty card of the same kind, not in the machine."""
    total, reserved = gpu.total_bytes, gpu.reserved_bytes
    return Gpu(
        index,
        gpu.name,
        total,
        0,
        total - reserved,
        reserved_bytes=reserved,
        hypothetical=True,
        spec=gpu.spec,
    )


def _option_changes(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    engine = scenario.engine
    options = scenario.options or engine.default_options
    routes = scenario.model.architecture.routes_experts
    offloads = engine.offload_options if isinstance(engine, Offloading) else ()
    for option in engine.options:
        now = getattr(options, option.name)
        if now not in option.steps or (option.experts_only and not routes):
            continue
        if now is None and option.name in offloads:
            # Beside "all layers" stands "no layer": how many it takes is a search of its own.
            continue
        here = option.steps.index(now)
        for value in (*option.steps[max(0, here - 1) : here], *option.steps[here + 1 : here + 2]):
            changed = replace(options, **{option.name: value})  # type: ignore[type-var]
            yield _change_words(option, value), moves.with_options(scenario, changed)


def _change_words(option: Option, value: object) -> str:
    """A changed option; one that a flag takes away is named by what then holds."""
    if choices.takes_away(option):
        present = "" if value is False else "without "
        return f"{choices.effect(option, value)} ({present}{option.flag})"
    return f"{option.flag} {choices.value_word(option, value)}"
