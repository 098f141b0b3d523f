"""The keys that act on every screen: one table, from which footer, help and palette are made."""

from __future__ import annotations

from textual.binding import Binding


def _knob(key: str, knob: str, by: int, description: str, name: str) -> Binding:
    return Binding(key, f"turn('{knob}', {by})", description, id=name, show=False)


WHAT_IF = (
    _knob("w", "weights", 1, "smaller weights", "weights.smaller"),
    _knob("W", "weights", -1, "larger weights", "weights.larger"),
    _knob("k", "kv", 1, "next KV format", "kv.next"),
    _knob("K", "kv", -1, "previous KV format", "kv.previous"),
    _knob("e", "engine", 1, "next engine", "engine.next"),
    _knob("E", "engine", -1, "previous engine", "engine.previous"),
    Binding("g", "gpus(1)", "one GPU more", id="gpus.more", show=False),
    Binding("G", "gpus(-1)", "one GPU less", id="gpus.less", show=False),
    _knob("left_square_bracket", "context", -1, "half the context", "context.half"),
    _knob("right_square_bracket", "context", 1, "twice the context", "context.double"),
    _knob("left_curly_bracket", "fine", -1, "1,024 tokens less", "context.less"),
    _knob("right_curly_bracket", "fine", 1, "1,024 tokens more", "context.more"),
    _knob("c", "concurrency", 1, "twice the sequences", "concurrency.double"),
    _knob("C", "concurrency", -1, "half the sequences", "concurrency.half"),
    _knob("t", "parallel", 1, "next tensor parallelism", "parallel.next"),
    _knob("T", "parallel", -1, "previous tensor parallelism", "parallel.previous"),
)
"""The what-if keys."""

TERMINAL = (
    Binding("ctrl+z", "app.suspend_process", "suspend", id="suspend", show=False),
    Binding(
        "ctrl+l", "app.redraw", "draw again", id="redraw", tooltip="Draw all again", show=False
    ),
)
"""What acts on sheets too."""

PROGRAM = (
    Binding("m", "find_model", "model", id="model", tooltip="Find another model"),
    Binding("x", "explain", "explain", id="explain", tooltip="Open the numbers under the cursor"),
    Binding("y", "copy_command", "command", id="copy", tooltip="Copy the start command"),
    Binding(
        "Y",
        "enter_command",
        "plan a command",
        id="command.enter",
        tooltip="Plan a server's start command that you paste",
        show=False,
    ),
    Binding("b", "best", "best", id="best", tooltip="Take the balanced formats, and say why"),
    Binding("p", "pin", "pin", id="pin", tooltip="Compare every number with this plan"),
    Binding("u", "undo", "undo", id="undo", tooltip="Take the last change back"),
    Binding("U", "redo", "redo", id="redo", tooltip="Make the change again", show=False),
    Binding("o", "knobs", "knobs", id="knobs", tooltip="Every knob, the engine's own too"),
    Binding("comma", "settings", "settings", id="settings", tooltip="Settings", show=False),
    Binding("question_mark", "help", "keys", id="help", tooltip="Every key and what it does"),
    Binding("q", "quit", "quit", id="quit", tooltip="Leave the program"),
    Binding("1", "mode('gpus')", "GPUs", id="mode.gpus", show=False),
    Binding("2", "mode('model')", "Model", id="mode.model", show=False),
    Binding("3", "mode('fit')", "Fit", id="mode.fit", show=False),
    Binding("escape", "cancel", "stop waiting", id="cancel", tooltip="Stop waiting", show=False),
    *TERMINAL,
)
"""What the program itself does."""

GLOBAL_KEYS = (*PROGRAM, *WHAT_IF)
