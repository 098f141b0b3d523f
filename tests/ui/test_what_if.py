"""Keys pressed on the running app, read from its state."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from textual import events

from llm_lander_tui.gpus import slices
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.gpus.gpu import GpuProcess, Problem, Reading
from llm_lander_tui.messages import GpusRead
from llm_lander_tui.models import presets
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.question import Question, scenario_of
from llm_lander_tui.planner.recommend import recommend
from llm_lander_tui.units import MIB
from llm_lander_tui.widgets import key_bar
from llm_lander_tui.widgets.header import division_in_words, gpus_in_words, verdict_line
from llm_lander_tui.widgets.key_bar import origin
from llm_lander_tui.widgets.process_list import ProcessList


async def test_starts_on_a_what_if_gpu_without_a_driver(started):
    async with started() as pilot:
        state = pilot.app.state
        assert state.reading.problem.title == "No NVIDIA driver"
        assert [gpu.name for gpu in state.scenario.gpus] == ["NVIDIA GeForce RTX 4090"]
        assert state.scenario.gpus[0].hypothetical
        assert state.plan.fits
        for key in "123":
            await pilot.press(key)
            await pilot.pause()
            assert "No NVIDIA driver" in pilot.app.screen.query_one("#status").render_line(0).text


async def test_every_knob_changes_the_question_and_the_answer_follows(started):
    async with started() as pilot:
        state = pilot.app.state
        for key, field in (
            ("w", "weights"),
            ("k", "kv"),
            ("e", "engine"),
            ("left_square_bracket", "context"),
            ("right_curly_bracket", "context"),
            ("c", "concurrency"),
            ("g", "gpus"),
        ):
            before = state.scenario
            await pilot.press(key)
            assert getattr(state.scenario, field) != getattr(before, field), key
            assert state.plan.scenario is state.scenario, key


async def test_undo_and_redo_walk_through_the_questions(started):
    async with started() as pilot:
        state = pilot.app.state
        asked = [state.scenario]
        for key in ("w", "g", "c"):
            await pilot.press(key)
            asked.append(state.scenario)
        for scenario in reversed(asked[:-1]):
            await pilot.press("u")
            assert state.scenario == scenario
        await pilot.press("u")
        assert state.status == "Nothing to undo."
        for scenario in asked[1:]:
            await pilot.press("U")
            assert state.scenario == scenario


async def test_a_key_that_cannot_act_says_why(started):
    async with started() as pilot:
        state = pilot.app.state
        await pilot.press("G")
        assert state.status == "A plan needs one GPU."
        await pilot.press("t")
        assert "second GPU" in state.status
        await pilot.press("C")
        assert state.status == "One sequence is the least."
        await pilot.press("g", "t")
        assert "divides layers" in state.status


async def test_live_memory_changes_the_verdict_without_a_key(started, source, world):
    source.reading = Reading(gpus=(world.card(0, 20.0),))
    async with started() as pilot:
        state = pilot.app.state
        assert state.plan.fits
        pilot.app.post_message(GpusRead(Reading(gpus=(world.card(0, 2.0),))))
        await pilot.pause()
        assert not state.plan.fits
        assert "DOES NOT LAND" in pilot.app.screen.query_one("#header").render_line(1).text


async def test_the_plan_uses_what_is_free_on_the_chosen_cards(started, source, world):
    source.reading = world.two_cards()
    async with started() as pilot:
        state = pilot.app.state
        free = [gpu.free_bytes for gpu in source.reading.gpus]
        assert [gpu.free_bytes for gpu in state.scenario.gpus] == [
            size - size % (64 * 2**20) for size in free
        ]
        await pilot.press("1", "down", "space")
        assert [gpu.index for gpu in state.scenario.gpus] == [0]
        await pilot.press("up", "space")
        assert "needs one GPU" in state.status


async def test_enter_applies_the_price_under_the_cursor(started):
    async with started() as pilot:
        prices = pilot.app.screen.query_one("#prices")
        before = pilot.app.state.scenario
        await pilot.press("enter")
        assert pilot.app.state.scenario == before, "the first row is the plan as it is"
        await pilot.press("down")
        priced = prices.under_cursor()
        await pilot.press("enter")
        assert pilot.app.state.scenario == priced


async def test_a_pinned_plan_shows_changes_with_sign_and_word(started):
    async with started() as pilot:
        await pilot.press("p", "w")
        header = pilot.app.screen.query_one("#header").render_line(1).text
        assert "GiB better" in header
        assert "+" in header
        await pilot.press("W", "c")
        assert "GiB worse" in pilot.app.screen.query_one("#header").render_line(1).text
        await pilot.press("p")
        assert pilot.app.state.baseline == pilot.app.state.plan
        await pilot.press("p")
        assert pilot.app.state.baseline is None


async def test_named_gpus_leave_the_machines_own_out(started, source, world):
    source.reading = world.two_cards()
    async with started(gpu="2x L40S") as pilot:
        state = pilot.app.state
        assert [gpu.name for gpu in state.scenario.gpus] == ["NVIDIA L40S"] * 2
        pilot.app.post_message(GpusRead(Reading(gpus=(world.card(5, 20.0),))))
        await pilot.pause()
        assert [gpu.name for gpu in state.scenario.gpus] == ["NVIDIA L40S"] * 2


async def test_a_driver_that_hangs_is_said_to(make_app, source, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(source, "read", lambda: (answer.wait(20), source.reading)[1])
    monkeypatch.setattr(key_bar, "LATE", 1)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(200):
            await pilot.pause(0.02)
            line = pilot.app.screen.query_one("#status").render_line(0).text
            if "has not answered" in line:
                break
        answer.set()
        assert "the driver has not answered for" in line


async def test_a_window_that_is_too_small_says_so_and_nothing_else(started):
    async with started(size=(80, 24)) as pilot:
        await pilot.resize_terminal(59, 15)
        await pilot.pause(0.1)
        shown = [w.id for w in pilot.app.screen.children if w.display]
        assert shown == ["too-small"]
        await pilot.resize_terminal(60, 16)
        await pilot.pause(0.1)
        assert pilot.app.screen.query_one("#lists").region.height >= 4


async def test_what_the_driver_does_not_tell_is_said_on_the_gpu_screen(started, source, world):
    note = "CUDA_VISIBLE_DEVICES=1 hides 1 of 2 GPUs."
    lost = Problem("GPU lost", "GPU 1 has fallen off the bus.", "Reset it with nvidia-smi -r.")
    source.reading = Reading(gpus=(world.card(0, 20),), problem=lost, notes=(note, "[/x] as it is"))
    async with started((80, 24)) as pilot:
        await pilot.press("1")
        await pilot.pause()
        notes = pilot.app.screen.query_one("#reading-notes")
        assert [line.plain.strip() for line in notes.content_lines(78, 0)] == [
            "GPU 1 has fallen off the bus. Reset it with nvidia-smi -r.",
            note,
            "[/x] as it is",
        ]
        assert "what-if" not in origin(pilot.app.state, 0).plain
        source.reading = Reading(gpus=(world.card(0, 20),))
        await pilot.press("r")
        for _ in range(100):
            await pilot.pause(0.01)
            if not notes.content_lines(78, 0):
                break
        await pilot.pause()
        assert notes.size.height == 0, "no line is lost where there is nothing to say"


async def test_a_second_mig_slice_is_refused_with_the_reason(started, source, world):
    cards = [replace(world.card(0, n), uuid=f"MIG-{n}", mig="1g.10gb") for n in (20, 21)]
    source.reading = Reading(gpus=tuple(cards))
    async with started() as pilot:
        state = pilot.app.state
        assert [gpu.uuid for gpu in state.scenario.gpus] == ["MIG-21"]
        await pilot.press("g")
        assert (len(state.scenario.gpus), state.status) == (1, slices.ALONE)
        await pilot.press("1", "space")
        await pilot.pause()
        assert len(state.scenario.gpus) == 2
        assert slices.ALONE in verdict_line(state.plan, None, 100).plain


async def test_the_balanced_choice_is_taken_with_its_reason(started, world):
    async with started() as pilot:
        state = pilot.app.state
        for key in ("w", "w", "k"):
            await pilot.press(key)
        found = recommend(state.scenario)
        assert found.scenario.weights != state.scenario.weights
        await pilot.press("b")
        await world.settled(pilot)
        assert (state.scenario.weights, state.scenario.kv) == (
            found.scenario.weights,
            found.scenario.kv,
        )
        assert [toast.message for toast in pilot.app._notifications] == [found.reason]
        await pilot.press("u")
        assert state.scenario.weights != found.scenario.weights


HOSTILE = (
    None, "", "   ", "x" * 10_000, "[/x] [bold", "\ufffd\ufffd", "a\nb\tc", "模型 服务器 🚀 👩‍👩‍👧",
    "\x1b[31mred", "'\"`$(rm -rf)", "python", "python -c", "-m", "/", "\\", "::", "e\u0301" * 300,
)  # fmt: skip


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 36)])
async def test_processes_of_any_name_are_listed_with_their_cost(started, source, world, size):
    tenants = tuple(
        GpuProcess(n, None if n % 5 == 4 else (n + 1) * MIB, None if n % 3 else "u" * 40, command)
        for n, command in enumerate(HOSTILE)
    )
    source.reading = Reading(gpus=(world.card(0, 20, tenants), world.card(1, 20)))
    async with started(size) as pilot:
        await pilot.press("1", "tab")
        rows = pilot.app.screen.query_one(ProcessList)
        assert len(rows.processes) == len(HOSTILE)
        for _ in HOSTILE:
            await pilot.press("down")
            lines = rows.content_lines(rows.size.width, rows.size.height)
            assert all(line.cell_length <= rows.size.width for line in lines)
            await pilot.press("enter")
            await pilot.pause()
            assert pilot.app.state.status, "a process that cannot be planned says why"
        text = "\n".join(s.text for s in pilot.app.screen._compositor.render_strips())
        assert text.replace("\n", "").replace("\u200d", "").isprintable()


async def test_keys_held_down_and_a_driver_that_goes_lose_nothing(started, source, world):
    source.reading = world.two_cards()
    gone = Reading(problem=Problem("Driver gone", "The driver was unloaded.", "Load it again."))
    async with started((80, 24)) as pilot:
        state = pilot.app.state
        keys = ["1", "down", "space", "up", "space", "r", "tab", "enter", "escape", "g", "G", "d"]
        keys += ["comma", "right", "left", "down", "right", "escape", "2", "3", "w", "u", "1"]
        for turn in range(3):
            for key in keys:
                pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
            source.reading = gone if turn == 1 else world.two_cards()
            await pilot.press("r")
            await world.settled(pilot)
        assert state.plan is not None
        assert len(state.reading.gpus) == 2
        source.reading = gone
        await pilot.press("e", "T")
        before = state.scenario
        await pilot.press("1", "r")
        for _ in range(100):
            await pilot.pause(0.01)
            if state.reading.problem is not None:
                break
        for key in (
            "down",
            "space",
            "enter",
            "tab",
            "enter",
            "d",
            "x",
            "escape",
            "comma",
            "escape",
        ):
            await pilot.press(key)
        assert state.scenario.model == before.model
        assert state.plan is not None, "the question is answered still"


@pytest.mark.parametrize("width", [80, 140])
def test_a_context_above_the_safe_one_is_said_beside_the_verdict(width):
    asked = Question(engine="vllm", weights="AWQ-4bit-g128", kv="fp8")
    scenario = scenario_of(asked, presets.load("Qwen/Qwen3-32B"), parse_gpus("RTX 4090"))
    for context, said in ((scenario.context, False), (scenario.context + 16, True)):
        plan = evaluate(replace(scenario, context=context))
        assert plan.fits
        line = verdict_line(plan, None, width).plain
        assert (f"above safe {plan.limits.safe_context:,}" in line) == said
        assert f"likely {plan.limits.max_context:,}" in line


async def test_the_header_names_every_way_in_which_a_model_is_divided(started, source, world):
    source.reading = world.two_cards()
    async with started() as pilot:
        scenario = replace(pilot.app.state.scenario, tensor_parallel=2)
        assert division_in_words(scenario) == "TP2"
        piped = replace(scenario, tensor_parallel=1, pipeline_parallel=2)
        assert division_in_words(piped) == "TP1·PP2"
        assert gpus_in_words(scenario.gpus, 40) == "2×RTX 4090"
        assert gpus_in_words(scenario.gpus, 7) == "2×RTX…"
