"""Finders, forms and sheets, used by keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.widgets import Input

from llm_lander_tui.gpus.gpu import GpuProcess, Reading
from llm_lander_tui.models import shelf
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.screens.failure import FailureSheet
from llm_lander_tui.screens.finder import ModelFinder
from llm_lander_tui.screens.manual import ManualForm
from llm_lander_tui.screens.settings import SettingsSheet
from llm_lander_tui.storage import settings
from llm_lander_tui.units import GIB
from llm_lander_tui.widgets.hits import Hits


async def test_a_model_is_found_by_its_name_and_planned(started, world):
    async with started() as pilot:
        await pilot.press("m", *"qwen3-32b")
        await pilot.pause()
        assert pilot.app.screen.query_one(Hits).hit.name == "Qwen/Qwen3-32B"
        await pilot.press("enter")
        await world.settled(pilot)
        assert pilot.app.state.scenario.model.name == "Qwen/Qwen3-32B"
        assert pilot.app.state.plan.fits
        assert pilot.app.state.status == "INT8 does not land: planned with INT4."


async def test_a_model_that_cannot_be_read_says_so_and_keeps_the_plan(started, world):
    async with started() as pilot:
        before = pilot.app.state.scenario
        await pilot.press("m", *"nobody/nothing", "enter")
        for _ in range(200):
            await pilot.pause(0.01)
            if isinstance(pilot.app.screen, FailureSheet):
                break
        assert isinstance(pilot.app.screen, FailureSheet)
        assert pilot.app.state.scenario == before
        await pilot.press("m")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ModelFinder)
        assert pilot.app.screen.text == "nobody/nothing", "what was typed is kept"


async def test_a_model_by_hand_is_checked_field_by_field(started, world):
    async with started() as pilot:
        await pilot.press("m", "ctrl+n")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ManualForm)
        await pilot.press(*"mine", "down", *"8B", "down", "down", "down", *"32", "down", *"5")
        await pilot.pause()
        note = pilot.app.screen.query_one("#kv_heads-note")
        assert "divide" in str(note.content)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ManualForm), "nothing is lost while a field is wrong"
        await pilot.press("backspace", "8", "enter")
        await world.settled(pilot)
        assert pilot.app.state.scenario.model.name == "mine"


async def test_cards_are_added_from_the_catalogue_or_planned_on_alone(started):
    async with started() as pilot:
        await pilot.press("1", "a", *"2x l40s", "enter")
        await pilot.pause()
        assert [gpu.name for gpu in pilot.app.state.scenario.gpus][1:] == ["NVIDIA L40S"] * 2
        await pilot.press("a", *"l40s", "ctrl+r")
        await pilot.pause()
        assert [gpu.name for gpu in pilot.app.state.scenario.gpus] == ["NVIDIA L40S"]


async def test_knobs_of_the_engine_are_turned_with_the_verdict_in_view(started):
    async with started() as pilot:
        await pilot.press("o", "end", "right")
        assert pilot.app.state.scenario.options.batch == 1024
        await pilot.press("u", "escape")
        assert pilot.app.state.scenario.options is None


async def test_explanations_say_how_each_number_is_known(started):
    async with started() as pilot:
        await pilot.press("x")
        await pilot.pause()
        text = "\n".join(p.plain for p in pilot.app.screen.paragraphs)
        assert "calibrated ±10 %" in text
        assert "exact" in text
        await pilot.press("escape")
        assert pilot.app.screen.id != "explain"


async def test_the_start_command_can_be_written_to_a_file(started, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with started() as pilot:
        await pilot.press("y")
        await pilot.pause()
        assert pilot.app.clipboard == "serve Qwen/Qwen3-8B --context 8192"
        await pilot.press("f")
        written = (tmp_path / "llm-lander-start.sh").read_text()
        assert written.endswith("serve Qwen/Qwen3-8B --context 8192\n")


async def test_settings_are_kept_and_keys_can_be_changed(started, tmp_path):
    async with started() as pilot:
        await pilot.press("comma", "right", "down", "down", "right", "down", "right")
        await pilot.press("down", "down", "enter", "z", "escape")
        await pilot.pause()
        kept = settings.load(tmp_path / "settings.toml")
        assert kept.theme != settings.DARK
        assert kept.margin_mib == 750
        assert kept.units == "decimal"
        assert kept.keys == {"weights.smaller": "z"}
        before = pilot.app.state.scenario.weights
        await pilot.press("z")
        assert pilot.app.state.scenario.weights != before


async def test_arrows_take_no_key_and_needed_keys_are_not_given_away(started, tmp_path):
    async with started() as pilot:
        await pilot.press("comma", *["down"] * 6, "right", "down", "left", "up", "delete")
        for key in ("down", "tab", "enter", "space", "ctrl+p", "e"):  # e: the next engine's
            await pilot.press("enter", key)
            await pilot.pause()
        assert not settings.load(tmp_path / "settings.toml").keys
        await pilot.press("enter", "escape", "escape")
        assert not settings.load(tmp_path / "settings.toml").keys
        assert not isinstance(pilot.app.screen, SettingsSheet)


def shown(pilot) -> str:
    """What is on the screen."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_sizes_are_written_in_the_units_of_the_settings(started, source, world, size):
    source.reading = world.two_cards()
    async with started(size) as pilot:
        for key in ("1", "2", "3"):  # every screen has been painted before the units change
            await pilot.press(key)
            await world.settled(pilot)
            assert "GiB" in shown(pilot)
        await pilot.press("comma", "down", "down", "down", "right")
        await pilot.pause()
        assert "‹ GB ›" in shown(pilot)
        assert "524 MB" in shown(pilot), "the margin of 500 MiB"
        await pilot.press("escape")
        # 23.5 GiB are free on card 0 and 11.5 GiB on card 1: 25.2 and 12.3 GB.
        for keys, amount in (
            ("1", "25.2 GB"), ("1a", "85.5 GB"), ("2", " GB"), ("3", " GB"), ("o", "524 MB"),
            ("m", ""), ("vv", ""), ("v", ""),
        ):  # fmt: skip
            await pilot.press(*keys)
            await world.settled(pilot)
            assert amount in shown(pilot), keys
            assert "iB" not in shown(pilot), keys
            await pilot.press("escape")
            await pilot.pause()
        await pilot.press("x")
        await pilot.pause()
        assert "The sums are in GiB of 1024³ bytes" in shown(pilot)
    async with started(size) as pilot:
        await world.settled(pilot)
        assert " GB" in shown(pilot), "they are kept"


