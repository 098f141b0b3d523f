"""What is kept between sessions: theme, defaults, refresh rate, key map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.screen import ModalScreen

from llm_lander_tui.engines import registry
from llm_lander_tui.keys import PROGRAM, WHAT_IF
from llm_lander_tui.planner import choices
from llm_lander_tui.screens.painted import Painted
from llm_lander_tui.screens.sheet import Title
from llm_lander_tui.storage.settings import Settings
from llm_lander_tui.units import MIB, Units
from llm_lander_tui.widgets.key_bar import written
from llm_lander_tui.widgets.rows import Rows
from llm_lander_tui.widgets.words import KEY, QUIET, fitted, format_bytes

if TYPE_CHECKING:
    from llm_lander_tui.app import LanderApp

MARGINS = (0, 100, 250, 500, 750, 1000, 1500, 2000, 3000, 4000)
KEPT = frozenset((
    "up", "down", "left", "right", "tab", "shift+tab", "enter", "escape", "backspace", "delete",
    "home", "end", "pageup", "pagedown", "space", "ctrl+c", "ctrl+p", "ctrl+q",
))  # fmt: skip
"""Keys that lists, input lines and the program itself need."""
RATES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Line:
    """A setting: its name, its value in words, what it does, and how it is stepped."""

    name: str
    value: str
    about: str
    step: Callable[[Settings, int], Settings]


def lines(settings: Settings, themes: Sequence[str]) -> tuple[Line, ...]:
    """The settings that are stepped through."""
    ids = tuple(registry.HOMES)
    names = [units.value for units in Units]
    return (
        Line(
            "theme",
            settings.theme,
            "ansi-…: the terminal's own colours",
            lambda s, by: replace(s, theme=choices.step(themes, s.theme, by)),
        ),
        Line(
            "engine",
            settings.engine,
            "what a new session plans for",
            lambda s, by: replace(s, engine=choices.step(ids, s.engine, by)),
        ),
        Line(
            "margin",
            format_bytes(settings.margin_mib * MIB),
            "kept free on each GPU at the start",
            lambda s, by: replace(s, margin_mib=choices.step(MARGINS, s.margin_mib, by)),
        ),
        Line(
            "units",
            Units(settings.units).large[1],
            "GiB = 1024³ bytes, GB = 1000³",
            lambda s, by: replace(s, units=choices.step(names, s.units, by)),
        ),
        Line(
            "refresh",
            f"{settings.refresh_seconds:g} s",
            "between two readings of the GPUs",
            lambda s, by: replace(s, refresh_seconds=choices.step(RATES, s.refresh_seconds, by)),
        ),
    )


class SettingRows(Rows):
    """Settings, then the keys; enter on a key waits for another one."""

    DEFAULT_CSS = "SettingRows { background: $panel; height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "change(-1)", "before", show=False),
        Binding("right", "change(1)", "next", show=False),
        Binding("enter", "choose", "change", show=False),
        Binding("backspace,delete", "usual_key", "usual key", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="setting-rows")
        self.waiting = False

    @property
    def lander(self) -> LanderApp:
        """The app, by its own type."""
        return cast("LanderApp", self.app)

    @property
    def keyed(self) -> tuple[Binding, ...]:
        """The bindings whose key can be changed."""
        return (*WHAT_IF, *PROGRAM)

    def settings_lines(self) -> tuple[Line, ...]:
        """The settings as they are."""
        return lines(self.lander.settings, sorted(self.app.available_themes))

    def rows(self, width: int) -> Sequence[Content]:
        """A setting or a key a row."""
        settings = self.settings_lines()
        found = [_row(one.name, f"‹ {one.value} ›", one.about, width) for one in settings]
        keys = self.lander.settings.keys
        for n, binding in enumerate(self.keyed):
            waiting = self.waiting and self.cursor == len(settings) + n
            key = "press a key" if waiting else written(keys.get(binding.id or "", binding.key))
            about = binding.tooltip or binding.description
            found.append(_row(f"key {binding.id}", key, about, width))
        return found

    def action_change(self, by: int) -> None:
        """Step a setting; a key is changed by enter alone, so that arrows take none by accident."""
        found = self.settings_lines()
        if self.cursor < len(found):
            self.lander.change_settings(found[self.cursor].step(self.lander.settings, by))
            self.redraw()

    def action_choose(self) -> None:
        """Step a setting, or wait for a key."""
        if self.cursor < len(self.settings_lines()):
            self.action_change(1)
        else:
            self.waiting = True
            self.redraw()

    def action_usual_key(self) -> None:
        """Give a binding its own key back."""
        at = self.cursor - len(self.settings_lines())
        if at >= 0:
            self._set_key(self.keyed[at], None)

    def on_key(self, event: events.Key) -> None:
        """The key that was waited for."""
        if not self.waiting:
            return
        event.stop()
        event.prevent_default()
        self.waiting = False
        if event.key != "escape":
            self._set_key(self.keyed[self.cursor - len(self.settings_lines())], event.key)
        self.redraw()

    def _set_key(self, binding: Binding, key: str | None) -> None:
        keys = {k: v for k, v in self.lander.settings.keys.items() if k != binding.id}
        taken = {keys.get(b.id or "", b.key): b for b in self.keyed if b.id != binding.id}
        if key in KEPT:
            self.notify(f"{written(key)} moves, chooses or leaves, everywhere.", markup=False)
            return
        if key is not None and key in taken:
            self.notify(f"{written(key)} already does: {taken[key].description}.", markup=False)
            return
        if key is not None and binding.id is not None:
            keys[binding.id] = key
        self.lander.change_settings(replace(self.lander.settings, keys=keys))
        self.redraw()


def _row(name: str, value: str, about: str, width: int) -> Content:
    line = Content.assemble(
        fitted(Content(name), 23), (fitted(Content(value), 17).plain, KEY), (about, QUIET)
    )
    return fitted(line, width)


class SettingsSheet(ModalScreen[None], Painted[None]):
    """Changed at once, and kept."""

    CSS_PATH = "sheet.tcss"
    AUTO_FOCUS = "#setting-rows"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,comma", "dismiss", "back", show=False),
    ]

    def compose(self) -> ComposeResult:
        """One list."""
        with VerticalGroup(classes="sheet tall-sheet"):
            yield Title("Settings", "←→ change   enter new key   ⌫ usual key   esc")
            yield SettingRows()
