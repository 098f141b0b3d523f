"""The start command: sent to the clipboard, and offered as a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.shell import folded
from llm_lander_tui.screens.sheet import Sheet
from llm_lander_tui.widgets.words import QUIET, WARN

FILE = "llm-lander-start.sh"
WIDEST, FRAME = 100, 6
"""Columns of the widest sheet, and those of its frame and scroll bar."""


class CommandSheet(Sheet):
    """A terminal may drop the clipboard sequence (tmux does by default): `f` writes a file."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss", "back", show=False),
        Binding("f", "write", "write a file", id="command.write"),
    ]

    def __init__(self, command: str, plan: Plan, width: int) -> None:
        """`width` is that of the screen: the lines shown are the same command when copied, too."""
        self.command = command
        shown = folded(command, max(40, min(width, WIDEST) - FRAME))
        paragraphs = [
            Content.styled(line, QUIET if line.startswith("#") else "bold")
            for line in shown.splitlines()
        ]
        paragraphs.append(Content(""))
        if not plan.fits:
            missing = "This plan does not land: the engine would run out of memory."
            paragraphs.append(Content.styled(f"! {missing}", WARN))
        paragraphs.append(
            Content.styled(
                "Sent to the clipboard through the terminal (OSC 52). Where the terminal drops it, "
                f"f writes {FILE} into the current directory. Y plans a command that you paste.",
                QUIET,
            )
        )
        super().__init__(f"Start {plan.scenario.engine.title}", paragraphs, "f file   esc")

    def action_write(self) -> None:
        """Write the command to a file beside which the person stands."""
        path = Path.cwd() / FILE
        try:
            # TensorRT-LLM is given its settings by a substitution that sh does not have.
            path.write_text(f"#!/usr/bin/env bash\n{self.command}\n", encoding="utf-8")
            path.chmod(path.stat().st_mode | 0o111)
        except OSError as error:
            self.notify(f"{path} could not be written: {error.strerror}.", markup=False)
            return
        self.notify(f"Written to {path}.", markup=False)
