"""The command palette: every key's command by name, those that act on the screen at hand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from llm_lander_tui.widgets.key_bar import written


class LanderCommands(Provider):
    """Made from the active bindings, so that no command is named that no key does."""

    async def discover(self) -> Hits:
        """Everything, before a letter is typed."""
        for binding in self._bindings():
            yield DiscoveryHit(_name(binding), partial(self._run, binding), help=_help(binding))

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for binding in self._bindings():
            score = matcher.match(_name(binding))
            if score > 0:
                name = matcher.highlight(_name(binding))
                yield Hit(score, name, partial(self._run, binding), help=_help(binding))

    def _bindings(self) -> Iterator[Binding]:
        for active in self.screen.active_bindings.values():
            if active.binding.id is not None and active.enabled:
                yield active.binding

    async def _run(self, binding: Binding) -> None:
        focused = self.screen.focused
        await (focused or self.screen).run_action(binding.action)


def _name(binding: Binding) -> str:
    text = binding.tooltip or binding.description
    return text[:1].upper() + text[1:]


def _help(binding: Binding) -> str:
    return f"key {written(binding.key)}"
