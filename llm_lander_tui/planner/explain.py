"""Every number of a plan opened into its formula with the values put in."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.base import Allocation, Known
from llm_lander_tui.planner.plan import Binding, Plan
from llm_lander_tui.units import format_bytes, format_tokens


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a number is, how it comes about line by line, and how it is known."""

    title: str
    lines: tuple[str, ...]
    known: str
    source: str = ""


def explain_allocation(allocation: Allocation) -> Explanation:
    """One allocation: its sum, and how sure it is."""
    return Explanation(
        f"{allocation.kind.value} · {format_bytes(allocation.bytes)}",
        (allocation.why, f"= {allocation.bytes:,} bytes"),
        known_words(allocation),
        allocation.source,
    )


def known_words(allocation: Allocation) -> str:
    """How an allocation is known, in words: "exact", "calibrated ±6 %", "rough ±30 %"."""
    if allocation.known is Known.EXACT:
        return allocation.known.value
    spread = f" ±{allocation.spread:.0%}".replace("%", " %") if allocation.spread else ""
    return f"{allocation.known.value}{spread}"


def explain_context(plan: Plan) -> Explanation:
    """The largest context: the search, what binds it, and the three contexts."""
    limits = plan.limits
    scenario = plan.scenario
    lines = [
        f"The largest n in 0 … {format_tokens(limits.searched_to)} whose need on every GPU is "
        f"within its budget, with {scenario.concurrency} at once: "
        f"{format_tokens(limits.memory_context)}."
    ]
    lines += [
        f"GPU {scenario.gpus[d.gpu].index}: budget {format_bytes(d.budget.bytes)}: {d.budget.why}"
        for d in plan.devices
    ]
    limit = scenario.model.architecture.context_limit
    if limit is not None:
        lines.append(f"The model supports {format_tokens(limit.trained)}: {limit.why}.")
        if limit.extended is not None:
            lines.append(f"With RoPE scaling as its authors document: {limit.extended:,}.")
    binding = "memory" if limits.binding is Binding.MEMORY else "the model's own limit"
    lines.append(f"What binds is {binding}: {format_tokens(limits.max_context)} tokens.")
    lines.append(
        f"Safe {format_tokens(limits.safe_context)} (every uncertain term as large as its spread), "
        f"likely {format_tokens(limits.max_context)} (as computed), "
        f"limit {format_tokens(limits.hopeful_context)} (as small)."
    )
    return Explanation("largest context", tuple(lines), "by search over the plan's own terms")
