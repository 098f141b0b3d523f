"""The start command: sent to the clipboard, and offered as a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.screens.sheet import Sheet
from llm_lander_tui.widgets.words import QUIET, WARN

FILE = "llm-lander-start.sh"


class CommandSheet(Sheet):
    """A terminal may drop the clipboard sequence (tmux does by default): `f` writes a file."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss", "back", show=False),
        Binding("f", "write", "write a file", id="command.write"),
    ]

    def __init__(self, command: str, plan: Plan) -> None:
        self.command = command
        paragraphs = [Content.styled(line, "bold") for line in command.splitlines()]
        paragraphs.append(Content(""))
        if not plan.fits:
            missing = "This plan does not land: the engine would run out of memory."
            paragraphs.append(Content.styled(f"! {missing}", WARN))
        paragraphs.append(
            Content.styled(
                "Sent to the clipboard through the terminal (OSC 52). Where the terminal drops it, "
                f"f writes {FILE} into the current directory.",
                QUIET,
            )
        )
        super().__init__(f"Start {plan.scenario.engine.title}", paragraphs, "f file  esc")

    def action_write(self) -> None:
        """Write the command to a file beside which the person stands."""
        path = Path.cwd() / FILE
        try:
            path.write_text(f"#!/bin/sh\n{self.command}\n", encoding="utf-8")
        except OSError as error:
            self.notify(f"{path} could not be written: {error.strerror}.", markup=False)
            return
        self.notify(f"Written to {path}.", markup=False)
