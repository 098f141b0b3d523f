"""Every knob of the scenario and of its engine, turned with the verdict in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.screen import ModalScreen

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.rank_cards import copies_of
from llm_lander_tui.knobs import KNOBS
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.screens.sheet import Title
from llm_lander_tui.units import MIB
from llm_lander_tui.widgets.header import gpus_in_words, verdict_line
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import KEY, QUIET, fitted, format_bytes

if TYPE_CHECKING:
    from llm_lander_tui.state import LanderState

MARGINS = tuple(n * MIB for n in (0, 100, 250, 500, 750, 1000, 1500, 2000, 3000, 4000))


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: a knob's name, its value now, what it is, and how it is turned."""

    name: str
    value: str
    about: str
    move: Callable[[Scenario, int], Scenario]


def entries(scenario: Scenario) -> tuple[Entry, ...]:
    """The knobs of a scenario, those of its engine last."""
    split = f"TP {scenario.tensor_parallel} × PP {scenario.pipeline_parallel}"
    if (copies := copies_of(scenario.options)) > 1:
        split += f" × DP {copies}"
    return (
        Entry("weights", scenario.weights.name, "weight format", KNOBS["weights"].move),
        Entry("KV cache", scenario.kv.name, "format of cached keys and values", KNOBS["kv"].move),
        Entry("engine", scenario.engine.title, "inference engine", KNOBS["engine"].move),
        Entry("context", f"{scenario.context:,}", "tokens of a sequence", KNOBS["context"].move),
        Entry("sequences", f"{scenario.concurrency}", "alive at once", KNOBS["concurrency"].move),
        Entry("margin", format_bytes(scenario.margin_bytes), "kept free on each GPU", _margin),
        Entry("division", split, gpus_in_words(scenario.gpus, 30), KNOBS["parallel"].move),
        *(_option(scenario, option) for option in scenario.engine.options),
    )


def _margin(scenario: Scenario, by: int) -> Scenario:
    now = scenario.margin_bytes
    beyond = [m for m in MARGINS if (m > now if by > 0 else m < now)]
    if not beyond:
        return scenario
    return replace(scenario, margin_bytes=beyond[0] if by > 0 else beyond[-1])


def _option(scenario: Scenario, option: Option) -> Entry:
    options = scenario.options or scenario.engine.default_options
    now = getattr(options, option.name)

    def move(asked: Scenario, by: int) -> Scenario:
        before = asked.options or asked.engine.default_options
        value = choices.step(option.steps, getattr(before, option.name), by)
        return moves.with_options(asked, replace(before, **{option.name: value}))  # type: ignore[type-var]

    about = choices.effect(option, now)
    return Entry(option.flag, choices.value_word(option, now), about, move)


class Knobs(Rows):
    """The knobs; left and right turn the one under the cursor."""

    DEFAULT_CSS = "Knobs { background: $panel; height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn_knob(-1)", "less", show=False),
        Binding("right,enter", "turn_knob(1)", "more", show=False),
    ]

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="knobs")
        self.state = state

    def on_mount(self) -> None:
        """Follow the scenario."""
        self.watch(self.state, "scenario", self.redraw, init=False)

    def rows(self, width: int) -> Sequence[Content]:
        """A knob a row."""
        scenario = self.state.scenario
        if scenario is None:
            return []
        return [
            fitted(
                Content.assemble(
                    fitted(Content(entry.name), 26),
                    ("‹ ", KEY), (fitted(Content(entry.value), 16).plain, "bold"), ("› ", KEY),
                    (entry.about, QUIET),
                ),
                width,
            )
            for entry in entries(scenario)
        ]  # fmt: skip

    def action_turn_knob(self, by: int) -> None:
        """Turn the knob under the cursor."""
        scenario = self.state.scenario
        if scenario is not None:
            entry = entries(scenario)[self.cursor]
            self.state.turn(lambda s: entry.move(s, by), f"{entry.name} cannot be turned further.")


class KnobVerdict(Lines):
    """The verdict while knobs are turned, and why one could not."""

    DEFAULT_CSS = "KnobVerdict { background: $panel; height: 3; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__()
        self.state = state

    def on_mount(self) -> None:
        """Follow the plan."""
        for name in ("plan", "status", "baseline"):
            self.watch(self.state, name, self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Verdict, status, air."""
        state = self.state
        if state.plan is None:
            return (Content(state.status),)
        verdict = verdict_line(state.plan, state.baseline, min(width, 100))
        return (verdict, Content.styled(f" {state.status}", QUIET), Content(""))


class KnobSheet(ModalScreen[None], Painted[None]):
    """All knobs in one place, with what each is called."""

    CSS_PATH = "sheet.tcss"
    AUTO_FOCUS = "#knobs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,o", "dismiss", "back", show=False),
        Binding("u", "app.undo", "undo", show=False),
        Binding("U", "app.redo", "redo", show=False),
    ]

    def __init__(self, state: LanderState) -> None:
        super().__init__()
        self.state = state

    def compose(self) -> ComposeResult:
        """Verdict and knobs."""
        with VerticalGroup(classes="sheet tall-sheet"):
            yield Title("Knobs", "↑↓ choose   ←→ turn   u undo   esc")
            yield KnobVerdict(self.state)
            yield Knobs(self.state)
