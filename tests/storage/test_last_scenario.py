"""The last scenario comes back as it was asked, or not at all."""

from __future__ import annotations

import json
import threading
from dataclasses import is_dataclass, replace
from enum import Enum
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.llamacpp.builds import Build
from llm_lander_tui.errors import SourceError, UsageError
from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.fleet import Fleet
from llm_lander_tui.gpus.nvml import NvmlSource
from llm_lander_tui.launch import (
    LaunchOptions,
    first,
    first_scenario,
    gpu_source,
    planned_cards,
    with_draft,
)
from llm_lander_tui.models import sources
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.question import Question, scenario_of
from llm_lander_tui.planner.scenario import Lora
from llm_lander_tui.storage.last_scenario import last_of, load, read, save, written
from llm_lander_tui.storage.settings import Settings
from llm_lander_tui.units import MIB

NAME = "Qwen/Qwen3-8B"
BEFORE_WINDOWS = Build(window_cache=False, padding=(32, 256), default_slots=1)
RESUME = LaunchOptions(resume=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.json"


@pytest.fixture(scope="module")
def model():
    return sources.resolve(NAME)


@pytest.fixture
def fleet():
    return Fleet().adding(catalog.parse_gpus("2x RTX 4090"))


@pytest.fixture
def scenario(model, fleet):
    asked = Question(engine="llama.cpp", context=12345, concurrency=3, margin_bytes=700 * MIB)
    return scenario_of(asked, model, fleet.chosen)


@pytest.mark.parametrize("engine", [engine.id for engine in registry.engines()])
def test_round_trip_on_every_engine(engine, model, fleet, path):
    try:
        scenario = scenario_of(Question(engine=engine, context=4096), model, fleet.chosen)
    except UsageError as error:
        pytest.skip(f"{engine} runs {NAME} in no format: {error}")
    save(last_of(scenario, fleet), path)
    start = first(RESUME, Settings(), load(path))
    assert start.resumed
    cards = planned_cards(start, Fleet())
    again = scenario_of(start.question, model, cards.chosen)
    usual = scenario.engine.default_options
    assert replace(again, options=again.options or usual) == replace(
        scenario, options=scenario.options or usual
    )


def test_cards_that_were_left_out_are_left_out_again(scenario, fleet, path):
    left = fleet.toggled(fleet.cards[0])
    save(last_of(scenario, left), path)
    start = first(RESUME, Settings(), load(path))
    assert planned_cards(start, Fleet()).unused == left.unused


def test_named_cards_stand_in_for_the_real_ones(fleet):
    real = Fleet().read([replace(fleet.cards[0], hypothetical=False, uuid="GPU-0")])
    start = first(LaunchOptions(gpu="2x RTX 4090"), Settings(), None)
    assert [gpu.hypothetical for gpu in planned_cards(start, real).chosen] == [True, True]


def test_a_model_named_on_the_command_line_goes_before_the_last(scenario, fleet):
    last = last_of(scenario, fleet)
    asked = LaunchOptions(model="Qwen/Qwen3-32B", resume=True)
    start = first(asked, Settings(engine="vllm", margin_mib=5), last)
    assert (start.model, start.resumed) == ("Qwen/Qwen3-32B", False)
    assert (start.question.engine, start.question.margin_bytes) == ("vllm", 5 * MIB)


@pytest.mark.parametrize(
    ("source", "name", "asked"),
    [
        ("ollama", "qwen3:8b", "ollama:qwen3:8b"),
        ("ollama", "ollama:qwen3:8b", "ollama:qwen3:8b"),
        ("hub", "org/name", "hub:org/name"),
        ("preset", NAME, NAME),
    ],
)
def test_a_model_is_asked_for_where_it_came_from(scenario, fleet, source, name, asked):
    model = replace(scenario.model, name=name, source=source)
    assert last_of(replace(scenario, model=model), fleet).model == asked


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": 1}', '"x"', "\x00"])
def test_what_cannot_be_read_is_no_last_scenario(path, text):
    assert load(path) is None
    path.write_text(text)
    assert load(path) is None


def test_an_engine_or_option_that_is_gone_is_no_last_scenario(scenario, fleet, path):
    save(last_of(scenario, fleet), path)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"engine": "gone"}))
    assert load(path) is None


@pytest.mark.parametrize("engine", registry.engines(), ids=lambda engine: engine.id)
def test_options_survive_a_file(engine, scenario, fleet, path):
    usual = engine.default_options
    for option in engine.options:
        for value in option.steps:
            asked = replace(usual, **{option.name: value})
            if not isinstance(value, str | int | float | Enum | None):
                continue
            save(last_of(replace(scenario, engine=engine, options=asked), fleet), path)
            assert load(path).question().options == asked, (option.name, value)


