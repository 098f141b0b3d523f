"""What could not be read, why, and the ways on; the plan stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from llm_lander_tui.errors import LanderError
from llm_lander_tui.screens.sheet import Sheet
from llm_lander_tui.widgets.words import BAD, KEY, QUIET


class FailureSheet(Sheet):
    """Title, sentence and remedy of a failure, with retry, another model, and manual entry."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "try again", id="failure.retry"),
        Binding("m", "find", "another model", id="failure.find"),
        Binding("n", "manual", "by hand", id="failure.manual"),
    ]

    def __init__(self, name: str, error: LanderError, again: Callable[[], None]) -> None:
        self._again = again
        paragraphs = [
            Content.styled(error.title, f"bold {BAD}"),
            Content(error.message),
            Content(error.remedy),
            Content(""),
            Content.assemble(("r", KEY), "  try ", (name, "bold"), " again"),
            Content.assemble(("m", KEY), "  find another model"),
            Content.assemble(("n", KEY), "  describe it by hand"),
            Content(""),
            Content.styled("The plan on the screen is unchanged.", QUIET),
        ]
        super().__init__("The model could not be read", paragraphs, "esc")

    def action_retry(self) -> None:
        """Read the same model again."""
        self.dismiss()
        self._again()

    def action_find(self) -> None:
        """Back to the finder, with what was typed."""
        self.dismiss()
        self.app.action_find_model()  # type: ignore[attr-defined]

    def action_manual(self) -> None:
        """Describe the model by hand."""
        self.dismiss()
        self.app.action_manual()  # type: ignore[attr-defined]
