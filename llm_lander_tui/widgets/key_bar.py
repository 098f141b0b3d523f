"""The two lines at the bottom: what the last key did, and what the keys do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual.binding import Binding
from textual.content import Content

from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import KEY, QUIET, WARN, between, fitted

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp
    from llm_lander_tui.state import LanderState

WRITTEN = {
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "space": "space",
    "enter": "enter",
    "escape": "esc",
    "comma": ",",
    "slash": "/",
    "up": "↑",
    "down": "↓",
    "plus": "+",
    "minus": "-",
}

LOOK = 1.0
"""Seconds between two looks whether the driver has answered."""
LATE = 3
"""Seconds from which the driver is late."""


def written(key: str) -> str:
    """A key as it is printed on the keyboard."""
    return WRITTEN.get(key, key.replace("ctrl+", "^"))


class StatusLine(Lines):
    """What the last key did or why it could not; at the right, where the GPUs come from."""

    DEFAULT_CSS = "StatusLine { dock: bottom; height: 1; margin-bottom: 1; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="status")
        self.state = state

    def on_mount(self) -> None:
        """Follow the state."""
        for name in ("status", "reading", "busy", "baseline", "fleet", "stale_seconds"):
            self.watch(self.state, name, self.redraw, init=False)
        self.set_interval(LOOK, self._look)

    def _look(self) -> None:
        """Count on while the driver does not answer."""
        if self.state.reading is None and self.screen.is_current:
            self.redraw()

    @property
    def _waiting(self) -> int:
        """Whole seconds that the driver has been keeping its first answer."""
        return int(cast("LanderApp", self.app).driver_waiting)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """One line."""
        state = self.state
        if state.busy:
            stops = Content.assemble(("esc", KEY), (" stops waiting ", QUIET))
            return [between(Content(f" {state.busy} …"), stops, width)]
        demo = cast("LanderApp", self.app).options.demo
        live = "made-up GPUs" if demo else "live"
        origins = Content.assemble(origin(state, self._waiting, live), " ")
        return [between(Content(f" {state.status}"), origins, width)]


def origin(state: LanderState, waiting: int, live: str = "live") -> Content:
    """Where the cards of the plan come from, in a few words; `live` for those that are read."""
    pinned = Content.styled("baseline pinned (p) · ", KEY) if state.baseline is not None else ""
    if state.reading is None and waiting >= LATE:
        return Content.assemble(pinned, (f"the driver has not answered for {waiting} s", WARN))
    if state.reading is None:
        return Content.assemble(pinned, ("reading GPUs", QUIET))
    chosen = state.fleet.chosen
    whatif = any(card.hypothetical for card in chosen)
    if state.stale_seconds:
        return Content.assemble(pinned, (f"GPU readings {state.stale_seconds} s old", WARN))
    if state.reading.problem is not None:
        stands_in = ": planning on a what-if GPU" if whatif else ""
        return Content.assemble(pinned, (state.reading.problem.title, WARN), (stands_in, QUIET))
    if whatif:
        return Content.assemble(pinned, ("what-if GPUs in the plan", WARN))
    return Content.assemble(pinned, (live, QUIET))


class KeyBar(Lines):
    """The screens with the one that is open, then the keys that act here, as many as there is room.

    Taken from the active bindings themselves, so that it cannot tell anything else than they do.
    """

    DEFAULT_CSS = "KeyBar { dock: bottom; height: 1; background: $surface; }"

    def on_mount(self) -> None:
        """Follow focus and screens."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.redraw())

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """One line."""
        app: LanderApp = self.app  # type: ignore[assignment]
        parts: list[Content] = []
        for key, mode, title in app.MODES_SHOWN:
            style = "reverse" if mode == app.current_mode else ""
            parts.append(
                Content.assemble((f" {key} {title} ", f"{style} @click=app.mode('{mode}')".strip()))
            )
        line = Content("").join(parts)
        for binding in self._shown():
            entry = Content.assemble(
                "  ", (written(binding.key), KEY), " ", (binding.description, QUIET)
            )
            if line.cell_length + entry.cell_length > width:
                break
            line += entry
        return [fitted(line, width)]

    def _shown(self) -> list[Binding]:
        found: dict[str, Binding] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.description not in found:
                found[binding.description] = binding
        return list(found.values())