def values(kind: object) -> st.SearchStrategy[object]:
    """Any value of a type that options use."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple and Ellipsis in arguments:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if is_dataclass(kind):
        return st.builds(kind, **{k: values(v) for k, v in get_type_hints(kind).items()})
    if kind is float:
        return st.floats(allow_nan=False)
    return st.from_type(kind)


@pytest.mark.parametrize("engine", registry.engines(), ids=lambda engine: engine.id)
@given(data=st.data())
def test_any_options_of_any_engine_survive_json(engine, data):
    kind = type(engine.default_options)
    options = data.draw(values(kind))
    assert read(json.loads(json.dumps(written(options))), kind) == options


@pytest.mark.parametrize("kept", [{"ubatch": "many"}, {"build": 3}, {"split_mode": "sideways"}, 7])
def test_options_of_another_type_are_no_last_scenario(scenario, fleet, path, kept):
    save(last_of(scenario, fleet), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"options": kept}))
    assert load(path) is None


@pytest.mark.parametrize(
    ("engine", "changed"),
    [
        ("llama.cpp", {"build": BEFORE_WINDOWS, "ubatch": 1024}),
        ("vllm", {"data_parallel": 2, "speculative_tokens": 3}),
        ("sglang", {"data_parallel": 2}),
        ("transformers", {}),
    ],
)
def test_the_whole_scenario_comes_back(model, path, engine, changed):
    fleet = Fleet().adding(catalog.parse_gpus("4x RTX 4090"))
    draft = sources.resolve("Qwen/Qwen3-0.6B")
    scenario = scenario_of(Question(engine=engine, context=4096), model, fleet.chosen)
    options = replace(scenario.engine.default_options, **changed)
    scenario = moves.with_options(scenario, options)
    scenario = replace(scenario, lora=Lora(4, 32), draft=draft)
    save(last_of(scenario, fleet), path)
    start = first(RESUME, Settings(), load(path))
    start = with_draft(start, lambda name, *_: {draft.name: draft}[name], threading.Event())
    again = scenario_of(start.question, model, planned_cards(start, Fleet()).chosen)
    assert again == scenario


def test_a_draft_model_that_is_gone_is_left_out(scenario, fleet, path):
    def gone(*_: object):
        raise SourceError("Gone", "It is not there any more.")

    save(last_of(replace(scenario, draft=scenario.model), fleet), path)
    start = first(RESUME, Settings(), load(path))
    assert start.draft == NAME
    assert with_draft(start, gone, threading.Event()).question.draft is None


def test_a_division_by_hand_survives_a_file(scenario, fleet, path):
    asked = replace(scenario.engine.default_options, tensor_split=(3.0, 1.0))
    save(last_of(replace(scenario, options=asked), fleet), path)
    assert load(path).question().options == asked


def test_options_of_another_version_fall_back_to_the_defaults(scenario, fleet, path):
    save(last_of(scenario, fleet), path)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"options": {"gone": 7}}))
    found = load(path).question().options
    assert found == scenario.engine.default_options


def test_a_card_that_the_catalogue_lost_is_a_usage_error(scenario, fleet):
    last = replace(last_of(scenario, fleet), what_if=("RTX 9999",))
    start = first(RESUME, Settings(), last)
    with pytest.raises(UsageError):
        planned_cards(start, Fleet())


def test_the_usual_place_follows_the_system(monkeypatch, tmp_path, scenario, fleet):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    save(last_of(scenario, fleet))
    assert load() == last_of(scenario, fleet)
    assert list(tmp_path.rglob("last.json"))


def test_a_question_that_cannot_be_asked_gives_way_to_one_that_can(model, fleet):
    scenario, why = first_scenario(Question(engine="no such engine"), model, fleet.chosen)
    assert scenario.model is model
    assert "no such engine" in why


def test_where_readings_come_from():
    assert len(gpu_source(LaunchOptions(demo=True)).read().gpus) == 8
    assert isinstance(gpu_source(LaunchOptions()), NvmlSource)


def test_no_engine_at_all_is_said(model, fleet, monkeypatch):
    monkeypatch.setattr(registry, "engines", lambda: ())
    with pytest.raises(SourceError) as caught:
        first_scenario(Question(engine="gone"), model, fleet.chosen)
    assert NAME in caught.value.message
