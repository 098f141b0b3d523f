"""How numbers and states are worded on every screen, and in which style."""

from __future__ import annotations

import re

from textual._context import active_app
from textual.content import Content

from llm_lander_tui import units
from llm_lander_tui.engines.base import Allocation, Kind, Known
from llm_lander_tui.units import Units, format_tokens

QUIET = "dim"
STRONG = "bold"
KEY = "$primary"
GOOD = "$text-success"
BAD = "$text-error"
WARN = "$text-warning"

MINUS = "−"

KIND_STYLE = {
    Kind.WEIGHTS: "$primary",
    Kind.KV_CACHE: "$secondary",
    Kind.STATE: "$secondary",
    Kind.ACTIVATIONS: "$warning",
    Kind.GRAPHS: "$warning",
    Kind.LORA: "$accent",
    Kind.DRAFT: "$accent",
    Kind.RUNTIME: "$accent",
    Kind.RESERVED: "$foreground 35%",
}


def fitted(line: Content, width: int) -> Content:
    """The line cut or padded to exactly `width` cells."""
    return line.truncate(max(0, width), ellipsis=True, pad=True)


def right(text: str | Content, width: int) -> Content:
    """The text at the right end of `width` cells."""
    content = Content(text) if isinstance(text, str) else text
    missing = width - content.cell_length
    return content.pad_left(missing) if missing > 0 else content.truncate(width, ellipsis=True)


def between(left: Content, end: Content, width: int) -> Content:
    """`left` at the left end and `end` at the right end of `width` cells; `left` gives way."""
    room = max(0, width - end.cell_length - 1)
    return Content.assemble(fitted(left, room), " ", end)


def chosen_units() -> Units:
    """What the state of the app that is painting says of units; binary ones outside of an app."""
    state = getattr(active_app.get(None), "state", None)
    return Units.BINARY if state is None else state.units


def format_bytes(size: int) -> str:
    """A size in the units that are chosen: the one door through which sizes reach the screen."""
    return units.format_bytes(size, chosen_units())


def signed_bytes(size: int) -> str:
    """`+1.34 GiB`, `−512 MiB`."""
    return f"{'+' if size >= 0 else MINUS}{format_bytes(abs(size))}"


def signed_tokens(tokens: int) -> str:
    """`+4,096`, `−31,000`."""
    return f"{'+' if tokens >= 0 else MINUS}{format_tokens(abs(tokens))}"


def token_change(now: int, pinned: int | None) -> Content:
    """` +4,096 better` or ` −4,096 worse` than the baseline; nothing without one."""
    if pinned is None or now == pinned:
        return Content("")
    word, style = ("better", GOOD) if now > pinned else ("worse", BAD)
    return Content.assemble(" ", (f"{signed_tokens(now - pinned)} {word}", style))


def byte_change(now: int, pinned: int | None, *, more_is_better: bool) -> Content:
    """The change of a size against the baseline, with its sign and a word."""
    if pinned is None or now == pinned:
        return Content("")
    better = (now > pinned) == more_is_better
    word, style = ("better", GOOD) if better else ("worse", BAD)
    return Content.assemble(" ", (f"{signed_bytes(now - pinned)} {word}", style))


def known_mark(allocation: Allocation) -> str:
    """How the number is known in few cells: `exact`, `±6%`, `rough`."""
    if allocation.known is Known.EXACT:
        return "exact"
    spread = f"±{allocation.spread:.0%}" if allocation.spread else ""
    return f"{spread} rough".strip() if allocation.known is Known.ROUGH else spread or "fitted"


def shortened(text: str, width: int) -> str:
    """The text in at most `width` cells, cut in the middle, where names differ least."""
    if len(text) <= width:
        return text
    if width < 4:
        return text[:width]
    head = (width - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def short_gpu(name: str) -> str:
    """A GPU's name without its maker's and without the kind of its memory."""
    for word in ("NVIDIA ", "GeForce ", "Tesla "):
        name = name.replace(word, "")
    return re.sub(r" HBM\w*", "", name)
