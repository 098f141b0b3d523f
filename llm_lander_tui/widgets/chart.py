"""Memory against context for several formats: the only place that knows plotext."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.content import Content, Span

from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.compare import Curve, curve
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, Units, format_tokens, format_tokens_short
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.model_view import flowed
from llm_lander_tui.widgets.view import FiguresAsked, ScenarioTaken, View
from llm_lander_tui.widgets.words import BAD, GOOD, QUIET, chosen_units, fitted, format_bytes

STEPS = 60
"""Contexts at which a curve is worked out, and the read-out stops."""
SERIES = ("$primary", "$secondary", "$accent", "$warning")
FREE_LINE, LIMIT_LINE, CURSOR_LINE = 11, 12, 13
STYLES = {n + 1: style for n, style in enumerate(SERIES)} | {
    FREE_LINE: "$text-success",
    LIMIT_LINE: "$foreground 45%",
    CURSOR_LINE: "$foreground 45%",
}
"""What each colour number given to plotext is drawn in."""
LABEL_STEP = 0.2
"""Share of the width between the names of two curves."""
SPREAD_OF_BITS = (16.0, 8.5, 4.85, 3.5)
"""Weight formats near these bits are drawn beside the plan's own."""


@dataclass(frozen=True, slots=True)
class Curves:
    """The need of several formats at the same contexts, from nothing to `longest`."""

    labels: tuple[str, ...]
    curves: tuple[Curve, ...]
    longest: int

    @property
    def contexts(self) -> tuple[int, ...]:
        """Where the need is known, ascending."""
        return tuple(n for n, _ in self.curves[0].points)


