"""What the Fit screen tells below its header: the sentence, the bars, the lists and the views."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.timer import Timer
from textual.widget import Widget

from llm_lander_tui.screens.lander_screen import SMALLEST
from llm_lander_tui.widgets.format_table import FormatTable
from llm_lander_tui.widgets.lines import LaidOutOnce
from llm_lander_tui.widgets.memory_bar import MemoryBar
from llm_lander_tui.widgets.prices import Prices, rank
from llm_lander_tui.widgets.rows import ComparingRows, Rows
from llm_lander_tui.widgets.verdict import Verdict
from llm_lander_tui.widgets.view import FiguresAsked, Pointing, ScenarioTaken, View
from llm_lander_tui.widgets.view_tabs import ViewTabs

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp
    from llm_lander_tui.planner.plan import Plan
    from llm_lander_tui.planner.scenario import Scenario
    from llm_lander_tui.state import LanderState

SETTLED = 0.06
"""Seconds after the last key when lists are ranked again."""
STILL = 0.25
"""Seconds after the last key when the open view is drawn again."""
LIVE = 5.0
"""Seconds that lists and view lag behind free memory that changes by itself."""
LISTS = "prices"
VIEWS = ("chart", "map", "engines")
TALL = 30
"""Rows from which lists and a view stand one below the other."""


class Lists(Horizontal):
    """Two lists side by side, laid out again where the room for both has another width."""

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        again = layout and size.width != self.size.width
        return super()._size_updated(size, virtual_size, container_size, layout=again)


class FitDetails(LaidOutOnce, Vertical):
    """From the sentence down to the lists and the open view."""

    SCOPED_CSS = False  # The classes for narrow and tall windows are the screen's.
    DEFAULT_CSS = """
    FitDetails #lists { height: 1fr; }
    FitDetails FormatTable { width: 1fr; height: 100%; }
    FitDetails Prices { width: 1fr; height: 100%; }
    FitDetails Chart, FitDetails HeatMap, FitDetails EnginesTable { height: 1fr; }
    .-tall FitDetails #lists, .-tall FitDetails ViewTabs { margin-top: 1; }
    .-tall FitDetails Chart, .-tall FitDetails HeatMap, .-tall FitDetails EnginesTable {
        height: 12;
    }
    .-medium FitDetails FormatTable { width: 42; }
    .-narrow FitDetails Prices { width: 28; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._settling: Timer | None = None
        self._drawing: Timer | None = None
        self._waiting: Timer | None = None
        self._asked: Scenario | None = None
        self._view = "chart"
        self._lists_open = True

    @property
    def lander(self) -> LanderApp:
        """The app, by its own type."""
        return cast("LanderApp", self.app)

    @property
    def state(self) -> LanderState:
        """The state that all screens show."""
        return self.lander.state

    def compose(self) -> ComposeResult:
        """Sentence, bars, tabs, lists; a view is made when it is opened first."""
        yield Verdict(self.state)
        yield MemoryBar(self.state)
        yield ViewTabs()
        with Lists(id="lists"):
            yield FormatTable()
            yield Prices()

    def on_mount(self) -> None:
        """Follow the plan."""
        self.query_one(Prices).focus()
        self._arrange()
        self.watch(self.state, "plan", self._plan_changed)
        self.watch(self.state, "baseline", self._pinned)

    def _pinned(self) -> None:
        """Let every list compare with the baseline."""
        for rows in self.query(ComparingRows):
            rows.pin(self.state.baseline)

    @property
    def tall(self) -> bool:
        """Whether lists and a view stand one below the other."""
        return self.screen.size.height >= TALL

    @property
    def names(self) -> list[str]:
        """The views that can be opened here."""
        return [*VIEWS] if self.tall else [LISTS, *VIEWS]

    def on_resize(self, event: events.Resize) -> None:
        """Rows that came or went decide what there is room for."""
        self._arrange()

    def next_view(self) -> None:
        """Open the next view."""
        names = self.names
        opened = LISTS if self._lists_open and not self.tall else self._view
        following = names[(names.index(opened) + 1) % len(names)]
        self._lists_open = following == LISTS
        if not self._lists_open:
            self._view = following
        self._arrange()
        if following != LISTS:
            self.call_after_refresh(self._focus_view)
        else:
            self.query_one(Prices).focus()

    def _focus_view(self) -> None:
        view = self.query_one_optional(f"#{self._view}")
        if view is not None:
            view.focus()

    def _arrange(self) -> None:
        """Show lists, a view, or both."""
        size = self.screen.size
        room = size.width >= SMALLEST[0] and size.height >= SMALLEST[1]
        lists = room and (self.tall or self._lists_open)
        view = room and (self.tall or not self._lists_open)
        self.query_one("#lists").display = lists
        tabs = self.query_one(ViewTabs)
        tabs.show(self.names, self._view if view else LISTS)
        for name in VIEWS:
            found = self.query_one_optional(f"#{name}")
            wanted = view and name == self._view
            if found is None and wanted:
                view_made = _made(name)
                if isinstance(view_made, ComparingRows):
                    view_made.pin(self.state.baseline)
                self.mount(view_made, after=self.query_one("#lists"))
            elif found is not None:
                found.display = wanted
        if self.tall:
            self.move_child(tabs, after=self.query_one("#lists"))
        else:
            self.move_child(tabs, before=self.query_one("#lists"))
        self.catch_up()

    def _plan_changed(self) -> None:
        """Wait until the keys have stopped; what only the GPUs changed can wait longer."""
        asked = self._asked
        self._asked = None if self.state.plan is None else _question(self.state.plan)
        if self._asked is not None and self._asked == asked:
            if self._waiting is None:
                self._waiting = self.set_timer(LIVE, self.catch_up)
            return
        self.catch_up()

    def catch_up(self) -> None:
        """Bring lists and view up to the plan, once the keys have stopped."""
        for timer in (self._settling, self._drawing, self._waiting):
            if timer is not None:
                timer.stop()
        self._waiting = None
        self._settling = self.set_timer(SETTLED, self._settle)
        self._drawing = self.set_timer(STILL, self._draw_view)

    def _settle(self) -> None:
        """Rank what takes longer than a verdict, once the keys have stopped."""
        plan = self.state.plan
        if plan is None or not self.screen.is_current or not self.query_one("#lists").display:
            return
        bench = self.lander.workbench
        bench.ask("prices", partial(rank, plan), self.query_one(Prices).show)
        show = partial(self.query_one(FormatTable).show, plan)
        from llm_lander_tui.planner.compare import table

        bench.ask("table", partial(table, plan.scenario), show)

    @on(FiguresAsked)
    def _draw_view(self) -> None:
        """Draw the open view, which costs more on the line than all else."""
        plan = self.state.plan
        view = self.query_one_optional(f"#{self._view}")
        if plan is None or not self.screen.is_current or view is None or not view.display:
            return
        if isinstance(view, View):
            self.lander.workbench.ask("view", view.work(plan), partial(view.show, plan))

    def under_cursor(self) -> Scenario | None:
        """The scenario of the focused list's row."""
        focused = self.screen.focused
        if isinstance(focused, Pointing):
            return focused.under_cursor()
        return None

    @on(Rows.Chosen)
    @on(ScenarioTaken)
    def _apply(self) -> None:
        scenario = self.under_cursor()
        if scenario is not None:
            self.lander.take(scenario)


def _made(name: str) -> Widget:
    """A view, imported when it is opened first."""
    if name == "chart":
        from llm_lander_tui.widgets.chart import Chart

        return Chart()
    if name == "map":
        from llm_lander_tui.widgets.heat_map import HeatMap

        return HeatMap()
    from llm_lander_tui.widgets.engines_table import EnginesTable

    return EnginesTable()


def _question(plan: Plan) -> Scenario:
    """What was asked, whatever is free on the cards at the moment."""
    cards = tuple(replace(g, free_bytes=0, used_bytes=0) for g in plan.scenario.gpus)
    return replace(plan.scenario, gpus=cards)
