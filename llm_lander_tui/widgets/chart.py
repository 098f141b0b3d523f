"""Memory against context for several formats: the only place that knows plotext."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.content import Content, Span

from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.compare import Curve, curve
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, format_bytes, format_tokens, format_tokens_short
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import BAD, GOOD, QUIET, fitted

SAMPLES = 64
SERIES = ("$primary", "$secondary", "$accent", "$warning")
FREE_LINE, LIMIT_LINE, CURSOR_LINE = 11, 12, 13
STYLES = {n + 1: style for n, style in enumerate(SERIES)} | {
    FREE_LINE: "$text-success",
    LIMIT_LINE: "$foreground 45%",
    CURSOR_LINE: "$foreground 45%",
}
"""What each colour number given to plotext is drawn in."""
SPREAD_OF_BITS = (16.0, 8.5, 4.85, 3.5)
"""Weight formats near these bits are drawn beside the plan's own."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is plotted; compared by value, so that the same is never plotted twice."""

    curves: tuple[Curve, ...]
    budget_bytes: int
    bottom: float
    top: float
    limit: int | None
    longest: int
    cursor: int
    size: tuple[int, int]


class Chart(Lines, can_focus=True):
    """Left and right move the read-out, + and - zoom, s switches weight formats and KV formats."""

    DEFAULT_CSS = "Chart { padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor(-1)", "Left", show=False),
        Binding("right", "cursor(1)", "Right", show=False),
        Binding("plus,equals_sign", "zoom(1)", "zoom in", id="chart.in"),
        Binding("minus", "zoom(-1)", "zoom out", id="chart.out"),
        Binding("s", "series", "series", id="chart.series"),
        Binding("enter", "take", "ask this context", id="chart.take"),
    ]

    def __init__(self) -> None:
        super().__init__(id="chart")
        self.plan: Plan | None = None
        self.zoom = 0
        self.by_kv = False
        self.at: int | None = None
        self._figure: Any = None
        self._drawing: Drawing | None = None
        self._plotted: list[Content] = []

    def answer(self, plan: Plan) -> None:
        """Draw for a plan; the read-out goes to its context."""
        self.plan = plan
        self.at = None
        self.redraw()

    @property
    def longest(self) -> int:
        """Tokens at the right end."""
        plan = self.plan
        if plan is None:
            return 1
        most = moves.longest_context(plan.scenario.model)
        interesting = max(plan.limits.memory_context, plan.scenario.context)
        end = min(most, 1 << max(12, (2 * interesting - 1).bit_length()))
        zoomed = end >> self.zoom if self.zoom >= 0 else end << -self.zoom
        return max(1024, min(most, zoomed))

    @property
    def context(self) -> int:
        """Tokens at the read-out."""
        plan = self.plan
        if self.at is not None:
            return min(self.at, self.longest)
        return min(plan.scenario.context if plan is not None else 0, self.longest)

    def under_cursor(self) -> Scenario | None:
        """The plan's scenario with the context of the read-out."""
        if self.plan is None:
            return None
        return replace(self.plan.scenario, context=max(1, self.context))

    def action_cursor(self, by: int) -> None:
        """Move the read-out by one fortieth of the width."""
        step = max(64, self.longest // 40)
        self.at = max(0, min(self.longest, (self.context // step + by) * step))
        self.redraw()

    def action_zoom(self, by: int) -> None:
        """Half or twice the range."""
        self.zoom = max(-8, min(8, self.zoom + by))
        self.redraw()

    def action_series(self) -> None:
        """Weight formats, or KV formats."""
        self.by_kv = not self.by_kv
        self.redraw()

    def action_take(self) -> None:
        """Ask for the context of the read-out."""
        scenario = self.under_cursor()
        if scenario is not None:
            self.app.take(scenario)  # type: ignore[attr-defined]

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Read-out and chart."""
        plan = self.plan
        if plan is None or height < 5:
            return ()
        scenarios = self._scenarios(plan.scenario)
        longest = self.longest
        contexts = [max(1, longest * n // SAMPLES) for n in range(SAMPLES + 1)]
        curves = tuple(curve(s, contexts) for s in scenarios)
        limit = plan.scenario.model.architecture.context_limit
        drawing = Drawing(
            curves,
            curves[0].budget_bytes,
            *_range(curves),
            None if limit is None else limit.trained,
            longest,
            self.context,
            (width, height - 1),
        )
        if drawing != self._drawing:
            self._drawing = drawing
            self._plotted = list(self._plot(drawing))
        return [self._read_out(scenarios, width), *self._plotted]

    def _scenarios(self, scenario: Scenario) -> list[Scenario]:
        """The plan's own first, then up to three others."""
        if self.by_kv:
            others = [replace(scenario, kv=kv) for kv in choices.kv_formats(scenario.engine)]
        else:
            found = [
                choices.nearest_weights(scenario.model, scenario.engine, bits)
                for bits in SPREAD_OF_BITS
            ]
            others = [replace(scenario, weights=recipe) for recipe in found if recipe is not None]
        near = [s for s in others if curve(s, [1]).points[0][1] <= 1.15 * self._budget(s)]
        return list(dict.fromkeys([scenario, *near]))[: len(SERIES)]

    def _budget(self, scenario: Scenario) -> int:
        return curve(scenario, [1]).budget_bytes

    def _read_out(self, scenarios: Sequence[Scenario], width: int) -> Content:
        """The need of every series at the cursor."""
        parts: list[Content] = [
            Content.assemble((f"at {format_tokens(self.context)} tokens", "bold"))
        ]
        for n, scenario in enumerate(scenarios):
            here = curve(scenario, [max(1, self.context)])
            need = here.points[0][1]
            fits = need <= here.budget_bytes
            label = scenario.kv.name if self.by_kv else scenario.weights.name
            parts.append(
                Content.assemble(
                    "   ", ("━ ", SERIES[n]), f"{label} ", (format_bytes(need), "bold"),
                    (" fits", GOOD) if fits else (" no", BAD),
                )
            )  # fmt: skip
        return fitted(Content("").join(parts), width)

    def _plot(self, drawing: Drawing) -> Iterator[Content]:
        width, height = drawing.size
        top = drawing.top
        plt = self._fresh_figure(width, height)
        plt.xlim(0, drawing.longest)
        plt.ylim(drawing.bottom / GIB, top / GIB)
        ticks = nice_ticks(drawing.longest, max(2, width // 14))
        plt.xticks(ticks, [format_tokens_short(tick) for tick in ticks])
        levels = levels_between(drawing.bottom / GIB, top / GIB, max(2, height // 3))
        plt.yticks(levels, [f"{level:g} GiB" for level in levels])
        for n, one in reversed(list(enumerate(drawing.curves))):
            points = [(x, y / GIB) for x, y in one.points if y <= top]
            if points:
                xs, ys = zip(*points, strict=True)
                plt.plot(list(xs), list(ys), marker="braille", color=n + 1)
        plt.hline(drawing.budget_bytes / GIB, FREE_LINE)
        if drawing.limit is not None and drawing.limit <= drawing.longest:
            plt.vline(drawing.limit, LIMIT_LINE)
        plt.vline(drawing.cursor, CURSOR_LINE)
        label = f"usable {format_bytes(drawing.budget_bytes)}"
        plt.text(
            label,
            drawing.longest * 0.01,
            drawing.budget_bytes / GIB + (top - drawing.bottom) / GIB / height,
            color=FREE_LINE,
            alignment="left",
        )
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
        plt._set_size(width, height)  # noqa: SLF001 - textual-plotext sets it likewise
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
    top = max(budget * 1.15, min(own[-1] * 1.05, budget * 1.6), float(GIB))
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
