"""Against exact answers of llama.cpp's own allocator, carried with their source."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.llamacpp import predict
from llm_lander_tui.accuracy.records import Comparison

DATA = json.loads(
    (Path(__file__).parents[1] / "data" / "llamacpp_allocations.json").read_text("utf-8")
)
LIBRARY = ConfigLibrary()
MEASURES = ("model", "context", "compute")


def record(row: list) -> dict[str, object]:
    _, config, changed, held = row
    sizes = {name: dict(zip(MEASURES, values, strict=True)) for name, values in held.items()}
    return {**DATA["defaults"], **changed, "config": config, "bytes": sizes}


@pytest.fixture(scope="module", params=[0, 1], ids=["golden", "families"])
def compared(request: pytest.FixtureRequest) -> dict[str, list[Comparison]]:
    found = defaultdict(list)
    for row in DATA["records"]:
        if row[0] == request.param:
            for comparison in predict(record(row), LIBRARY):
                found[comparison.quantity].append(comparison)
    return found


def within(compared: list[Comparison], limit: float) -> float:
    return sum(abs(c.error) <= limit for c in compared) / len(compared)


def test_every_record_is_answered(compared) -> None:
    assert {q: len(found) for q, found in compared.items()}.keys() == {
        "model_buffers",
        "kv_buffers",
        "compute_buffers",
    }
    assert len(compared["compute_buffers"]) > 400


def test_context_bytes_are_equal(compared) -> None:
    assert within(compared["kv_buffers"], 0) >= 0.999


def test_model_bytes_agree_with_partial_offload_experts_on_the_cpu_and_several_gpus(
    compared,
) -> None:
    assert within(compared["model_buffers"], 0.001) == 1


def test_compute_buffers_agree_within_one_per_cent(compared) -> None:
    assert within(compared["compute_buffers"], 0.01) >= 0.96


def test_golden_compute_buffers_are_all_within_a_thousandth() -> None:
    golden = [row for row in DATA["records"] if row[0] == 0]
    errors = [
        abs(c.error)
        for row in golden
        for c in predict(record(row), LIBRARY)
        if c.quantity == "compute_buffers"
    ]
    assert len(golden) == 351
    assert max(errors) < 0.001
