"""A start command, pasted or typed, with what is understood of it beneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import TextArea

from llm_lander_tui.errors import UsageError
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.shell import unfinished
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.screens.sheet import Title, wrapped
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import BAD, GOOD, QUIET, WARN

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp

HINTS = (
    "How is the server started? Paste it as it stands, in several lines, with a prompt in front, "
    "with variables or docker run before it. For example",
    "  CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-32B -tp 2",
    "  llama-server -hf unsloth/Qwen3-8B-GGUF:Q4_K_M -c 16384",
    "  docker run --gpus all vllm/vllm-openai --model openai/gpt-oss-20b",
)


class CommandText(TextArea):
    """Lines of a command; enter plans it, unless a shell would wait for more."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "finish", "plan it", show=False, priority=True),
        Binding("ctrl+j", "new_line", "new line", show=False),
    ]

    def action_finish(self) -> None:
        """Plan it, or go on to the next line of one that is not finished."""
        if unfinished(self.text):
            self.insert("\n")
        else:
            cast("CommandForm", self.screen).plan()

    def action_new_line(self) -> None:
        """Go on to another line."""
        self.insert("\n")


class Understood(Lines):
    """What is understood, or why nothing is."""

    DEFAULT_CSS = "Understood { height: 1fr; background: $panel; }"

    def __init__(self) -> None:
        super().__init__()
        self.said: tuple[Content, ...] = ()

    def show(self, said: tuple[Content, ...]) -> None:
        """Say it."""
        self.said = said
        self.redraw()

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """Sentences below air."""
        return [Content(""), *(line for text in self.said for line in wrapped(text, width))]


class CommandForm(ModalScreen[str], Painted[str]):
    """Dismissed with a command that can be read; esc keeps what was typed for the next time."""

    CSS_PATH = "command_form.tcss"
    AUTO_FOCUS = "CommandText"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back", show=False)]

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    @property
    def lander(self) -> LanderApp:
        """The app, by its own type."""
        return cast("LanderApp", self.app)

    def compose(self) -> ComposeResult:
        """Lines to type in, and what they say."""
        with VerticalGroup(classes="sheet tall-sheet"):
            yield Title("Plan a start command", "enter plan it   ^j new line   esc")
            text = CommandText(self.text, compact=True, highlight_cursor_line=False)
            text.cursor_blink = False
            yield text
            yield Understood()

    def on_mount(self) -> None:
        """Show what is understood of what was typed before."""
        text = self.query_one(CommandText)
        if self._read():
            text.select_all()
        else:
            text.move_cursor(text.document.end)

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self.text = self.query_one(CommandText).text
        self.lander.command_text = self.text
        self._read()

    def on_paste(self, event: events.Paste) -> None:
        """The lines took it: nothing is left for the app."""
        event.stop()

    def _read(self) -> bool:
        """Say what is understood; whether all can be planned, and other text may replace it."""
        done = True
        said: tuple[Content, ...]
        if not self.text.strip():
            said = tuple(Content.styled(line, QUIET) for line in HINTS)
        else:
            try:
                launched = parse_command(self.text)
            except UsageError as error:
                done = False
                style = QUIET if unfinished(self.text) else BAD
                said = (Content.styled(error.message, style), Content.styled(error.remedy, QUIET))
            else:
                notes = (Content.styled(f"! {line}", WARN) for line in launched.said)
                said = (Content.styled(launched.in_words, GOOD), *notes)
        self.query_one(Understood).show(said)
        return done

    def plan(self) -> None:
        """Hand the command over, if it can be read."""
        try:
            parse_command(self.text)
        except UsageError:
            return
        self.dismiss(self.text)
