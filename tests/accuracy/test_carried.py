"""The promise on the records that the project carries: what the issue of accuracy asks for."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest

from llm_lander_tui.accuracy import command
from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.outcomes import Outcome, Point, percentile, points, summary
from llm_lander_tui.accuracy.reading import carried_files, read_records


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    model_of = ConfigLibrary()
    return [
        command.outcome(record, model_of)
        for path in carried_files()
        for record in read_records(path)
    ]


@pytest.fixture(scope="module")
def of(outcomes) -> Callable[..., list[Point]]:
    found = points(outcomes)

    def chosen(quantity: str, engine: str = "") -> list[Point]:
        return [
            p for p in found if p.comparison.quantity == quantity and engine in p.outcome.engine
        ]

    return chosen


def worst_share(group: list[Point], bound: float) -> float:
    return sum(abs(p.error) > bound for p in group) / len(group)


def test_weights_per_gpu(of):
    errors = sorted(abs(p.error) for p in of("weights_per_gpu"))
    assert len(errors) > 50
    assert median(errors) <= 0.005
    assert percentile(errors, 90) <= 0.03


def test_model_buffers_of_logs(of):
    errors = sorted(abs(p.error) for p in of("model_buffers"))
    assert median(errors) <= 0.005
    assert percentile(errors, 90) <= 0.02


def test_kv_bytes_per_token(of):
    assert worst_share(of("kv_bytes_per_token") + of("kv_buffers"), 0.005) <= 0.05


@pytest.mark.parametrize("engine", ["transformers", "AutoAWQ", "litgpt", "lmdeploy"])
def test_process_totals_of_the_other_engines(of, engine):
    found = summary(of("process_total", engine))
    assert found.middle <= 0.04
    assert found.source_middle <= 0.04
    assert found.p90 <= 0.10


def test_file_sizes(of):
    assert max(abs(p.error) for p in of("file_size")) <= 0.01


def test_few_records_are_left_out(outcomes):
    predicted = sum(isinstance(o.result, tuple) for o in outcomes)
    assert predicted >= 0.95 * len(outcomes)
