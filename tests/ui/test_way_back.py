"""Start commands come in: pasted anywhere, typed, or taken from a running process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual import events
from textual.keys import _character_to_key

from llm_lander_tui.gpus.gpu import GpuProcess, Reading
from llm_lander_tui.models.hub_errors import HubUnreachable
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.screens.command_form import CommandForm, CommandText, Understood
from llm_lander_tui.screens.failure import FailureSheet
from llm_lander_tui.screens.finder import COMMAND, Hits, ModelFinder
from llm_lander_tui.screens.gpu_finder import GpuFinder
from llm_lander_tui.screens.knob_sheet import KnobSheet
from llm_lander_tui.units import GIB

SERVE = "vllm serve Qwen/Qwen3-32B \\\r  --max-model-len 4096 \\\r  --dtype half"


def asked(app) -> tuple[str, str, int]:
    scenario = app.state.scenario
    return scenario.engine.id, scenario.model.name, scenario.context


async def paste(pilot, text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


@pytest.mark.parametrize("key", ["1", "2", "3", "o", "x", "m", "a", "Y"])
async def test_a_command_pasted_anywhere_is_planned_and_undone(started, source, world, key):
    source.reading = world.two_cards()
    async with started() as pilot:
        if key == "a":
            await pilot.press("1")
        await pilot.press(key)
        await pilot.pause()
        before = pilot.app.state.scenario
        await paste(pilot, SERVE)
        if key in "aY":
            assert isinstance(pilot.app.screen, GpuFinder | CommandForm), "a line to type in"
            assert pilot.app.state.scenario == before
            return
        await world.settled(pilot)
        assert asked(pilot.app) == ("vllm", "Qwen/Qwen3-32B", 4096)
        assert pilot.app.state.status == "Planned from its command."
        if isinstance(pilot.app.screen, KnobSheet):
            await pilot.press("escape")
        await pilot.press("escape", "u")
        assert pilot.app.state.scenario == before
        await pilot.press("U")
        assert asked(pilot.app) == ("vllm", "Qwen/Qwen3-32B", 4096)


async def test_a_command_that_cannot_be_read_is_kept_with_the_reason(started, world):
    async with started() as pilot:
        before = pilot.app.state.scenario
        await paste(pilot, "vllm serve Qwen/Qwen3-32B --max-model-len many")
        form = pilot.app.screen
        assert isinstance(form, CommandForm)
        said = [line.plain for line in form.query_one(Understood).said]
        assert said == ["--max-model-len cannot be 'many'.", "Mend it, or leave it out."]
        await pilot.press("enter")
        assert pilot.app.screen is form, "nothing is planned of what cannot be read"
        await pilot.press("escape")
        assert pilot.app.state.scenario == before
        await pilot.press("Y")
        await pilot.pause()
        text = pilot.app.screen.query_one(CommandText)
        assert text.text.endswith("--max-model-len many"), "what was pasted is still there"
        text.text = text.text.replace("many", "2048")
        await pilot.pause()
        await pilot.press("enter")
        await world.settled(pilot)
        assert asked(pilot.app) == ("vllm", "Qwen/Qwen3-32B", 2048)


async def test_enter_goes_on_while_a_shell_would(started, world):
    async with started() as pilot:
        await pilot.press("Y", *map(_character_to_key, "vllm serve Qwen/Qwen3-32B \\"), "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, CommandForm)
        await pilot.press(*map(_character_to_key, "--max-model-len 2048"), "enter")
        await world.settled(pilot)
        assert asked(pilot.app) == ("vllm", "Qwen/Qwen3-32B", 2048)


async def test_what_is_understood_and_what_not_is_said_as_it_is_typed(started):
    async with started() as pilot:
        await pilot.press("Y")
        await pilot.pause()
        said = pilot.app.screen.query_one(Understood)
        assert "How is the server started?" in said.said[0].plain
        await pilot.press(*map(_character_to_key, "vllm serve Qwen/Qwen3-32B -tp 2 --warp 9"))
        await pilot.pause()
        assert [line.plain for line in said.said] == [
            "vLLM · Qwen/Qwen3-32B · TP 2",
            "! Not read: --warp 9.",
        ]


async def test_the_finder_takes_a_command_that_is_typed(started, world, monkeypatch):
    searched = []
    monkeypatch.setattr("llm_lander_tui.models.shelf.hub", lambda *a: searched.append(a) or ())
    async with started() as pilot:
        await pilot.press("m")
        await pilot.pause()
        await pilot.press(*map(_character_to_key, "vllm serve Qwen/Qwen3-32B --api-key x -tp 1"))
        await pilot.pause(0.6)
        assert pilot.app.screen.query_one(Hits).hit.source == COMMAND
        assert not searched, "a command line is told to nobody"
        await pilot.press("enter")
        await world.settled(pilot)
        assert asked(pilot.app)[:2] == ("vllm", "Qwen/Qwen3-32B")


async def test_a_pasted_name_is_looked_for(started):
    async with started() as pilot:
        await paste(pilot, "Qwen/Qwen3-32B\n")
        assert isinstance(pilot.app.screen, ModelFinder)
        assert pilot.app.screen.text == "Qwen/Qwen3-32B"


@pytest.mark.parametrize(
    ("visible", "cards", "said"),
    [
        ("1", [1], ""),
        ("GPU-1", [1], ""),
        ("1,7", [1], "Of CUDA_VISIBLE_DEVICES=1,7 only 1 of 2 GPUs are here."),
        (
            "7",
            [0],
            "CUDA_VISIBLE_DEVICES=7 names no GPU that is here: the choice of cards is kept.",
        ),
        ("", [0], "CUDA_VISIBLE_DEVICES= names no GPU that is here: the choice of cards is kept."),
    ],
)
async def test_a_command_is_planned_on_the_cards_that_it_sees(
    started, source, world, visible, cards, said
):
    source.reading = world.two_cards()
    async with started() as pilot:
        await paste(pilot, f"CUDA_VISIBLE_DEVICES={visible} {SERVE}")
        await world.settled(pilot)
        assert [gpu.index for gpu in pilot.app.state.scenario.gpus] == cards
        assert pilot.app.state.status == f"Planned from its command. {said}".strip()
        await pilot.press("u")
        assert len(pilot.app.state.scenario.gpus) == 2, "the choice of cards comes back, too"


async def test_a_card_that_was_left_out_is_taken_in_for_a_command_that_names_it(
    started, source, world
):
    source.reading = world.two_cards()
    async with started() as pilot:
        await pilot.press("1", "down", "space")
        assert [gpu.index for gpu in pilot.app.state.scenario.gpus] == [0]
        await paste(pilot, f"CUDA_VISIBLE_DEVICES=1 {SERVE}")
        await world.settled(pilot)
        assert [gpu.index for gpu in pilot.app.state.scenario.gpus] == [1]


async def test_what_if_cards_make_up_a_division(started, source, world):
    source.reading = world.two_cards()
    async with started() as pilot:
        await paste(pilot, f"{SERVE} -tp 4")
        await world.settled(pilot)
        scenario = pilot.app.state.scenario
        assert (scenario.tensor_parallel, len(scenario.gpus)) == (4, 4)
        assert [gpu.hypothetical for gpu in scenario.gpus] == [False, False, True, True]
        assert "4 GPUs: 2 of them what-if" in pilot.app.state.status


async def test_a_command_whose_model_cannot_be_had_is_tried_again_as_a_command(started, world):
    async with started() as pilot:
        before = pilot.app.state.scenario
        await paste(pilot, "vllm serve nobody/nothing --max-model-len 2048")
        for _ in range(200):
            await pilot.pause(0.01)
            if isinstance(pilot.app.screen, FailureSheet):
                break
        assert pilot.app.state.scenario == before
        found = world.load_model("Qwen/Qwen3-8B")
        pilot.app._loader._load = lambda *_: replace(found, name="nobody/nothing")
        await pilot.press("r")
        await world.settled(pilot)
        assert asked(pilot.app) == ("vllm", "nobody/nothing", 2048)


async def test_a_file_of_a_hub_out_of_reach_goes_by_its_name(started, world):
    async with started() as pilot:
        load = pilot.app._loader._load

        def away(name: str, *rest: object):
            if ":" in name:
                raise HubUnreachable("No network", "The Hub cannot be reached.", "")
            return load(name, *rest)

        pilot.app._loader._load = away
        await paste(pilot, "llama-server -hf owner/Qwen3-8B-GGUF:Q4_K_M -c 2048")
        for _ in range(200):
            await pilot.pause(0.01)
            if "by its name" in pilot.app.state.status:
                break
        assert asked(pilot.app) == ("llama.cpp", "Qwen/Qwen3-8B", 2048)
        assert "could not be read from the Hub" in pilot.app.state.status


async def test_a_worker_is_planned_as_its_server_on_all_of_its_cards(started, source, world):
    server = "python3 /usr/bin/vllm serve Qwen/Qwen3-32B -tp 2"
    cards = [
        world.card(
            n,
            4,
            (GpuProcess(90 + n, 19 * GIB, "a", f"VLLM::Worker_TP{n}", (f"VLLM::{n}", server)),)
            if n
            else (),
        )
        for n in range(3)
    ]
    source.reading = Reading(gpus=tuple(cards))
    async with started() as pilot:
        await pilot.press("1", "down", "tab", "enter")
        await world.settled(pilot)
        assert asked(pilot.app)[:2] == ("vllm", "Qwen/Qwen3-32B")
        assert [gpu.index for gpu in pilot.app.state.scenario.gpus] == [1, 2]


@pytest.mark.parametrize(
    ("process", "word"),
    [
        (GpuProcess(5, GIB), "Command hidden"),
        (GpuProcess(5, GIB, "a", "python x.py", ("python x.py", "bash")), "Unknown command"),
        (GpuProcess(5, GIB, "a", "[/x] \ufffd '"), "Not a command"),
        (GpuProcess(5, GIB, "a", "ollama runner", ("ollama runner", "ollama serve")), "No model"),
        (GpuProcess(5, GIB, "a", "x" * 10_000), "Unknown command"),
    ],
)
async def test_a_process_that_is_no_server_says_so(started, source, world, process, word):
    source.reading = Reading(gpus=(world.card(0, 20, (process,)),))
    async with started() as pilot:
        before = pilot.app.state.scenario
        await pilot.press("1", "tab", "enter")
        await pilot.pause()
        assert pilot.app.state.status.startswith(word)
        assert pilot.app.state.scenario == before


async def test_the_screen_opens_with_a_start_command(started, source, world):
    source.reading = world.two_cards()
    launched = parse_command(f"CUDA_VISIBLE_DEVICES=1 {SERVE} --warp")
    async with started(launched=launched, margin_bytes=GIB) as pilot:
        scenario = pilot.app.state.scenario
        assert asked(pilot.app) == ("vllm", "Qwen/Qwen3-32B", 4096)
        assert [gpu.index for gpu in scenario.gpus] == [1]
        assert scenario.margin_bytes == GIB
        assert "Not read: --warp." in pilot.app.state.status


async def test_a_command_on_the_first_line_of_a_machine_without_cards(started, world):
    async with started(launched=parse_command(f"{SERVE} -tp 2")) as pilot:
        scenario = pilot.app.state.scenario
        assert (scenario.tensor_parallel, len(scenario.gpus)) == (2, 2)
        assert all(gpu.hypothetical for gpu in scenario.gpus)


async def test_the_margin_stays_as_it_is_kept(started, world):
    async with started(margin_bytes=3 * GIB) as pilot:
        await paste(pilot, SERVE)
        await world.settled(pilot)
        assert asked(pilot.app)[0] == "vllm"
        assert pilot.app.state.scenario.margin_bytes == 3 * GIB
