"""The map and the chart: what they say before and after their figures are worked out."""

from __future__ import annotations

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.models import presets
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.widgets.chart import Chart, curves_of
from llm_lander_tui.widgets.format_table import FormatTable
from llm_lander_tui.widgets.heat_map import HeatMap, heat_around
from llm_lander_tui.widgets.prices import Prices


def text(widget, width: int = 110) -> str:
    return "\n".join(line.plain for line in widget.content_lines(width, 16))


@pytest.fixture
def llama_plan(monkeypatch):
    """Qwen3-8B on a RTX 4090 by llama.cpp itself."""
    monkeypatch.undo()
    llama = registry.get("llama.cpp")
    return evaluate(moves.start(presets.load("Qwen/Qwen3-8B"), llama, parse_gpus("RTX 4090"), 8.5))


def test_views_say_that_they_are_being_worked_out():
    assert "working out the map" in HeatMap().headings(80)[0].plain
    assert "working out the curves" in text(Chart())


def test_the_map_ends_where_the_engine_and_the_model_end(llama_plan):
    found = heat_around(llama_plan.scenario, 12, 20)
    assert found.loads[-1] <= 256
    view = HeatMap()
    view.plan, view.contexts, view.loads = llama_plan, found.contexts, found.loads
    view.fills = found.fills
    _, legend, contexts = (line.plain for line in view.headings(110))
    assert "llama.cpp serves 256 at most" in legend
    assert contexts.endswith("≤40k")
    assert contexts.startswith("seqs ↓")


async def test_the_map_reads_out_what_the_load_under_the_cursor_needs(started, world):
    async with started() as pilot:
        await pilot.press("v")
        await world.settled(pilot)
        view = pilot.app.screen.query_one(HeatMap)
        plan = pilot.app.state.plan
        device = plan.devices[0]
        now = view.headings(110)[0].plain
        assert now.startswith("×1 of 8,192 tokens: ")
        assert "lands" in now
        await pilot.press("down", "right")
        beyond = view.headings(110)[0].plain
        assert beyond.startswith("×2 of 16,384 tokens: ")
        fill = view.fills[view.cursor][view.column]
        assert fill.budget == device.budget.bytes
        assert fill.needed > device.needed_bytes
        await pilot.press("enter")
        asked = pilot.app.state.scenario
        assert (asked.context, asked.concurrency) == (16384, 2)


async def test_the_chart_reads_out_every_curve_and_names_it(started, world):
    async with started(size=(80, 24)) as pilot:
        await pilot.press("v")
        await world.settled(pilot)
        chart = pilot.app.screen.query_one(Chart)
        await pilot.press("right")
        shown = text(chart, 76)
        for label in chart.known.labels:
            assert shown.count(label) >= 2, "once in the read-out, once at its curve"
        assert "…" not in shown, "the read-out takes as many lines as it needs"
        before = chart.known.longest
        await pilot.press("plus")
        await world.settled(pilot)
        assert chart.known.longest < before
        await pilot.press("s")
        await world.settled(pilot)
        assert chart.known.labels[0] == pilot.app.state.scenario.kv.name


def test_kv_curves_are_of_different_sizes(llama_plan):
    curves = curves_of(llama_plan.scenario, 40960, by_kv=True)
    assert curves.labels == ("f16", "q8_0", "q4_0")
    needs = [one.points[-1][1] for one in curves.curves]
    assert needs == sorted(needs, reverse=True)
    assert len(set(needs)) == len(needs)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 36)], ids=str)
async def test_both_lists_are_in_view(started, size):
    async with started(size=size) as pilot:
        await pilot.pause(0.1)
        for rows in (FormatTable, Prices):
            region = pilot.app.screen.query_one(rows).region
            assert region.width > 0
            assert region.right <= size[0], rows
