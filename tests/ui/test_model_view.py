"""The model screen: figures that are cut say something else than they mean."""

from __future__ import annotations

import pytest

from llm_lander_tui.widgets.model_view import ModelView

SIZES = [(60, 16), (80, 24), (100, 30), (120, 36)]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_figures_and_their_reasons_are_never_cut(started, world, size):
    async with started(size=size, model="Qwen/Qwen3-32B") as pilot:
        await pilot.press("2")
        await world.settled(pilot)
        view = pilot.app.screen.query_one(ModelView)
        width = size[0] - 2
        lines = [line.plain for line in view.content_lines(width, size[1])]
        text = "\n".join(lines)
        # 64 layers x 2 x 8 KV heads x 128 x 2 bytes.
        assert "262,144 B" in text
        assert "40,960" in text
        assert "max_position_embeddings" in text
        assert all(len(line) <= width for line in lines), "nothing is beyond the edge"
        parts = lines[lines.index(next(s for s in lines if s.startswith("parameters by part"))) :]
        assert not any("…" in line for line in parts)
