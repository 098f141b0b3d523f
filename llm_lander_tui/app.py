"""The full-screen program: modes, global keys, and the only place where state is changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.gpus.gpu import Gpu, GpuSource, Reading
from llm_lander_tui.gpus.history import History
from llm_lander_tui.keys import GLOBAL_KEYS
from llm_lander_tui.knobs import KNOBS
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.scenario import DEFAULT_MARGIN, Scenario
from llm_lander_tui.screens.lander_screen import LanderScreen
from llm_lander_tui.state import LanderState
from llm_lander_tui.themes import DARK, LIGHT
from llm_lander_tui.workbench import Result, Workbench

if TYPE_CHECKING:
    from llm_lander_tui.gpus.sampler import Sampler
    from llm_lander_tui.planner.launched import Launched

Progress = Callable[[str, float | None], None]
Load = Callable[[str, Progress, threading.Event], Model]
"""Reads a model by name; the event cancels."""

FIRST_MODEL = "Qwen/Qwen3-8B"
"""The preset that is planned until another one is chosen."""
FIRST_CONTEXT = 8192
PATIENCE = 3.0
"""Seconds that the driver may take before a catalogue GPU stands in."""
TERMINAL_CHECK = 2.0
"""Seconds between two looks whether the terminal is still there."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What the command line says about the screen; None leaves the choice to the program."""

    model: str | None = None
    gpu: str | None = None
    engine: str | None = None
    weights: str | None = None
    kv: str | None = None
    context: int | None = None
    concurrency: int = 1
    margin_bytes: int = DEFAULT_MARGIN
    demo: bool = False
    resume: bool = False


@dataclass
class GpusRead(Message):
    """The sampler has a new reading."""

    reading: Reading

    def can_replace(self, message: Message) -> bool:
        """A later reading makes an earlier one worthless."""
        return isinstance(message, GpusRead)


@dataclass
class Progressed(Message):
    """A source tells how far it is."""

    text: str

    def can_replace(self, message: Message) -> bool:
        """Only the latest word counts."""
        return isinstance(message, Progressed)


@dataclass
class Worked(Message):
    """The workbench has a result."""

    result: Result


@dataclass
class ModelLoaded(Message):
    """A model was read."""

    model: Model


@dataclass
class ModelFailed(Message):
    """A model could not be read."""

    name: str
    error: LanderError


