"""Start-up logs of vLLM, predicted from their launch options."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.records import Comparison, Skipped
from llm_lander_tui.accuracy.vllm import predict
from llm_lander_tui.errors import LanderError

DATA = Path(__file__).parents[1] / "data" / "vllm_logs.json"
LIBRARY = ConfigLibrary()


def records() -> list[dict[str, object]]:
    return json.loads(DATA.read_text("utf-8"))["records"]


def record(name: str) -> dict[str, object]:
    return next(r for r in records() if r["id"] == name)


@pytest.fixture(scope="module")
def compared() -> dict[str, list[tuple[str, str, Comparison]]]:
    """(id, source, comparison) by quantity; records without a config at hand are left out."""
    found = defaultdict(list)
    for r in records():
        try:
            result = predict(r, LIBRARY)
        except LanderError:
            continue
        if isinstance(result, Skipped):
            continue
        for c in result:
            found[c.quantity].append((r["id"], r["source"], c))
    return found


def errors(found: list[tuple[str, str, Comparison]]) -> list[float]:
    return sorted(abs(c.error) for _, _, c in found)


def ninetieth(values: list[float]) -> float:
    return values[min(len(values) - 1, round(0.9 * (len(values) - 1)))]


def test_nine_of_ten_records_are_predicted(compared) -> None:
    predicted = {name for rows in compared.values() for name, _, _ in rows}
    assert len(predicted) >= 0.9 * len(records())


@pytest.mark.parametrize(
    ("quantity", "middle", "most"),
    [
        ("weights_per_gpu", 0.005, 0.03),
        ("kv_capacity_tokens", 0.04, 0.15),
        ("available_kv", 0.02, 0.10),
        ("activation_peak", 0.02, 0.08),
        ("max_model_len", 0.005, 0.02),
    ],
)
def test_error_by_quantity(compared, quantity: str, middle: float, most: float) -> None:
    found = errors(compared[quantity])
    assert median(found) <= middle
    assert ninetieth(found) <= most


def test_bytes_per_token(compared) -> None:
    rows = compared["kv_bytes_per_token"]
    close = [name for name, _, c in rows if abs(c.error) <= 0.005]
    assert len(close) >= 0.95 * len(rows), sorted({n for n, _, _ in rows} - set(close))


def test_no_source_carries_the_result(compared) -> None:
    """The medians hold with any one source left out, which is what the constants were fitted on."""
    for quantity, middle in (("weights_per_gpu", 0.005), ("activation_peak", 0.03)):
        rows = compared[quantity]
        for source in {source for _, source, _ in rows}:
            rest = [row for row in rows if row[1] != source]
            assert median(errors(rest)) <= middle, (quantity, source)


def test_a_log_term_by_term() -> None:
    """Llama-3.1-8B on an H100 with 0.19: 75.23 = 14.99 + 1.89 + 0.25 + 58.11 GiB."""
    found = {c.quantity: c for c in predict(record("vllm-036"), LIBRARY)}
    assert found["weights_per_gpu"].predicted / 2**30 == pytest.approx(14.99, abs=0.01)
    assert found["activation_peak"].predicted / 2**30 == pytest.approx(1.89, abs=0.02)
    assert found["available_kv"].predicted / 2**30 == pytest.approx(58.11, abs=0.05)
    assert found["kv_capacity_tokens"].predicted == pytest.approx(476_016, rel=0.001)


def test_what_a_log_does_not_say_is_skipped() -> None:
    assert predict({"id": "a"}, LIBRARY) == Skipped("no config of the model")
    silent = {"config": "Qwen__Qwen3-8B", "usable": []}
    assert predict(silent, LIBRARY) == Skipped("no usable quantity")
    foreign = {"config": "Qwen__Qwen3-8B", "usable": ["file_size"], "measured": {}}
    assert isinstance(predict(foreign, LIBRARY), Skipped)


def test_an_unknown_config_is_a_typed_error() -> None:
    with pytest.raises(LanderError):
        predict({"config": "nobody__nothing", "usable": ["weights_per_gpu"]}, LIBRARY)


@pytest.mark.parametrize(
    "field",
    ["measured", "tp", "gpu_name", "gpu_total_gib", "max_model_len", "max_num_seqs", "usable"],
)
@pytest.mark.parametrize("value", [None, "text", [], {}, True, -1, 1e300, float("nan")])
def test_broken_fields_end_in_an_answer(field: str, value: object) -> None:
    try:
        result = predict({**record("vllm-036"), field: value}, LIBRARY)
    except LanderError:
        return
    assert isinstance(result, Skipped | list)
