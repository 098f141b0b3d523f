"""Every screen as a picture, at the sizes and in the colours that people have."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.pilot import Pilot

SIZES = [(80, 24), (120, 36)]
SCREENS = {"gpus": "1", "model": "2", "fit": "3"}


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


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("view", ["map", "engines"])
def test_views(picture, view, size):
    first = {(80, 24): 1, (120, 36): 0}[size]
    presses = first + {"map": 1, "engines": 2}[view]
    assert picture(["v"] * presses, size)


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


@pytest.mark.parametrize("key", ["x", "o", "question_mark", "y", "comma"])
def test_sheets(picture, key):
    assert picture([key], (80, 24))
