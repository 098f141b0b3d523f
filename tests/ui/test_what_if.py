"""Keys pressed on the running app, read from its state."""

from __future__ import annotations


async def test_starts_on_a_what_if_gpu_without_a_driver(started):
    async with started() as pilot:
        state = pilot.app.state
        assert state.reading.problem.title == "No NVIDIA driver"
        assert [gpu.name for gpu in state.scenario.gpus] == ["NVIDIA GeForce RTX 4090"]
        assert state.scenario.gpus[0].hypothetical
        assert state.plan.fits


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


async def test_the_screens_open_by_number_and_keep_the_header(started):
    async with started() as pilot:
        for key, mode in (("1", "gpus"), ("2", "model"), ("3", "fit")):
            await pilot.press(key)
            await pilot.pause()
            assert pilot.app.current_mode == mode
            header = pilot.app.screen.query_one("#header")
            assert "LANDS" in header.render_line(1).text


async def test_live_memory_changes_the_verdict_without_a_key(started, source, make_card):
    from llm_lander_tui.gpus.gpu import Reading
    from llm_lander_tui.messages import GpusRead

    source.reading = Reading(gpus=(make_card(0, 20.0),))
    async with started(model="Qwen/Qwen3-8B") as pilot:
        state = pilot.app.state
        assert state.plan.fits
        pilot.app.post_message(GpusRead(Reading(gpus=(make_card(0, 2.0),))))
        await pilot.pause()
        assert not state.plan.fits
        assert "DOES NOT LAND" in pilot.app.screen.query_one("#header").render_line(1).text
