"""A sheet of text over a screen: what explanations, help and commands are read on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import QUIET, between


class Text(Lines):
    """Paragraphs, wrapped to the width there is."""

    def __init__(self, paragraphs: Sequence[Content]) -> None:
        super().__init__()
        self.paragraphs = tuple(paragraphs)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """The paragraphs as lines."""
        room = max(20, width)
        return [line for text in self.paragraphs for line in wrapped(text, room)]


def wrapped(text: Content, width: int) -> list[Content]:
    """The text in lines that keep its indent."""
    if not text:
        return [text]
    indent = len(text.plain) - len(text.plain.lstrip())
    lines = text[indent:].wrap(width - indent)
    return [line.pad_left(indent) for line in lines]


class Title(Lines):
    """What the sheet is, and how it is left."""

    DEFAULT_CSS = "Title { height: 2; }"

    def __init__(self, title: str, keys: str) -> None:
        super().__init__()
        self.title = title
        self.keys = keys

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """One line, and air."""
        keys = Content.styled(self.keys, QUIET)
        return (between(Content.styled(self.title, "bold"), keys, width), Content(""))


class Sheet(ModalScreen[None], Painted[None]):
    """Scrolls with the arrows; esc goes back."""

    CSS_PATH = "sheet.tcss"
    AUTO_FOCUS = "#sheet-scroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,x,question_mark", "dismiss", "back", show=False),
    ]

    def __init__(self, title: str, paragraphs: Sequence[Content], keys: str = "↑↓  esc") -> None:
        super().__init__()
        self.sheet_title = title
        self.paragraphs = paragraphs
        self.keys = keys

    def compose(self) -> ComposeResult:
        """Title and text."""
        with VerticalGroup(classes="sheet"):
            yield Title(self.sheet_title, self.keys)
            with VerticalScroll(id="sheet-scroll"):
                yield Text(self.paragraphs)
