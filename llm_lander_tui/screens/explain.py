"""Every number of a plan opened into its formula with the values put in."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from llm_lander_tui.engines.base import Allocation, Kind
from llm_lander_tui.planner.explain import (
    Explanation,
    explain_allocation,
    explain_cache,
    explain_context,
    explain_weights,
)
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.screens.sheet import Sheet
from llm_lander_tui.units import Units, format_bytes
from llm_lander_tui.widgets.memory_bar import groups
from llm_lander_tui.widgets.words import BAD, KIND_STYLE, QUIET, WARN, chosen_units


class ExplainSheet(Sheet):
    """The largest context first, then every allocation of each kind of device."""

    def __init__(self, plan: Plan) -> None:
        scenario = plan.scenario
        title = (
            f"{scenario.model.name} · {scenario.weights.name} · KV {scenario.kv.name} · "
            f"{scenario.engine.title}"
        )
        super().__init__(title, list(paragraphs(plan)))


def paragraphs(plan: Plan) -> Iterator[Content]:
    """The explanation of a plan, line by line."""
    if chosen_units() is not Units.BINARY:
        sums = "The sums are in GiB of 1024³ bytes, as drivers and engines count and log them."
        yield Content.styled(sums, QUIET)
    for problem in plan.problems:
        yield Content.styled(f"! {problem}", BAD)
    for note in plan.notes:
        yield Content.styled(f"! {note}", WARN)
    yield from _explained(explain_context(plan), "")
    yield Content("")
    yield from _explained(explain_weights(plan.scenario), KIND_STYLE[Kind.WEIGHTS])
    yield from _explained(explain_cache(plan.scenario), KIND_STYLE[Kind.KV_CACHE])
    for group in groups(plan):
        device = group.devices[0]
        yield Content("")
        spare = device.spare_bytes
        left = (
            f"{format_bytes(spare)} to spare" if spare >= 0 else f"{format_bytes(-spare)} missing"
        )
        count = len(group.devices)
        each = f"each of {count} " if count > 1 else ""
        yield Content.assemble(
            (f"GPU {group.label}", "bold"),
            f"   {each}needs {format_bytes(device.needed_bytes)} of "
            f"{format_bytes(device.budget.bytes)}, {left}",
        )
        for allocation in device.allocations:
            yield from _allocation(allocation)
    if plan.host:
        yield Content("")
        yield Content.styled("Host memory", "bold")
        for allocation in plan.host:
            yield from _allocation(allocation)


def _allocation(allocation: Allocation) -> Iterator[Content]:
    yield from _explained(explain_allocation(allocation), KIND_STYLE[allocation.kind])


def _explained(explanation: Explanation, ink: str) -> Iterator[Content]:
    known = explanation.known + (f" · {explanation.source}" if explanation.source else "")
    mark = ("▪ ", ink) if ink else ""
    yield Content.assemble(mark, (explanation.title, "bold"), (f"   {known}", QUIET))
    for line in explanation.lines:
        yield Content(f"  {line}")
