"""The two lines on top of every screen: the whole scenario, and the verdict."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from llm_lander_tui.units import format_tokens, format_tokens_short
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import (
    KEY,
    QUIET,
    between,
    byte_change,
    fitted,
    format_bytes,
    short_gpu,
    shortened,
    token_change,
)

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Gpu
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.planner.scenario import Scenario
    from llm_lander_tui.state import LanderState

ROOMY = 104
"""Columns from which the header writes names and numbers out."""


class Header(Lines):
    """Model, formats, engine, GPUs, load, each beside its key; below, whether it lands."""

    DEFAULT_CSS = "Header { dock: top; height: 2; background: $surface; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="header")
        self.state = state

    def on_mount(self) -> None:
        """Follow what the header shows."""
        for name in ("plan", "baseline", "reading", "busy"):
            self.watch(self.state, name, self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """The scenario and the verdict."""
        state = self.state
        if state.scenario is None or state.plan is None:
            return (Content(" LLM-Lander"), Content.styled(f" {state.busy or 'starting'} …", QUIET))
        top = scenario_line(state.scenario, width)
        return top, verdict_line(state.plan, state.baseline, width)


def scenario_line(scenario: Scenario, width: int) -> Content:
    """Every knob beside its key; the model's name takes what is left."""
    roomy = width >= ROOMY
    tokens = format_tokens if roomy else format_tokens_short
    divided = len(scenario.gpus) > 1 and scenario.engine.tensor_parallel
    division = division_in_words(scenario) if divided else ""
    cards = 24 if roomy else (14 if width >= 76 else 9) - max(0, len(division) - len("TP2"))
    knobs = [
        ("w", scenario.weights.name),
        ("k", scenario.kv.name),
        ("e", scenario.engine.title if roomy else scenario.engine.id),
        ("g", gpus_in_words(scenario.gpus, max(6, cards))),
        ("[ ]" if roomy else "[]", tokens(scenario.context)),
        ("c", f"{scenario.concurrency}"),
    ]
    if division:
        knobs.append(("t", division))
    gap = "   " if roomy else "  "
    cells = Content("").join(
        [Content.assemble(gap, (name, KEY), " ", value) for name, value in knobs]
    )
    room = width - cells.cell_length - 2
    name = scenario.model.name
    if len(name) > room:
        name = name.rpartition("/")[2]
    return fitted(Content.assemble(" ", (shortened(name, max(8, room)), "bold"), cells), width)


def division_in_words(scenario: Scenario) -> str:
    """`TP2`, and where the model is divided by layers or copied too, `TP2·PP2·DP2`."""
    from llm_lander_tui.engines.rank_cards import copies_of

    others = (("PP", scenario.pipeline_parallel), ("DP", copies_of(scenario.options)))
    more = [f"{name}{degree}" for name, degree in others if degree > 1]
    return "·".join([f"TP{scenario.tensor_parallel}", *more])


def gpus_in_words(gpus: Sequence[Gpu], width: int) -> str:
    """`2×RTX 4090 + L40S`."""
    if not gpus:
        return "none"
    counts = Counter(short_gpu(gpu.name) for gpu in gpus)
    text = " + ".join(f"{n}×{name}" if n > 1 else name for name, n in counts.items())
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def badge(plan: Plan) -> Content:
    """The verdict in two words."""
    if plan.fits:
        return Content.styled(" LANDS ", "bold $background on $success")
    return Content.styled(" DOES NOT LAND ", "bold $background on $error")


def problem_in_two(plan: Plan, width: int) -> tuple[str, str]:
    """Why the engine would not start: what stands beside the verdict, and what goes on below."""
    problem = plan.problems[0]
    first = textwrap.wrap(problem, max(20, width - badge(plan).cell_length - 3))[0]
    return first, problem[len(first) :].strip() or f"{plan.scenario.engine.title} would not start."


def verdict_line(plan: Plan, baseline: Plan | None, width: int) -> Content:
    """LANDS with what is spare, or what is missing; the three contexts where there is room."""
    limits = plan.limits
    above = plan.fits and plan.scenario.context > limits.safe_context
    parts: list[Content | str | tuple[str, str]] = [" ", badge(plan), " "]
    if plan.problems:
        return fitted(Content.assemble(*parts, problem_in_two(plan, width)[0]), width)
    pinned = None if baseline is None else baseline.spare_bytes
    if plan.fits:
        parts += [format_bytes(plan.spare_bytes), " to spare"]
    else:
        parts += [(format_bytes(plan.short_bytes), "bold"), " missing"]
    parts.append(byte_change(plan.spare_bytes, pinned, more_is_better=True))
    if limits.lands:
        parts += [(" · ", QUIET), "likely ", (format_tokens(limits.max_context), "bold"), " tokens"]
        parts.append(
            token_change(
                limits.max_context, None if baseline is None else baseline.limits.max_context
            )
        )
        if above and width < ROOMY:
            parts.append((f" · above safe {format_tokens(limits.safe_context)}", QUIET))
        elif limits.binding == "model" and width < ROOMY:
            parts.append((" (the model's limit)", QUIET))
    line = Content.assemble(*parts)
    if width < ROOMY or not limits.lands:
        return fitted(line, width)
    contexts = Content.assemble(
        ("above safe " if above else "safe ", QUIET), format_tokens(limits.safe_context),
        (" · limit ", QUIET), format_tokens(limits.hopeful_context),
        (" · model's limit ", QUIET),
        "unknown" if limits.model_context is None else format_tokens(limits.model_context),
        " ",
    )  # fmt: skip
    return between(line, contexts, width)