class LanderApp(App[int]):
    """Three screens around one state."""

    TITLE = "LLM-Lander"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
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
        interval: float = 2.0,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.options = options or LaunchOptions()
        self.state = LanderState()
        self.source = source
        self.interval = interval
        self.history = History()
        self.workbench = Workbench(lambda result: self.post_message(Worked(result)))
        self._launched: Launched | None = None
        self._load = load or _resolve
        self._model: Model | None = None
        self._sampler: Sampler | None = None
        self._cancel = threading.Event()
        self.add_mode("gpus", _gpus_screen)
        self.add_mode("model", _model_screen)
        self.add_mode("fit", _fit_screen)
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    # --- begin and end ---

    def on_mount(self) -> None:
        """Show the first frame, then read what it is about."""
        self.set_interval(TERMINAL_CHECK, self._leave_lost_terminal)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.load_model(self.options.model or FIRST_MODEL)
        self._sample()

    def _leave_lost_terminal(self) -> None:
        """With SIGHUP ignored (nohup) a lost terminal would leave a process that spins."""
        import os
        import sys

        if self.is_headless or not hasattr(os, "tcgetpgrp"):
            return
        try:
            os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0)
        except OSError:
            self.exit(return_code=1)

    def on_unmount(self) -> None:
        """Let all threads go."""
        self.workbench.stop()
        self._cancel.set()
        if self._sampler is not None:
            self._sampler.stop()

    def modes_shown(self) -> tuple[tuple[str, str, str], ...]:
        """Key, mode and title of every screen."""
        return self.MODES_SHOWN

    # --- what comes in ---

    def _sample(self) -> None:
        from llm_lander_tui.gpus.sampler import Sampler

        source = self.source or _source(self.options)
        self._sampler = Sampler(source, self._read, self.interval)
        self._sampler.start()
        self.set_timer(PATIENCE, self._without_driver)

    def _read(self, reading: Reading) -> None:
        """Called in the sampler's thread."""
        self.post_message(GpusRead(reading))

    def on_gpus_read(self, message: GpusRead) -> None:
        """The one place where readings enter the state."""
        self.history.add(message.reading.gpus)
        self.state.reading = message.reading
        if self.options.gpu is not None and self.state.scenario is None:
            self._plan_on(self.options.gpu)
        elif not self.state.fleet.cards:
            self._without_driver()
        self._ask_first()

    def _without_driver(self) -> None:
        if self.state.fleet.cards:
            return
        from llm_lander_tui.machine import WHAT_IF_GPU

        self._plan_on(WHAT_IF_GPU)
        self._ask_first()

    def _plan_on(self, named: str) -> None:
        """Plan on catalogue GPUs instead of those of the machine."""
        from llm_lander_tui.gpus.catalog import parse_gpus

        try:
            gpus = parse_gpus(named)
        except LanderError as error:
            self.say(error)
            return
        fleet = self.state.fleet
        for card in fleet.real:
            fleet = fleet.without(card)
        self.state.fleet = fleet.adding(gpus)

    def load_model(self, name: str) -> None:
        """Read a model in a thread of its own; the last name asked for wins."""
        self._cancel.set()
        self._cancel = threading.Event()
        self.state.busy = f"loading {name}"
        threading.Thread(target=self._loading, args=(name, self._cancel), daemon=True).start()

    def _loading(self, name: str, cancel: threading.Event) -> None:
        try:
            message: Message = ModelLoaded(self._load(name, self._progress, cancel))
        except LanderError as error:
            message = ModelFailed(name, error)
        except Exception as error:  # noqa: BLE001 - a defect of a source must not end the program
            failure = SourceError("Unexpected failure", f"{name} could not be read: {error!r}.")
            message = ModelFailed(name, failure)
        if not cancel.is_set():
            self.post_message(message)

    def _progress(self, text: str, fraction: float | None = None) -> None:
        """Called by sources in their threads."""
        done = "" if fraction is None else f" {fraction:.0%}"
        self.post_message(Progressed(f"{text}{done}"))

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
        self._model = message.model
        launched, self._launched = self._launched, None
        if self.state.scenario is None:
            self._ask_first()
            return
        try:
            if launched is not None:
                self._take_launched(launched, message.model)
                return
            self.state.with_model(message.model)
        except LanderError as error:
            self.say(error)

    def _take_launched(self, launched: Launched, model: Model) -> None:
        """Ask what a start command asked."""
        from llm_lander_tui.planner.question import scenario_of

        self.state.take(scenario_of(launched.question, model, self.state.fleet.chosen))
        unread = " ".join(launched.unread)
        self.state.status = f"Planned from its command. Not read: {unread}" if unread else ""

    def on_model_failed(self, message: ModelFailed) -> None:
        """Say what failed; the plan stays as it is."""
        self.state.busy = ""
        self.say(message.error)

    def _ask_first(self) -> None:
        """The first scenario, once there are a model and a card."""
        if self._model is None or self.state.scenario is not None or not self.state.fleet.chosen:
            return
        from llm_lander_tui.planner.question import DEFAULT_ENGINE, Question, scenario_of

        options = self.options
        question = Question(
            engine=options.engine or DEFAULT_ENGINE,
            weights=options.weights,
            kv=options.kv,
            context=options.context or FIRST_CONTEXT,
            concurrency=options.concurrency,
            margin_bytes=options.margin_bytes,
        )
        try:
            self.state.scenario = scenario_of(question, self._model, self.state.fleet.chosen)
        except LanderError as error:
            self.say(error)
            self.state.scenario = scenario_of(
                Question(context=FIRST_CONTEXT), self._model, self.state.fleet.chosen
            )

    def say(self, error: LanderError) -> None:
        """A failure in the status line."""
        self.state.status = f"{error.title}: {error} ".strip()

    # --- what-if keys ---

    def action_turn(self, knob: str, by: int) -> None:
        """Turn a knob of the scenario."""
        turned, scenario = KNOBS[knob], self.state.scenario
        stuck = "" if scenario is None else turned.stuck(scenario, by)
        self.state.turn(lambda s: turned.move(s, by), stuck)

    def action_gpus(self, by: int) -> None:
        """One card more or less."""
        fleet = self.state.fleet
        if by > 0:
            self.state.choose_cards(fleet.grown(), "No GPU to add another of: press a on screen 1.")
        else:
            self.state.choose_cards(fleet.shrunk(), "A plan needs one GPU.")

    def action_undo(self) -> None:
        """Take the last change back."""
        self.state.undo()

    def action_redo(self) -> None:
        """Make the change again that was taken back."""
        self.state.redo()

    def action_pin(self) -> None:
        """Compare everything with this plan from now on, or no longer."""
        self.state.pin()
        pinned = self.state.baseline is not None
        self.state.status = "Pinned: every number now shows its change." if pinned else "Unpinned."

    def take(self, scenario: Scenario) -> None:
        """Make a scenario from a list the current one."""
        self.state.take(scenario)

    # --- screens ---

    def action_explain(self) -> None:
        """Open the plan under the cursor into its sums."""
        from llm_lander_tui.screens.explain import ExplainSheet

        under = self._under_cursor()
        plan = self.state.plan if under is None else evaluate(under)
        if plan is None:
            self.state.status = "There is no plan to explain yet."
            return
        self.push_screen(ExplainSheet(plan))

    def _under_cursor(self) -> Scenario | None:
        screen = self.screen
        return screen.under_cursor() if isinstance(screen, LanderScreen) else None

    def action_help(self) -> None:
        """Every key."""
        from llm_lander_tui.screens.help import HelpSheet

        self.push_screen(HelpSheet(self.screen))

    def action_copy_command(self) -> None:
        """Send the start command to the terminal's clipboard, and show it."""
        from llm_lander_tui.screens.command import CommandSheet

        plan = self.state.plan
        if plan is None:
            self.state.status = "There is no plan to start yet."
            return
        scenario = plan.scenario
        command = scenario.engine.command(scenario, scenario.context)
        self.copy_to_clipboard(command)
        self.push_screen(CommandSheet(command, plan))

    def plan_command(self, command: str | None) -> None:
        """Plan what a start command asks for."""
        from llm_lander_tui.planner.launched import parse_command

        if not command:
            self.state.status = "The command line of this process is hidden."
            return
        try:
            launched = parse_command(command)
        except LanderError as error:
            self.say(error)
            return
        self._launched = launched
        self.load_model(launched.model)

    def add_cards(self, gpus: tuple[Gpu, ...] | None) -> None:
        """Add hypothetical cards to the plan."""
        if gpus:
            self.state.choose_cards(self.state.fleet.adding(gpus), "")

    def action_read_now(self) -> None:
        """Read the GPUs at once."""
        if self._sampler is not None:
            self._sampler.ask()
            self.state.status = "GPUs read."

    async def action_mode(self, mode: str) -> None:
        """Open a screen."""
        if mode != self.current_mode:
            await self.switch_mode(mode)


def _source(options: LaunchOptions) -> GpuSource:
    if options.demo:
        from llm_lander_tui.gpus.demo import DemoSource

        return DemoSource()
    from llm_lander_tui.machine import nvml_source

    return nvml_source()


def _resolve(name: str, progress: Progress, cancel: threading.Event) -> Model:
    from llm_lander_tui.models.sources import resolve

    return resolve(name, progress=progress, cancel=cancel)


def _gpus_screen() -> Screen[None]:
    from llm_lander_tui.screens.gpus import GpusScreen

    return GpusScreen()


def _model_screen() -> Screen[None]:
    from llm_lander_tui.screens.model import ModelScreen

    return ModelScreen()


def _fit_screen() -> Screen[None]:
    from llm_lander_tui.screens.fit import FitScreen

    return FitScreen()


def run(options: LaunchOptions) -> int:
    """Open the program; its exit status."""
    app = LanderApp(options)
    app.run()
    return app.return_code or 0