async def test_nothing_on_the_screen_speaks_to_the_terminal(started, source, world):
    title = "\x1b]0;mine\x07\x1b[2J\x9b5m\u202eevil [/x] é"
    tenant = GpuProcess(7, 9 * GIB, "\x1b[1mroot", title)
    source.reading = Reading(gpus=(replace(world.card(0, 14, (tenant,)), name="\x1bcard"),))
    async with started() as pilot:
        await pilot.press("1")
        await world.settled(pilot)
        text = shown(pilot)
        assert "evil [/x] é" in text
        assert text.replace("\n", "").isprintable()


async def test_the_last_scenario_comes_back_on_request(started):
    async with started() as pilot:
        await pilot.press("w", "c", "e", "g", "right_square_bracket")
        before = pilot.app.state.scenario
    async with started(resume=True) as pilot:
        after = pilot.app.state.scenario
        assert after.model.name == before.model.name
        assert after.weights.name == before.weights.name
        assert replace(after, model=before.model, weights=before.weights) == before


async def test_a_process_is_planned_from_its_command(started, source, world):
    source.reading = world.two_cards()
    async with started() as pilot:
        await pilot.press("1", "down", "tab", "enter")
        await world.settled(pilot)
        assert pilot.app.state.scenario.engine.id == "vllm"
        assert pilot.app.state.scenario.model.name == "Qwen/Qwen3-32B"


async def test_every_key_is_in_the_help_and_every_command_in_the_palette(started):
    async with started() as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        text = "\n".join(p.plain for p in pilot.app.screen.paragraphs)
        for word in ("smaller weights", "next engine", "Copy the start command", "view"):
            assert word in text


async def test_letters_typed_ahead_of_the_finder_are_not_lost(started):
    async with started() as pilot:
        for key in "mqwen3-32b":
            pilot.app.post_message(events.Key(_character_to_key(key), key))
        for _ in range(100):
            await pilot.pause(0.02)
            entry = pilot.app.screen.query("Input")
            if entry and entry.first(Input).value == "qwen3-32b":
                break
        assert pilot.app.screen.query_one(Input).value == "qwen3-32b"


async def test_quantised_repositories_stand_under_the_model_they_were_made_from(
    started, monkeypatch
):
    def sisters(name: str, cancel: object) -> tuple[Hit, ...]:
        return (Hit(f"{name}-AWQ", shelf.QUANTISED, "awq"),)

    monkeypatch.setattr(shelf, "sisters", sisters)
    monkeypatch.setattr(shelf, "hub", lambda text, cancel: (Hit(f"{text}-tuned", "Hub"),))
    async with started() as pilot:
        await pilot.press("m", *"some/model")
        rows = pilot.app.screen.query_one(Hits)
        for _ in range(200):
            await pilot.pause(0.02)
            if len(rows.hits) == 3:
                break
        listed = [(hit.name, hit.source) for hit in rows.hits]
        assert listed == [
            ("some/model", "Hub"),
            ("some/model-AWQ", "quantised"),
            ("some/model-tuned", "Hub"),
        ]
