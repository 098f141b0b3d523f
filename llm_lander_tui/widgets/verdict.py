"""The answer in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from llm_lander_tui.engines.base import Kind
from llm_lander_tui.units import format_tokens
from llm_lander_tui.widgets.header import ROOMY, problem_in_two
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import QUIET, format_bytes

if TYPE_CHECKING:
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.state import LanderState


class Verdict(Lines):
    """Whether it lands, with how much, and what ends it."""

    DEFAULT_CSS = "Verdict { padding: 0 1; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="verdict")
        self.state = state

    def on_mount(self) -> None:
        """Follow the plan."""
        self.watch(self.state, "plan", self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """The sentence, wrapped."""
        plan = self.state.plan
        if plan is None:
            return (Content(self.state.status),)
        if plan.problems:
            # The widget is as wide as the screen, less its padding.
            return Content(problem_in_two(plan, width + 2)[1]).wrap(max(20, width))
        if width < ROOMY:
            return (contexts(plan, width) if plan.fits else shortage(plan),)
        return sentence(plan).wrap(max(20, width))


def contexts(plan: Plan, width: int) -> Content:
    """What a narrow header leaves out: how sure its context is, and how many at once."""
    limits = plan.limits
    model = "unknown" if limits.model_context is None else format_tokens(limits.model_context)
    load = Content.assemble((" · at once ", QUIET), (f"×{limits.max_concurrency}", "bold"))
    line = Content.assemble(
        ("safe ", QUIET), (format_tokens(limits.safe_context), "bold"),
        (" · limit ", QUIET), (format_tokens(limits.hopeful_context), "bold"),
        (" · model's limit ", QUIET), (model, "bold"),
    )  # fmt: skip
    return line + load if line.cell_length + load.cell_length <= width else line


def shortage(plan: Plan) -> Content:
    """What would land instead, or how far an empty context is from it, in one narrow line."""
    limits, empty = plan.limits, short_when_empty(plan)
    if not limits.lands and empty:
        missing = (format_bytes(empty), "bold")
        return Content.assemble("even an empty context is ", missing, f" short on {_place(plan)}")
    return Content.assemble(
        (format_tokens(limits.max_context), "bold"), " tokens would land",
        (" · safe ", QUIET), (format_tokens(limits.safe_context), "bold"),
        (" · limit ", QUIET), (format_tokens(limits.hopeful_context), "bold"),
    )  # fmt: skip


def sentence(plan: Plan) -> Content:
    """What the header says in numbers, as one would say it."""
    limits, scenario = plan.limits, plan.scenario
    bold = "bold"
    users = "" if scenario.concurrency == 1 else f" × {scenario.concurrency} sequences"
    if not limits.lands and short_when_empty(plan):
        return Content.assemble(
            "It does not land: ",
            (format_bytes(short_when_empty(plan)), bold),
            f" are missing on {_place(plan)} before any cache, ",
            (format_bytes(plan.short_bytes), bold),
            f" with {scenario.context:,} tokens{users}.",
        )  # fmt: skip
    if not plan.fits:
        return Content.assemble(
            f"It does not land with {scenario.context:,} tokens{users}: ",
            (format_bytes(plan.short_bytes), bold), " are missing; ",
            (format_tokens(limits.max_context), bold), " tokens would fit.",
        )  # fmt: skip
    end = "where the model itself ends" if limits.binding == "model" else "where memory ends"
    safe = (
        ("; ", (format_tokens(limits.safe_context), bold), " are safe")
        if limits.safe_context < limits.max_context
        else ()
    )
    return Content.assemble(
        "It lands with ", (format_tokens(scenario.context), bold), f" tokens{users}, ",
        (format_bytes(plan.spare_bytes), bold), " to spare, and could have ",
        (format_tokens(limits.max_context), bold), f", {end}",
        *safe, ".",
    )  # fmt: skip


def short_when_empty(plan: Plan) -> int:
    """Bytes missing on the GPUs when the KV cache is left out; 0 when nothing is."""
    cache = {
        device.gpu: sum(a.bytes for a in device.allocations if a.kind is Kind.KV_CACHE)
        for device in plan.devices
    }
    return sum(max(0, -d.spare_bytes - cache[d.gpu]) for d in plan.devices)


def _place(plan: Plan) -> str:
    count = len(plan.devices)
    return "this GPU" if count == 1 else f"these {count} GPUs"