def curves_of(scenario: Scenario, longest: int, *, by_kv: bool) -> Curves:
    """The plan's own curve first, then up to three others whose weights fit nearly."""
    if by_kv:
        sizes = choices.kv_columns(scenario.engine, scenario.kv)
        others = [replace(scenario, kv=kv) for kv in sizes]
    else:
        near = [
            choices.nearest_weights(scenario.model, scenario.engine, bits)
            for bits in SPREAD_OF_BITS
        ]
        others = [replace(scenario, weights=recipe) for recipe in near if recipe is not None]
    steps = {max(1, longest * n // STEPS) for n in range(STEPS + 1)}
    contexts = sorted(steps | {min(scenario.context, longest)})
    found: dict[str, Curve] = {}
    for one in dict.fromkeys([scenario, *others]):
        drawn = curve(one, contexts)
        if not found or drawn.points[0][1] <= 1.15 * drawn.budget_bytes:
            found[one.kv.name if by_kv else one.weights.name] = drawn
        if len(found) == len(SERIES):
            break
    return Curves(tuple(found), tuple(found.values()), longest)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is plotted; compared by value, so that the same is never plotted twice."""

    labels: tuple[str, ...]
    curves: tuple[Curve, ...]
    bottom: float
    top: float
    limit: int | None
    longest: int
    cursor: int
    size: tuple[int, int]
    units: Units

    @property
    def budget_bytes(self) -> int:
        """What the engine may use of the card."""
        return self.curves[0].budget_bytes


class Chart(Lines, View, can_focus=True):
    """Left and right move the read-out, + and - zoom, s switches weight formats and KV formats."""

    DEFAULT_CSS = "Chart { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor(-1)", "Left", show=False),
        Binding("right", "cursor(1)", "Right", show=False),
        Binding("plus,equals_sign", "zoom(1)", "zoom in", id="chart.in"),
        Binding("minus", "zoom(-1)", "zoom out", id="chart.out"),
        Binding("s", "series", "series", id="chart.series"),
        Binding("enter", "choose", "ask this", id="chart.choose"),
    ]

    def __init__(self) -> None:
        super().__init__(id="chart")
        self.plan: Plan | None = None
        self.known: Curves | None = None
        self.zoom = 0
        self.by_kv = False
        self.at = 0
        self._figure: Any = None
        self._drawing: Drawing | None = None
        self._plotted: list[Content] = []

    def work(self, plan: Plan) -> Callable[[], Curves]:
        """What has to be worked out for a plan: its curves."""
        return partial(curves_of, plan.scenario, self._longest(plan), by_kv=self.by_kv)

    def show(self, plan: Plan, found: Curves) -> None:
        """Draw the curves; the read-out goes to the plan's context."""
        self.plan = plan
        self.known = found
        self.at = bisect_left(found.contexts, min(plan.scenario.context, found.longest))
        self.redraw()

    def _longest(self, plan: Plan) -> int:
        """Tokens at the right end: twice what is asked or possible, by powers of two."""
        most = moves.longest_context(plan.scenario.model)
        interesting = max(plan.limits.memory_context, plan.scenario.context)
        end = min(most, 1 << max(12, (2 * interesting - 1).bit_length()))
        zoomed = end >> self.zoom if self.zoom >= 0 else end << -self.zoom
        return max(1024, min(most, zoomed))

    @property
    def context(self) -> int:
        """Tokens at the read-out."""
        return self.known.contexts[self.at] if self.known is not None else 0

    def under_cursor(self) -> Scenario | None:
        """The plan's scenario with the context of the read-out."""
        if self.plan is None or self.known is None:
            return None
        return replace(self.plan.scenario, context=self.context)

    def action_cursor(self, by: int) -> None:
        """Move the read-out to the next context that was worked out."""
        if self.known is not None:
            self.at = max(0, min(len(self.known.contexts) - 1, self.at + by))
            self.redraw()

    def action_zoom(self, by: int) -> None:
        """Half or twice the range."""
        self.zoom = max(-8, min(8, self.zoom + by))
        self.post_message(FiguresAsked())

    def action_series(self) -> None:
        """Weight formats, or KV formats."""
        self.by_kv = not self.by_kv
        self.post_message(FiguresAsked())

    def action_choose(self) -> None:
        """Ask for the context of the read-out."""
        self.post_message(ScenarioTaken())

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Read-out and chart."""
        plan, known = self.plan, self.known
        if height < 5:
            return ()
        if plan is None or known is None:
            return (Content.styled("working out the curves …", QUIET),)
        limit = plan.scenario.model.architecture.context_limit
        read_out = list(flowed(self._read_out(known), width))
        drawing = Drawing(
            known.labels,
            known.curves,
            *_range(known.curves),
            None if limit is None else limit.trained,
            known.longest,
            self.context,
            (width, height - len(read_out)),
            chosen_units(),
        )
        if drawing != self._drawing:
            self._drawing = drawing
            self._plotted = list(self._plot(drawing))
        return [*(fitted(line, width) for line in read_out), *self._plotted]

    def _read_out(self, known: Curves) -> list[Content]:
        """The need of every series at the cursor."""
        parts = [Content.styled(f"at {format_tokens(self.context)} tokens", "bold")]
        for n, (label, one) in enumerate(zip(known.labels, known.curves, strict=True)):
            need = one.points[self.at][1]
            parts.append(
                Content.assemble(
                    ("━ ", SERIES[n]), f"{label} ", (format_bytes(need), "bold"),
                    (" fits", GOOD) if need <= one.budget_bytes else (" no", BAD),
                )
            )  # fmt: skip
        return parts

    def _plot(self, drawing: Drawing) -> Iterator[Content]:
        width, height = drawing.size
        top = drawing.top
        large, sign = drawing.units.large
        plt = self._fresh_figure(width, height)
        plt.xlim(0, drawing.longest)
        plt.ylim(drawing.bottom / large, top / large)
        ticks = nice_ticks(drawing.longest, max(2, width // 14))
        plt.xticks(ticks, [format_tokens_short(tick) for tick in ticks])
        levels = levels_between(drawing.bottom / large, top / large, max(2, height // 3))
        plt.yticks(levels, [f"{level:g} {sign}" for level in levels])
        for n, one in reversed(list(enumerate(drawing.curves))):
            points = [(x, y / large) for x, y in one.points if y <= top]
            if points:
                xs, ys = zip(*points, strict=True)
                plt.plot(list(xs), list(ys), marker="braille", color=n + 1)
        plt.hline(drawing.budget_bytes / large, FREE_LINE)
        if drawing.limit is not None and drawing.limit <= drawing.longest:
            plt.vline(drawing.limit, LIMIT_LINE)
        plt.vline(drawing.cursor, CURSOR_LINE)
        row = (top - drawing.bottom) / large / height
        label = f"usable {format_bytes(drawing.budget_bytes)}"
        above = drawing.budget_bytes / large + row
        plt.text(label, drawing.longest * 0.01, above, color=FREE_LINE, alignment="left")
        for n, one in enumerate(drawing.curves):
            # By its name too, since colours are not everywhere; each at a place of its own.
            until = drawing.longest * (1 - LABEL_STEP * n)
            ends = [(x, y / large) for x, y in one.points if x <= until and y <= top - row * large]
            if ends:
                x, y = ends[-1]
                plt.text(drawing.labels[n], x, y + row, color=n + 1, alignment="right")
        text = Text.from_ansi(plt.build())
        for line in text.split("\n"):
            yield Content(line.plain, [_span(span) for span in line.spans])

    def _fresh_figure(self, width: int, height: int) -> Any:
        """A figure without colours of its own: those of the theme are put in afterwards."""
        from textual_plotext.plot import Plot

        if self._figure is None:
            self._figure = Plot()
        plt = self._figure
        plt.clear_figure()
        plt.theme("clear")
        plt.plotsize(width, height)
        plt._set_size(width, height)  # textual-plotext sets it likewise
        plt.xaxes(True, False)
        plt.yaxes(True, False)
        return plt


def _span(span: Any) -> Span:
    color = getattr(span.style, "color", None)
    number = None if color is None else color.number
    return Span(span.start, span.end, STYLES.get(number or 0, QUIET))


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Bytes at the lower and the upper edge: around the budget and the plan's own curve."""
    budget = curves[0].budget_bytes
    own = [need for _, need in curves[0].points]
    # The plan's own curve is in view, however far it is beyond the budget.
    top = max(budget * 1.15, min(own[-1] * 1.05, max(budget * 1.6, own[0] * 1.15)), float(GIB))
    lowest = min(one.points[0][1] for one in curves)
    bottom = lowest * 0.9 if lowest < top else 0.0
    return (bottom if bottom > 0.25 * top else 0.0), top


def levels_between(bottom: float, top: float, most: int) -> list[float]:
    """At most about `most` round values between two."""
    step = 0.25
    while (top - bottom) / step > most:
        step *= 2
    first = -(-bottom // step)
    return [n * step for n in range(int(first), int(top / step) + 1)]


def nice_ticks(longest: int, most: int) -> list[int]:
    """At most about `most` round token counts from 0 to `longest`."""
    step = 256
    while longest / step > most:
        step *= 2
    return list(range(0, longest + 1, step))
