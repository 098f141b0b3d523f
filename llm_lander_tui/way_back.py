"""Start commands that come in, pasted, typed or of a running process, and become the scenario."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.screen import ModalScreen

from llm_lander_tui.errors import LanderError, UsageError
from llm_lander_tui.gpus import visible
from llm_lander_tui.gpus.fleet import key
from llm_lander_tui.launch import FIRST_MODEL
from llm_lander_tui.messages import ModelFailed
from llm_lander_tui.sheets import Sheets

if TYPE_CHECKING:
    from llm_lander_tui.gpus.fleet import Fleet
    from llm_lander_tui.gpus.gpu import Gpu, GpuProcess
    from llm_lander_tui.models.model import Model
    from llm_lander_tui.planner.launched import Launched

MOST_CARDS = 64
"""Cards up to which a start command's division is made up with what-if cards."""
READABLE = 12.0
"""Seconds that what was not read of a command stays on the screen."""
LONGEST_NAME = 200
"""Characters of one pasted word that may still be the name of a model."""


class WayBack(Sheets):
    """From a server's start command to its plan; what cannot be read stays where it was typed."""

    command_text: str = ""
    """The start command that was typed or pasted last."""

    @property
    def margin_bytes(self) -> int:
        """What stays free on each card where no plan says otherwise."""
        raise NotImplementedError

    def on_paste(self, event: events.Paste) -> None:
        """Plan a pasted start command wherever no input line took it; a word is looked for."""
        text = event.text.strip()
        if not text:
            return
        event.stop()
        if len(text.split()) > 1:
            self.plan_text(text)
        elif len(text) <= LONGEST_NAME and not isinstance(self.screen, ModalScreen):
            self.finder_text = text
            self.action_find_model()

    def action_enter_command(self) -> None:
        """Open the sheet on which a start command is pasted or typed."""
        from llm_lander_tui.screens.command_form import CommandForm

        def entered(text: str | None) -> None:
            if text:
                self.plan_text(text)

        self.push_screen(CommandForm(self.command_text), entered)

    def plan_text(self, text: str) -> None:
        """Plan what a start command asks for; one that cannot be read is shown with the reason."""
        from llm_lander_tui.planner.launched import parse_command

        self.command_text = text
        try:
            launched = parse_command(text)
        except LanderError:
            self.action_enter_command()
            return
        self.load_model(launched.model, launched)

    def plan_process(self, process: GpuProcess) -> None:
        """Plan what a running process, or the one that started it, was asked for, on its cards."""
        try:
            launched, command = _readable(process)
        except LanderError as error:
            self.say(error)
            return
        held = "What it holds now counts as in use."
        launched = replace(launched, warnings=(held, *launched.warnings))
        if launched.visible is None:
            cards = [
                card
                for card in self.state.fleet.real
                if any(_of(other, process, command) for other in self._processes(card))
            ]
            names = ",".join(card.uuid or str(card.index) for card in cards)
            launched = replace(launched, visible=names or None)
        self.load_model(launched.model, launched)

    def _processes(self, card: Gpu) -> tuple[GpuProcess, ...]:
        """Who is on a card, as read last."""
        reading = self.state.reading
        read = reading.gpus if reading is not None else ()
        return next((gpu.processes or () for gpu in read if key(gpu) == key(card)), ())

    def on_model_failed(self, message: ModelFailed) -> None:
        """Say what failed and the ways on; the plan stays as it is.

        What a start command names goes by its name where the Hub cannot be reached.
        """
        from llm_lander_tui.models.hub_errors import HubUnreachable
        from llm_lander_tui.screens.failure import FailureSheet

        self.state.busy = ""
        launched = message.launched
        other = launched.otherwise if launched is not None else None
        if other is not None and isinstance(message.error, HubUnreachable):
            self.load_model(other.model, other)
            return
        if self.state.scenario is None and message.name != FIRST_MODEL:
            self.load_model(FIRST_MODEL)
        again = partial(self.load_model, message.name, launched)
        self.push_screen(FailureSheet(message.name, message.error, again))

    def take_launched(self, launched: Launched, model: Model) -> None:
        """Ask what a start command asked, on the cards that it may see.

        Raises `LanderError` where that cannot be asked here; the question is then kept.
        """
        from llm_lander_tui.planner.question import scenario_of

        gpus, said = cards_for(launched, self.state.fleet)
        before = self.state.scenario
        margin = self.margin_bytes if before is None else before.margin_bytes
        question = replace(launched.question, margin_bytes=margin)
        self.state.take(scenario_of(question, model, gpus))
        told = " ".join((*said, *launched.said))
        self.state.status = f"Planned from its command. {told}".rstrip()
        if told:
            self.notify(told, title="Planned from its command", timeout=READABLE, markup=False)


def cards_for(launched: Launched, fleet: Fleet) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """The cards that a start command is planned on, and what has to be said of the choice.

    Those that it may see, as far as they are here, else the chosen ones; where it divides the model
    over more than are here, what-if cards stand in for the others.
    """
    from llm_lander_tui.engines.rank_cards import copies_of

    said: tuple[str, ...] = ()
    if launched.visible is not None:
        at, sentence = visible.told(fleet.real, launched.visible)
        said = (sentence,) if sentence else ()
        if at:
            return tuple(fleet.real[n] for n in sorted(at)), said
    asked = launched.question
    needed = (asked.tensor_parallel or 1) * (asked.pipeline_parallel or 1)
    needed *= copies_of(asked.options)
    grown = fleet
    while len(grown.chosen) < min(needed, MOST_CARDS) and (more := grown.grown()) != grown:
        grown = more
    added = len(grown.hypothetical) - len(fleet.hypothetical)
    if added:
        said += (f"It divides the model over {needed} GPUs: {added} of them what-if.",)
    return grown.chosen, said


def _readable(process: GpuProcess) -> tuple[Launched, str]:
    """The first command line that is a server's: the process's own, or that of an ancestor.

    Raises `UsageError` where none is, with what is wrong with the nearest that could be one.
    """
    from llm_lander_tui.planner.launched import UnknownServer, parse_command

    wrong: UsageError | None = None
    for command in process.started_by or ((process.command,) if process.command else ()):
        try:
            return parse_command(command), command
        except UnknownServer as error:
            wrong = wrong or error
        except UsageError as error:
            wrong = error
    raise wrong or UsageError(
        "Command hidden",
        "The system does not tell how this process was started.",
        "Y plans a start command that you paste.",
    )


def _of(other: GpuProcess, process: GpuProcess, command: str) -> bool:
    """Whether a process belongs to the server that another one, or its ancestor, is."""
    return other.pid == process.pid or command in other.started_by
