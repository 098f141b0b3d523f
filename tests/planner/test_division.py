"""Where no degrees are asked for, cards are divided as the engine accepts it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory import recipes
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.changes import changes
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.question import Question, scenario_of


def cards(count: int):
    return parse_gpus(f"{count}x RTX 4090")


# The model has 32 heads of attention and 8 of KV: degrees 1, 2, 4, 8, 16 and 32 divide both.
@pytest.mark.parametrize(
    ("engine", "count", "degrees"),
    [
        ("vllm", 1, (1, 1)),
        ("vllm", 2, (2, 1)),
        ("vllm", 3, (1, 3)),
        ("vllm", 4, (4, 1)),
        ("vllm", 6, (2, 3)),
        ("vllm", 7, (1, 7)),
        ("vllm", 8, (8, 1)),
        ("sglang", 12, (4, 3)),
        ("tgi", 3, (2, 1)),  # no pipeline stages: one card stays unused
        ("lmdeploy", 7, (4, 1)),
        ("llama.cpp", 3, (1, 1)),
    ],
)
def test_all_cards_are_used_where_the_engine_can(model, engine, count, degrees):
    scenario = scenario_of(Question(engine=engine), model, cards(count))
    assert (scenario.tensor_parallel, scenario.pipeline_parallel) == degrees
    plan = evaluate(scenario)
    assert plan.fits
    unused = count - scenario.tensor_parallel * scenario.pipeline_parallel
    said = [note for note in plan.notes if "stay unused" in note]
    assert bool(said) == (engine != "llama.cpp" and unused > 0)


@pytest.mark.parametrize("engine", [e for e in registry.engines() if e.tensor_parallel], ids=str)
@pytest.mark.parametrize("count", range(1, 9))
def test_a_card_more_never_keeps_an_engine_from_starting(model, engine, count):
    alone = moves.start(model, engine, cards(1))
    grown = moves.with_gpus(alone, cards(count))
    assert evaluate(grown).problems == evaluate(alone).problems == ()


def test_one_more_card_is_priced_in_a_division_that_starts(model):
    # 2 cards hold 16 GiB of BF16 in 2 x 0.92 x 24 GiB; 3 cards do too, as pipeline stages.
    scenario = scenario_of(Question(engine="vllm", weights="BF16"), model, cards(2))
    (more,) = (c for c in changes(evaluate(scenario)) if len(c.scenario.gpus) == 3)
    assert more.fits
    assert more.context_delta > 0
    assert (more.scenario.tensor_parallel, more.scenario.pipeline_parallel) == (1, 3)


def test_degrees_that_are_asked_for_are_refused_rather_than_changed(model):
    scenario = scenario_of(Question(engine="vllm", tensor_parallel=3), model, cards(3))
    assert scenario.tensor_parallel == 3
    assert "32 attention heads do not divide over 3 GPUs" in evaluate(scenario).problems[0]


def test_a_server_that_takes_every_card_is_not_divided_anew(model):
    question = parse_command("text-generation-launcher --model-id plain/8B").question
    scenario = scenario_of(replace(question, weights="BF16"), model, cards(3))
    assert scenario.tensor_parallel == 3
    assert evaluate(scenario).problems


def test_a_format_that_the_cards_do_not_run_leaves_the_division_to_the_next(model):
    # TensorRT-LLM runs NVFP4 on compute capability 10.0 and newer alone; FP8 on these.
    scenario = scenario_of(Question(engine="tensorrt-llm", weights="NVFP4"), model, cards(3))
    (problem,) = evaluate(scenario).problems
    assert "compute capability" in problem
    assert evaluate(replace(scenario, weights=recipes.get("FP8"))).fits


def test_pipeline_stages_are_kept_where_they_go_with_the_cards(model):
    asked = Question(engine="vllm", tensor_parallel=2, pipeline_parallel=2)
    scenario = scenario_of(asked, model, cards(4))
    grown = moves.with_gpus(scenario, cards(8))
    assert (grown.tensor_parallel, grown.pipeline_parallel) == (4, 2)
    tgi = moves.with_engine(grown, registry.get("tgi"))
    assert (tgi.tensor_parallel, tgi.pipeline_parallel) == (8, 1)
