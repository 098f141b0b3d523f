"""The statistics and the tables of the accuracy report."""

from __future__ import annotations

import json
from dataclasses import replace

from llm_lander_tui.accuracy.outcomes import Outcome, percentile, points, summary
from llm_lander_tui.accuracy.records import Comparison, Skipped
from llm_lander_tui.accuracy.report import json_lines, release, text_report


def outcome(number: int, result, source="https://example.org/a", engine="vllm", asked=True):
    return Outcome(
        f"r-{number}", engine, "0.11.2", f"model-{number}", "llama", source, asked, result
    )


def measured(error: float, quantity: str = "weights_per_gpu"):
    return (Comparison(quantity, 1000.0, 1000.0 * (1 + error)),)


def test_the_error_is_predicted_over_measured_less_one():
    assert Comparison("q", 200.0, 210.0).error == 210 / 200 - 1
    assert Comparison("q", 0.0, 0.0).error == 0
    assert Comparison("q", 0.0, 1.0).error == float("inf")


def test_a_sweep_counts_once_among_the_sources():
    sweep = [outcome(i, measured(0.10)) for i in range(9)]
    other = [outcome(9, measured(-0.02), "https://example.org/b")]
    found = summary(points([*sweep, *other]))
    assert (found.records, found.sources) == (10, 2)
    assert round(found.signed, 6) == round(found.middle, 6) == 0.1
    assert round(found.source_middle, 6) == 0.06  # of 0.10 and 0.02
    assert round(found.source_p90, 6) == 0.1
    assert found.worst.outcome.id == "r-0"


def test_the_signed_median_keeps_its_sign():
    found = summary(points([outcome(0, measured(-0.05)), outcome(1, measured(-0.03))]))
    assert round(found.signed, 6) == -0.04
    assert round(found.middle, 6) == 0.04


def test_the_percentile_is_a_value_that_was_seen():
    assert percentile(list(range(1, 11)), 90) == 9
    assert percentile([3.0], 90) == 3.0


def test_versions_are_grouped_by_minor_release_or_thousand_builds():
    assert release("0.11.2") == "0.11"
    assert release("b5466") == "b5xxx"
    assert release("transformers 4.38.2, torch 2.1.2") == "4.38"
    assert release("") == "not stated"


def test_the_report_counts_what_was_left_out_and_why():
    text = text_report(
        [
            outcome(0, measured(0.01)),
            outcome(1, Skipped("no config of the model")),
            outcome(2, Skipped("no usable quantity"), asked=False),
        ]
    )
    assert "2 records of 1 sources: 1 predicted (50.0%), 1 left out; 1 more" in text
    assert "     1  no config of the model (vllm 1: r-1)" in text
    assert "no usable quantity" not in text


def test_the_report_fits_a_hundred_columns_and_names_the_worst():
    long = "https://example.org/" + "x" * 200
    text = text_report([outcome(i, measured(i / 100), long) for i in range(12)])
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "worst +11.0% r-11 example.org/xxx" in text
    for title in ("engine and quantity", "quantity", "model family", "version"):
        assert f"by {title} " in text


def test_an_empty_set_is_reported_too():
    assert "0 records of 0 sources: 0 predicted (none)" in text_report([])


def test_json_has_one_object_a_quantity_or_skipped_record():
    lines = [
        json.loads(line)
        for line in json_lines(
            [
                outcome(0, (*measured(0.5), *measured(0.25, "kv_bytes_per_token"))),
                outcome(1, Skipped("no config of the model")),
                outcome(2, (Comparison("q", 0.0, 1.0),)),
            ]
        )
    ]
    assert lines[0] == {
        "id": "r-0",
        "engine": "vllm",
        "model": "model-0",
        "quantity": "weights_per_gpu",
        "measured": 1000.0,
        "predicted": 1500.0,
        "error": 0.5,
        "source": "https://example.org/a",
    }
    assert lines[1]["quantity"] == "kv_bytes_per_token"
    assert lines[2] == {"id": "r-1", "skipped": "no config of the model"}
    assert lines[3]["error"] is None


def doubtful(error: float, quantity: str = "weights_per_gpu", **more):
    return (replace(measured(error, quantity)[0], **more),)


def test_every_figure_beyond_its_bound_is_listed_with_what_is_known():
    inside = outcome(0, doubtful(0.029, doubts=("version not stated",)))
    beyond = outcome(1, doubtful(-0.04, doubts=("version not stated",)))
    unknown = outcome(2, doubtful(0.05))
    text = text_report([inside, beyond, unknown])
    assert "weights_per_gpu, more than 3.00%: 2 of 3" in text
    listed = text.partition("beyond what is promised")[2]
    assert "r-0" not in listed
    # The farthest first; measured and predicted in the quantity's unit; the source; the reason.
    assert listed.index("+5.00% r-2") < listed.index("-4.00% r-1")
    assert "r-1: vllm 0.11.2, model-1: 1000 B, predicted 960 B" in listed
    assert "example.org/a" in listed
    assert "version not stated" in listed
    assert "no reason known" in listed


def test_a_figure_tells_how_coarse_it_is_and_what_the_plan_said_of_it():
    coarse = outcome(0, doubtful(0.04, rounding=0.02))
    fine = outcome(1, doubtful(0.04, rounding=0.001))
    spread = outcome(2, doubtful(0.4, "cudagraph", spread=0.5))
    text = text_report([coarse, fine, spread])
    assert text.count("the log rounds it to ±2.00%") == 1
    assert "within the ±50.0% that the plan states" in text


def test_golden_answers_are_held_to_equality():
    golden = {"golden": True, "source": "vllm"}
    same = replace(outcome(0, (Comparison("num_blocks", 100.0, 101.0),)), **golden)
    other = replace(outcome(1, (Comparison("num_blocks", 100.0, 102.0),)), **golden)
    size = replace(outcome(2, (Comparison("model_buffers", 1e6, 1.0005e6),)), **golden)
    text = text_report([same, other, size])
    assert "num_blocks, more than 0.00%: 1 of 2" in text
    assert "+2.00% r-1: vllm 0.11.2, model-1: 100 blocks, predicted 102 blocks" in text
    assert "model_buffers, more" not in text


def test_without_exceptions_nothing_is_said_of_them():
    assert "beyond" not in text_report([outcome(0, measured(0.001))])


def test_a_hundred_columns_hold_the_exceptions_too():
    long = "https://example.org/" + "x" * 200
    words = " ".join(["word"] * 100)
    found = [outcome(i, doubtful(0.5, doubts=(words,)), long) for i in range(3)]
    assert all(len(line) <= 100 for line in text_report(found).splitlines())


def test_repeated_records_are_told():
    assert "2 records stand there twice" in text_report([outcome(0, measured(0.0))], repeated=2)
