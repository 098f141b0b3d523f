"""A scenario's options as the engine that it asks knows them."""

from __future__ import annotations

from typing import TypeVar

from llm_lander_tui.planner.scenario import Scenario

T = TypeVar("T")


def own_options(scenario: Scenario, kind: type[T]) -> T:
    """The scenario's options where they are the engine's own, else the engine's defaults.

    A scenario keeps the options of the engine that it was made for; another engine that it is
    handed to, as drafts and comparisons do, goes by its defaults.
    """
    options = scenario.options
    return options if isinstance(options, kind) else kind()
