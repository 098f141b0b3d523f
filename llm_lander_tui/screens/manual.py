"""A model entered by hand, checked field by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup, VerticalGroup, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from llm_lander_tui.errors import LanderError
from llm_lander_tui.models.manual import ManualModel, suggest
from llm_lander_tui.models.model import Model
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.screens.sheet import Title
from llm_lander_tui.units import format_count
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import BAD, GOOD, QUIET

FIELDS = (
    ("name", "name", "my-model"),
    ("parameters", "parameters", "7B: fills in a usual shape"),
    ("layers", "layers", "32"),
    ("hidden_size", "hidden size", "4096"),
    ("heads", "attention heads", "32"),
    ("kv_heads", "KV heads", "8"),
    ("head_dim", "head size", "hidden / heads"),
    ("intermediate_size", "MLP width", "8/3 of the hidden size"),
    ("vocab_size", "vocabulary", "128256"),
    ("context", "context limit", "32768"),
    ("experts", "experts", "0: dense"),
    ("active_experts", "experts per token", "0"),
    ("expert_size", "expert width", "MLP width"),
)
"""Field, label, what it holds when left empty."""
NEEDED = {"layers", "hidden_size", "heads", "kv_heads", "vocab_size"}
"""The shape without which a size has to be stated."""


class FieldNote(Label):
    """What is wrong with a field, beside it."""


class Summary(Lines):
    """What the form amounts to."""

    DEFAULT_CSS = "Summary { height: 2; background: $panel; }"

    def __init__(self) -> None:
        super().__init__()
        self.line = Content("")

    def show(self, line: Content) -> None:
        """Say it."""
        self.line = line
        self.redraw()

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """One line below air."""
        return (Content(""), self.line.truncate(width, ellipsis=True))


class ManualForm(ModalScreen[Model], Painted[Model]):
    """Dismissed with a model; what was typed stays while anything is wrong."""

    CSS_PATH = "manual.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False),
        Binding("down", "app.focus_next", "next", show=False),
        Binding("up", "app.focus_previous", "previous", show=False),
    ]

    def compose(self) -> ComposeResult:
        """A line per field."""
        with VerticalGroup(classes="sheet"):
            yield Title("A model by hand", "↑↓ field   enter plan it   esc")
            with VerticalScroll(can_focus=False):
                for field, label, hint in FIELDS:
                    with HorizontalGroup():
                        yield Label(label)
                        entry = Input(placeholder=hint, id=field, compact=True)
                        entry.cursor_blink = False
                        yield entry
                        yield FieldNote("", id=f"{field}-note", markup=False)
            yield Summary()

    @on(Input.Changed)
    def _check(self) -> None:
        """Say beside each field what is wrong with it."""
        model, wrong = self._entered()
        for field, _, _ in FIELDS:
            note = self.query_one(f"#{field}-note", FieldNote)
            text = wrong.get(field, "") if self._text(field) or field in wrong else ""
            if note.content != text:
                note.update(text)
        summary = self.query_one(Summary)
        if model is None or wrong:
            missing = f"{len(wrong)} to mend" if wrong else "state the size or the shape"
            summary.show(Content.styled(missing, BAD if wrong else QUIET))
            return
        try:
            counted = model.to_model().architecture.parameters
        except LanderError as error:
            summary.show(Content.styled(error.message, BAD))
            return
        summary.show(Content.styled(f"{format_count(counted)} parameters: enter plans it", GOOD))

    def _text(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value.strip()

    def _entered(self) -> tuple[ManualModel | None, dict[str, str]]:
        """The model as entered, and what is wrong, by field."""
        wrong: dict[str, str] = {}
        entered: dict[str, Any] = {}
        for field, _, _ in FIELDS:
            text = self._text(field).replace(",", "").replace("_", "")
            if not text or field in {"name", "parameters"}:
                continue
            if text.isdigit():
                entered[field] = int(text)
            else:
                wrong[field] = "A whole number."
        size = self._text("parameters")
        base = suggest(size) if size else None
        if size and base is None:
            wrong["parameters"] = "Such as 7B, 350M or 1.5B."
        if wrong:
            return None, wrong
        if self._text("name"):
            entered["name"] = self._text("name")
        if base is not None:
            model = replace(base, **entered)
        elif entered.keys() >= NEEDED:
            model = ManualModel(**{"name": "my-model", **entered})
        else:
            return None, {}
        return model, model.validate()

    @on(Input.Submitted)
    def _submit(self) -> None:
        model, wrong = self._entered()
        if model is None or wrong:
            field = next(iter(wrong), "parameters")
            self.query_one(f"#{field}", Input).focus()
            return
        try:
            self.dismiss(model.to_model())
        except LanderError as error:
            self.query_one(Summary).show(Content.styled(error.message, BAD))
