"""The full-screen program: modes, global keys, and the only place where state is changed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Container
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen

from llm_lander_tui import terminal
from llm_lander_tui.commands import LanderCommands
from llm_lander_tui.errors import LanderError
from llm_lander_tui.gpus.history import History
from llm_lander_tui.keys import GLOBAL_KEYS
from llm_lander_tui.launch import (
    LaunchOptions,
    Load,
    first,
    first_scenario,
    gpu_source,
    planned_cards,
    resolve,
    with_draft,
)
from llm_lander_tui.loading import Loader
from llm_lander_tui.messages import GpusRead, ModelLoaded, Progressed, Worked
from llm_lander_tui.screens.lander_screen import FIRST_FRAME
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.state import LanderState
from llm_lander_tui.storage import settings as kept
from llm_lander_tui.storage.settings import Settings
from llm_lander_tui.themes import DARK, LIGHT
from llm_lander_tui.units import MIB, Units
from llm_lander_tui.way_back import WayBack
from llm_lander_tui.what_if import WhatIf
from llm_lander_tui.workbench import Result, Workbench

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import GpuSource, Reading
    from llm_lander_tui.gpus.sampler import Sampler
    from llm_lander_tui.launch import Start
    from llm_lander_tui.planner.launched import Launched
    from llm_lander_tui.planner.scenario import Scenario

PATIENCE = 3.0
"""Seconds that the driver may take before a catalogue GPU stands in."""
CHECK = 2.0
"""Seconds between two looks whether terminal and driver are still there."""
GRACE = 2.0
"""Seconds that an orderly end may take once the terminal is lost."""
STALE_READINGS = 3
"""Intervals without a reading after which its age is shown."""

__all__ = ["LanderApp", "LaunchOptions", "run"]


class LanderApp(WayBack, WhatIf):
    """Three screens around one state."""

    TITLE = "LLM-Lander"
    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {LanderCommands}
    MODES_SHOWN: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("1", "gpus", "GPUs"),
        ("2", "model", "Model"),
        ("3", "fit", "Fit"),
    )
    DEFAULT_MODE = "fit"
    BINDINGS: ClassVar[list[BindingType]] = list(GLOBAL_KEYS)

    def __init__(
        self,
        options: LaunchOptions | None = None,
        *,
        source: GpuSource | None = None,
        load: Load | None = None,
        keep_in: Path | None = None,
    ) -> None:
        """`source`, `load` and `keep_in` stand in for the driver, the Hub and the directories."""
        super().__init__()
        self.animation_level = "none"
        self.options = options or LaunchOptions()
        self.state = LanderState()
        self.history = History()
        self.workbench = Workbench(self._worked)
        self.settings = Settings()
        self.finder_text = ""
        self._source = source
        self._load = load or resolve
        self._loader = Loader(self._load, self.post_message)
        self._settings_file = None if keep_in is None else keep_in / "settings.toml"
        self._last_file = None if keep_in is None else keep_in / "last.json"
        self._answered = False
        self._start: Start | None = None
        self._first: ModelLoaded | None = None
        self._sampler: Sampler | None = None
        self.add_mode("gpus", _gpus_screen)
        self.add_mode("model", _model_screen)
        self.add_mode("fit", _fit_screen)
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        try:
            self.settings = kept.load(self._settings_file)
        except LanderError as error:
            self.say(error)
        self._begin_with(self.settings)

    def _begin_with(self, settings: Settings) -> None:
        """What `_apply` does later, without what `App.theme` sets off: every style parsed again."""
        self.set_reactive(App.theme, _theme(settings, self.available_themes))
        theme = self.current_theme
        self.set_class(theme.dark, "-dark-mode", update=False)
        self.set_class(not theme.dark, "-light-mode", update=False)
        self.set_class(True, f"-theme-{theme.name}", update=False)
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_keymap(dict(settings.keys))
        self.state.units = Units(settings.units)

    @property
    def margin_bytes(self) -> int:
        """What stays free on each card where no plan says otherwise."""
        named = self.options.margin_bytes
        return self.settings.margin_mib * MIB if named is None else named

    @property
    def driver_waiting(self) -> float:
        """Seconds that the driver has been keeping a reading; 0 between readings."""
        return 0.0 if self._sampler is None else self._sampler.waiting

    # --- begin and end ---

    def on_mount(self) -> None:
        """Show the first frame, then read what it is about."""
        self.set_interval(CHECK, self._check)
        self.call_after_refresh(self.set_timer, FIRST_FRAME, self._begin)

    def _begin(self) -> None:
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        if not self.is_headless:
            terminal.on_hang_up(self._leave)
        from llm_lander_tui.gpus.sampler import Sampler

        self.state.busy = "starting"
        threading.Thread(target=self._open, args=(self._loader.begin(),), daemon=True).start()
        source = self._source or gpu_source(self.options)
        self._sampler = Sampler(source, self._read, self.settings.refresh_seconds)
        self._sampler.start()
        self.set_timer(PATIENCE, self._without_driver)

    def _open(self, cancel: threading.Event) -> None:
        """In a thread: the planner is imported while the first frame is already on the screen."""
        from llm_lander_tui.storage import last_scenario

        last = last_scenario.load(self._last_file) if self.options.resume else None
        start = first(self.options, self.settings, last)
        self._start = with_draft(start, self._load, cancel)
        launched = self.options.launched
        name = self._start.model if launched is None else launched.model
        self._loader.read(name, cancel, launched)

    def _check(self) -> None:
        """Leave a lost terminal, which with SIGHUP ignored (nohup) would keep a core spinning."""
        sampler = self._sampler
        if sampler is not None and sampler.age is not None:
            stale = sampler.age > STALE_READINGS * sampler.interval + CHECK
            self.state.stale_seconds = int(sampler.age) // 10 * 10 if stale else 0
        if not self.is_headless and terminal.lost():
            self._leave()

    def _leave(self) -> None:
        """End in order, although the terminal may be gone."""
        terminal.leave_after(GRACE)
        self._keep_scenario()
        self.exit(return_code=1)

    def _fatal_error(self) -> None:
        """End with a sentence where Textual would show a traceback."""
        from rich.text import Text

        from llm_lander_tui.storage.crash import crashed

        error = self._exception or RuntimeError("unknown")
        keep_in = None if self._last_file is None else self._last_file.with_name("crash.txt")
        self.panic(Text(f"llm-lander: {crashed(error, keep_in)}"))

    def on_unmount(self) -> None:
        """Let all threads go, and keep the scenario for `--resume`."""
        self.workbench.stop()
        self._loader.cancel()
        if self._sampler is not None:
            self._sampler.stop()
        self._keep_scenario()

    def _keep_scenario(self) -> None:
        if self.state.scenario is not None:
            from llm_lander_tui.storage import last_scenario

            last = last_scenario.last_of(self.state.scenario, self.state.fleet)
            try:
                last_scenario.save(last, self._last_file)
            except LanderError as error:
                self.log.warning(str(error))

    # --- what comes in ---

    def _read(self, reading: Reading) -> None:
        """Called in the sampler's thread."""
        self.post_message(GpusRead(reading))

    def on_gpus_read(self, message: GpusRead) -> None:
        """The one place where readings enter the state."""
        self.history.add(message.reading.gpus)
        self.state.reading = message.reading
        self._answered = True
        self.state.stale_seconds = 0
        self._ask_first()

    def _without_driver(self) -> None:
        """Plan on a catalogue GPU where the driver gives none, or does not answer."""
        self._answered = True
        if not self.state.fleet.cards:
            from llm_lander_tui.gpus.catalog import parse_gpus
            from llm_lander_tui.machine import WHAT_IF_GPU

            self.state.fleet = self.state.fleet.adding(parse_gpus(WHAT_IF_GPU))
        self._ask_first()

    def _worked(self, result: Result) -> None:
        """Called in the workbench's thread."""
        self.post_message(Worked(result))

    def load_model(self, name: str, launched: Launched | None = None) -> None:
        """Read a model, for a start command where there is one; the last one asked for wins."""
        self.state.busy = f"loading {name}"
        self._loader.start(name, launched)

    def on_progressed(self, message: Progressed) -> None:
        """Show how far a source is."""
        if self.state.busy:
            self.state.busy = message.text

    def on_worked(self, message: Worked) -> None:
        """Hand over what the workbench worked out, if it is still wanted."""
        result = message.result
        if not self.workbench.wanted(result):
            return
        if result.error is not None:
            self.state.status = f"No answer: {type(result.error).__name__}: {result.error}"
            return
        result.job.done(result.value)

    def on_model_loaded(self, message: ModelLoaded) -> None:
        """Ask about the model that was read."""
        self.state.busy = ""
        if self.state.scenario is None:
            self._first = message
            self._ask_first()
            return
        try:
            if message.launched is not None:
                self.take_launched(message.launched, message.model)
            else:
                self.state.with_model(message.model)
        except LanderError as error:
            self.say(error)

    def _ask_first(self) -> None:
        """The first scenario, once there are a model and a card."""
        start, state = self._start, self.state
        first = self._first
        if start is None or first is None or not self._answered or state.scenario is not None:
            return
        try:
            if start.what_if and not state.fleet.hypothetical:
                state.fleet = planned_cards(start, state.fleet)
        except LanderError as error:
            self.say(error)
        if not state.fleet.chosen:
            if state.reading is not None:
                self._start = replace(start, what_if=(), unused=frozenset())
                self._without_driver()
            return
        try:
            if first.launched is not None:
                self.take_launched(first.launched, first.model)
                return
        except LanderError as error:
            self.say(error)
        work = partial(first_scenario, start.question, first.model, state.fleet.chosen)
        self.workbench.ask("first", work, self._first_asked)

    def _first_asked(self, found: tuple[Scenario, str]) -> None:
        from llm_lander_tui.engines import registry

        state = self.state
        if state.scenario is not None:
            return
        scenario, said = found
        state.status = said or state.status
        if len(scenario.gpus) == len(state.fleet.chosen):
            scenario = replace(scenario, gpus=state.fleet.chosen)
        state.scenario = scenario
        # The first answer needed one engine; the key that asks for the next does not wait for it.
        threading.Thread(target=registry.engines, daemon=True).start()
        if self.options.resume and self._start is not None and not self._start.resumed:
            state.status = "There was no last scenario to resume."

    # --- keys ---

    def action_cancel(self) -> None:
        """Stop waiting for a model."""
        if self.state.busy:
            self._loader.cancel()
            self.state.busy = ""
            self.state.status = "Cancelled; the plan is unchanged."

    def action_read_now(self) -> None:
        """Read the GPUs at once."""
        if self._sampler is not None:
            self._sampler.ask()
            self.state.status = "GPUs read."

    def action_redraw(self) -> None:
        """Draw every cell again, after something else wrote to the terminal."""
        if isinstance(self.screen, Painted):
            self.screen.draw_all()

    # --- settings ---

    def change_settings(self, settings: Settings) -> None:
        """Apply settings and keep them."""
        self._apply(settings)
        try:
            kept.save(settings, self._settings_file)
        except LanderError as error:
            self.say(error)

    def _apply(self, settings: Settings) -> None:
        self.settings = settings
        self.theme = _theme(settings, self.available_themes)
        self.set_keymap(dict(settings.keys))
        self.state.units = Units(settings.units)
        if self._sampler is not None:
            self._sampler.set_interval(settings.refresh_seconds)

    # --- screens ---

    async def action_mode(self, mode: str) -> None:
        """Open a screen."""
        if mode != self.current_mode:
            await self.switch_mode(mode)


def _theme(settings: Settings, available: Container[str]) -> str:
    return settings.theme if settings.theme in available else DARK.name


def _gpus_screen() -> Screen[None]:
    from llm_lander_tui.screens.gpus import GpusScreen

    return GpusScreen()


def _model_screen() -> Screen[None]:
    from llm_lander_tui.screens.model import ModelScreen

    return ModelScreen()


def _fit_screen() -> Screen[None]:
    from llm_lander_tui.screens.fit import FitScreen

    return FitScreen()


def run(options: LaunchOptions | None = None) -> int:
    """Open the program; its exit status."""
    app = LanderApp(options)
    app.run()
    if app._exception is not None:
        from llm_lander_tui.storage.crash import BROKEN

        return BROKEN
    return app.return_code or 0
