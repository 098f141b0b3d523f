"""Every screen as a picture, at the sizes and in the colours that people have."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice

import pytest
from textual.pilot import Pilot

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models import peeks, shelf
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.screens import finder
from llm_lander_tui.screens.failure import FailureSheet
from llm_lander_tui.screens.finder import ModelFinder
from llm_lander_tui.widgets.hits import Hits

SIZES = [(80, 24), (120, 36)]
SCREENS = {"gpus": "1", "model": "2", "fit": "3"}
SHEETS = {
    "explain": ["x"],
    "knobs": ["o"],
    "keys": ["question_mark"],
    "command": ["y"],
    "paste": ["Y"],
    "settings": ["comma"],
    "finder": ["m", *"qwen3-8b"],
    "by-hand": ["m", "ctrl+n"],
    "gpu-finder": ["1", "a", *"h100"],
    "failure": ["m", *"no/model", "enter"],
}
VIEWS = {"prices": 0, "chart": 1, "map": 2, "engines": 3}
HITS = (
    Hit("some/Qwen3-8B-tuned", "Hub", "120,000 downloads", created="2025-06"),
    Hit("some/Qwen3-8B-GGUF", "Hub", "80,000 downloads · GGUF", created="2025-05", quant="GGUF"),
    Hit("some/Qwen3-8B-closed", "Hub", "900 downloads · gated", created="2025-08"),
)


@pytest.fixture(autouse=True)
def small_hub(monkeypatch, world):
    """A shelf of twenty presets, and a Hub of three repositories, one of them closed."""

    def look(hit: Hit, cancel: threading.Event):
        if hit.name == HITS[2].name:
            raise SourceError("Gated model", "It is gated.", "Sign in.")
        return world.load_model("Qwen/Qwen3-8B")

    presets = shelf.presets
    monkeypatch.setattr(shelf, "presets", lambda text: islice(presets(text), 20))
    monkeypatch.setattr(finder, "PAUSE", 0.01)
    monkeypatch.setattr(peeks, "look_into", look)
    monkeypatch.setattr(shelf, "hub", lambda text, cancel: HITS)
    monkeypatch.setattr(shelf, "sisters", lambda text, cancel: ())


async def found(pilot: Pilot[int]) -> None:
    """Wait until the finder knows all that it will, or a sheet has opened."""
    for _ in range(400):
        screen = pilot.app.screen
        if isinstance(screen, ModelFinder):
            rows = screen.query_one(Hits)
            known = all(h.name in rows.seen or h.name in rows.failed for h in rows.hits)
            if known and not screen._asked and screen._paused_at == screen.text.strip():
                return
        await pilot.pause(0.02)
    raise AssertionError("the finder never came to rest")


async def failed(pilot: Pilot[int]) -> None:
    """Wait until a model could not be read."""
    for _ in range(400):
        if isinstance(pilot.app.screen, FailureSheet):
            return
        await pilot.pause(0.02)
    raise AssertionError("nothing failed")


@pytest.fixture
def picture(snap_compare, make_app, world):
    """Compares the app after some keys with its picture."""

    def compare(
        keys: Sequence[str], size: tuple[int, int], theme: str | None = None, **options: object
    ) -> bool:
        app = make_app(**options)

        async def ready(pilot: Pilot[int]) -> None:
            if theme is not None:
                pilot.app.theme = theme
            await world.settled(pilot)
            for key in keys:
                await pilot.press(key)
                await world.settled(pilot)
            if keys == SHEETS["finder"]:
                await found(pilot)
            if keys == SHEETS["failure"]:
                await failed(pilot)

        return snap_compare(app, terminal_size=size, run_before=ready)

    return compare


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("screen", SCREENS)
def test_screen_with_two_cards(picture, source, world, screen, size):
    source.reading = world.two_cards()
    assert picture([SCREENS[screen]], size, model="Qwen/Qwen3-32B")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_does_not_land_on_a_what_if_gpu(picture, size):
    assert picture(["W"], size, model="Qwen/Qwen3-32B")


def views(name: str, size: tuple[int, int]) -> list[str]:
    """The keys that open a view; tall windows begin with the chart, beside the prices."""
    tall = size[1] >= 30
    return ["v"] * (VIEWS[name] - (1 if tall else 0))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("view", ["chart", "map", "engines"])
def test_views(picture, view, size):
    assert picture(views(view, size), size)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("sheet", SHEETS)
def test_sheets(picture, sheet, size):
    assert picture(SHEETS[sheet], size)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scene", [*SCREENS, *VIEWS, *SHEETS])
def test_everything_in_light(picture, source, world, scene, size):
    source.reading = world.two_cards()
    assert picture(keys_of(scene, size), size, "lander-light")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scene", [*SCREENS, *VIEWS, *SHEETS])
def test_everything_without_colour(picture, source, world, monkeypatch, scene, size):
    monkeypatch.setenv("NO_COLOR", "1")
    source.reading = world.two_cards()
    assert picture(keys_of(scene, size), size)


def keys_of(scene: str, size: tuple[int, int]) -> list[str]:
    """The keys that lead to a screen, a view or a sheet."""
    if scene in VIEWS:
        return views(scene, size)
    return SHEETS.get(scene) or [SCREENS[scene]]


def test_light(picture, source, world):
    source.reading = world.two_cards()
    assert picture(["p", "w"], (120, 36), "lander-light")


def test_the_terminals_own_colours(picture, source, world):
    source.reading = world.two_cards()
    assert picture(["p", "w"], (80, 24), "ansi-dark")


def test_no_colour(picture, source, world, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    source.reading = world.two_cards()
    assert picture(["p", "w"], (80, 24))


def test_sixteen_cards_in_few_rows(picture, source, world):
    from llm_lander_tui.gpus.gpu import Reading

    source.reading = Reading(gpus=tuple(world.card(n, 4 + n) for n in range(16)))
    assert picture(["1"], (80, 24))
