"""`llm-lander accuracy`: files in, report out, whatever the records hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.accuracy import command, llamacpp, other, reading, vllm
from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.records import Skipped
from llm_lander_tui.errors import SourceError, UsageError

GOLDEN = {
    "id": "g-1",
    "config": "meta-llama__Llama-3.1-8B-Instruct",
    "tp": 1,
    "kv_format": "bf16",
    "available_kv_bytes": 10 * 1024**3,
    "max_model_len": 8192,
    "max_num_batched_tokens": 2048,
    "async_scheduling": False,
    "num_blocks": 5120,
    "capacity_tokens": 81920,
}
SGLANG = {
    "id": "s-1",
    "source": "https://example.org/log",
    "engine": "sglang",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "config": "meta-llama__Llama-3.1-8B-Instruct",
    "config_match": "exact",
    "weight_format": "bf16",
    "kv_format": "bf16",
    "n_gpus": 1,
    "tp": 1,
    "measured": {"k_gib": 2.33, "v_gib": 2.33, "kv_tokens": 38141},
    "usable": ["kv_bytes_per_token"],
}


def write(path: Path, *records: object) -> str:
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return str(path)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_records_find_their_predictor_by_their_fields():
    assert command.predictor_of(GOLDEN) is vllm.predict
    assert command.predictor_of({"bytes": {}, "n_ctx": 4096}) is llamacpp.predict
    assert command.predictor_of({"engine": "vllm", "usable": []}) is vllm.predict
    assert command.predictor_of({"engine": "koboldcpp", "ngl": None}) is llamacpp.predict
    # The other engines' set has llama.cpp files too, without llama.cpp's options.
    assert command.predictor_of({"engine": "llama.cpp", "tp": None}) is other.predict
    assert command.predictor_of({}) is None


def test_the_error_of_each_quantity_comes_out(tmp_path, capsys):
    assert command.run([write(tmp_path / "a.jsonl", GOLDEN, SGLANG)], as_json=True) == 0
    blocks, tokens, row = lines(capsys)
    # 10 GiB / (16 tokens x 128 KiB) = 5,120 blocks.
    assert (blocks["quantity"], blocks["predicted"]) == ("num_blocks", 5120)
    assert (tokens["quantity"], tokens["error"]) == ("capacity_tokens", 0.0)
    assert row["engine"] == "sglang"
    assert row["predicted"] == 131072
    assert abs(row["error"]) < 0.001


def test_an_engine_can_be_asked_for_alone(tmp_path, capsys):
    path = write(tmp_path / "a.jsonl", GOLDEN, SGLANG)
    command.run([path], engine="SGLang", as_json=True)
    assert [line["id"] for line in lines(capsys)] == ["s-1"]
    litgpt = write(tmp_path / "b.jsonl", SGLANG | {"engine": "litgpt generate"})
    command.run([litgpt], engine="pytorch", as_json=True)
    assert len(lines(capsys)) == 1
    with pytest.raises(UsageError, match="no record is of one"):
        command.run([path], engine="nonesuch")
    with pytest.raises(UsageError) as raised:
        command.run([path], engine="")
    assert "llama.cpp, vllm" in raised.value.remedy
    assert "sglang, vllm" in raised.value.remedy
    with pytest.raises(UsageError, match="they are of sglang, vllm"):
        command.run([path], engine="tgi")


def test_directories_of_configs_come_before_the_presets(tmp_path, capsys):
    config = {
        "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 2, "vocab_size": 1000,
        "num_attention_heads": 8, "num_key_value_heads": 8, "intermediate_size": 2048,
    }  # fmt: skip
    write(tmp_path / "meta-llama__Llama-3.1-8B-Instruct.json", config)
    path = write(tmp_path / "a.jsonl", SGLANG)
    command.run([path], configs=[str(tmp_path)], as_json=True)
    (row,) = lines(capsys)
    assert row["predicted"] == 2 * 8 * 128 * 2 * 2


def test_an_unknown_config_is_a_reason(tmp_path, capsys):
    path = write(tmp_path / "a.jsonl", SGLANG | {"config": "nobody__nothing"})
    command.run([path], as_json=True)
    (row,) = lines(capsys)
    assert row["id"] == "s-1"
    assert "nobody/nothing" in row["skipped"]


def test_broken_lines_and_records_never_end_the_run(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{not json\n\n[1]\n"text"\n'
        + json.dumps(SGLANG | {"measured": "none", "tp": "two", "context": {}})
        + "\n"
        + json.dumps({"id": 7, "engine": ["x"], "usable": 3})
        + "\n"
        + json.dumps(SGLANG)
        + "\n",
        encoding="utf-8",
    )
    assert command.run([str(path)], as_json=True) == 0
    found = lines(capsys)
    assert [row["id"] for row in found[:3]] == ["a.jsonl:1", "a.jsonl:3", "a.jsonl:4"]
    assert all("skipped" in row for row in found[:-1])
    assert found[-1]["quantity"] == "kv_bytes_per_token"
    command.run([str(path)])
    text = capsys.readouterr().out
    assert "1  the line is not JSON (Expecting property name enclosed in double quotes)" in text
    assert "2  the line is JSON, but no object (unknown 2: a.jsonl:3, a.jsonl:4)" in text


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    base=st.sampled_from([GOLDEN, SGLANG]),
    key=st.sampled_from(sorted({*GOLDEN, *SGLANG, "bytes", "ngl", "gpu_name", "options"})),
    value=json_values,
)
def test_any_field_may_hold_anything(base, key, value):
    found = command.outcome(base | {key: value}, ConfigLibrary())
    assert isinstance(found.result, Skipped | tuple)


@pytest.mark.parametrize("name", ["n_gpus", "tp"])
@pytest.mark.parametrize("value", [10**7, 1025, -1])
def test_a_slip_in_the_number_of_gpus_is_a_reason(name, value):
    found = command.outcome(SGLANG | {name: value}, ConfigLibrary())
    assert found.result == Skipped("its number of GPUs is none that can be planned")


@pytest.mark.parametrize("name", ["frobnicator 2", "", None, 7])
@pytest.mark.parametrize("more", [{}, {"ngl": 33}])
def test_an_unknown_engine_is_a_reason(name, more):
    record = SGLANG | {"engine": name} | more
    found = command.outcome(record, ConfigLibrary()).result
    wanted = "unknown engine 'frobnicator 2'" if name == "frobnicator 2" else "no engine is stated"
    assert found == Skipped(wanted)


@pytest.mark.parametrize("name", ["llamafile 0.9", "Ollama", "koboldcpp", "LM Studio", "llama-box"])
def test_kin_of_llamacpp_is_predicted_as_it(name):
    assert command.predictor_of({"engine": name, "ngl": None}) is llamacpp.predict


def test_a_record_without_an_id_is_named_by_its_line(tmp_path, capsys):
    nameless = {key: value for key, value in SGLANG.items() if key != "id"}
    path = write(tmp_path / "a.jsonl", SGLANG, nameless)
    command.run([path], as_json=True)
    assert [row["id"] for row in lines(capsys)] == ["s-1", "a.jsonl:2"]


def test_the_same_record_counts_once(tmp_path, capsys):
    path = write(tmp_path / "a.jsonl", SGLANG, GOLDEN, SGLANG)
    command.run([path, path], as_json=True)
    assert [row["id"] for row in lines(capsys)] == ["s-1", "g-1", "g-1"]
    command.run([path, path])
    assert "4 records stand there twice and are counted once." in capsys.readouterr().out
    other = write(tmp_path / "b.jsonl", SGLANG | {"tp": 2})
    command.run([path, other], as_json=True)
    assert sum(row["id"] == "s-1" for row in lines(capsys)) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xff\xfe\x00\x01",
        b"\x1f\x8b\x08garbage",
        b"[" * 100_000,
        b'{"id": "x", "measured": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id": "x", "engine": "vllm", "usable": ["weights_per_gpu"], "config": "../../etc/x"}',
        b'{"id": "x", "engine": "vllm", "usable": ["weights_per_gpu"], "config": "/etc/passwd"}',
        b'{"id": "x", "engine": "vllm", "usable": "weights_per_gpu", "config": "a__b"}',
        b'{"id": 3, "engine": "sglang", "usable": [1, null]}',
        b'{"id": "x", "available_kv_bytes": NaN, "config": "Qwen__Qwen3-8B"}',
        b'{"id": "x", "available_kv_bytes": 1e400, "config": "Qwen__Qwen3-8B", "num_blocks": 3}',
        b'{"bytes": {"CUDA0": []}, "config": "Qwen__Qwen3-8B", "n_ctx": -5}',
        b'{"quant": "Q9_Z", "mib": 5, "config": "Qwen__Qwen3-8B"}',
        b'{"quant": "Q8_0", "mib": 0, "config": "Qwen__Qwen3-8B"}',
        b'{"quant": "Q8_0", "mib": -1, "config": "bert-base-uncased"}',
        b'{"id": "x", "engine": "llama.cpp", "ngl": "all", "usable": ["kv_buffers"],'
        b' "config": "Qwen__Qwen3-8B", "n_ctx": 1e30, "measured": {"kv_self_size_mib": 1}}',
        b'{"id": "x", "engine": "vllm", "usable": ["available_kv"], "config": "Qwen__Qwen3-8B",'
        b' "gpu_name": "GeForce 256", "tp": 0, "measured": {"available_kv_gib": 0}}',
        b'{"id": "x", "engine": "vllm", "usable": ["available_kv"], "config": "Qwen__Qwen3-8B",'
        b' "tp": 3, "pp": -2, "measured": {"available_kv_gib": -1}}',
        b'{"id": "x", "engine": "transformers", "usable": ["process_total"], "context": -1,'
        b' "config": "Qwen__Qwen3-8B", "batch": -3, "measured": {"gpu_mem_gib": 1}}',
        '\ufeff{"id": "x", "engine": "tgi", "usable": ["weights_per_gpu"]}'.encode(),
        b'{"id": "x"}\r\n{"id": "y"}\r\n',
    ],
    ids=range(22),
)
def test_hostile_files_never_end_the_run(tmp_path, capsys, content):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    assert command.run([str(path)], as_json=True) == 0
    for row in lines(capsys):
        assert row.keys() == {"id", "skipped"} or "predicted" in row
    assert command.run([str(path)]) == 0
    assert "records of" in capsys.readouterr().out


def test_records_of_every_depth_are_read_or_left_out(tmp_path, capsys):
    """A parser that still reads a line may stand where a writer no longer can."""
    deep = ("[" * depth + "]" * depth for depth in range(880, 1010, 3))
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"id": "x", "measured": {nest}}}\n' for nest in deep))
    assert command.run([str(path)], as_json=True) == 0
    assert all("skipped" in row for row in lines(capsys))


def test_a_directory_of_configs_that_is_not_there_is_said(tmp_path):
    path = write(tmp_path / "a.jsonl", SGLANG)
    with pytest.raises(SourceError, match="no directory of configs"):
        command.run([path], configs=[str(tmp_path / "none")])


def test_a_directory_in_place_of_a_file_is_said(tmp_path):
    with pytest.raises(SourceError, match="could not be read"):
        command.run([str(tmp_path)])


def test_sizes_of_dry_runs_are_predicted_too(tmp_path, capsys):
    run = {"config": "meta-llama__Llama-3.1-8B-Instruct", "quant": "Q4_K_M", "imatrix": True}
    path = write(tmp_path / "sizes.jsonl", run | {"mib": 4685.30}, run | {"mib": 4685.30 / 2})
    command.run([path], as_json=True)
    right, wrong = lines(capsys)
    assert (right["id"], right["quantity"]) == ("sizes.jsonl:1", "file_size")
    assert abs(right["error"]) < 1e-5
    assert round(wrong["error"], 4) == 1.0


def test_golden_answers_are_of_the_config_alone_and_logs_of_the_repository(tmp_path, capsys):
    """Qwen3-1.7B's checkpoint stores a head that its config ties."""
    run = {"config": "Qwen__Qwen3-1.7B", "quant": "Q8_0", "imatrix": False, "mib": 1743.0}
    log = {
        "id": "l-1", "engine": "llama.cpp", "ngl": None, "config": "Qwen__Qwen3-1.7B",
        "config_match": "exact", "weight_format": "Q8_0", "usable": ["model_buffers"],
        "measured": {"model_buffers_mib": {"CUDA0": 1000}},
    }  # fmt: skip
    command.run([write(tmp_path / "a.jsonl", run, log)], as_json=True)
    golden, logged = (row["predicted"] for row in lines(capsys))
    # 1,720,574,976 elements of the config; the log's file has V 151,936 x h 2,048 once more.
    assert golden / (1720574976 * 34 / 32) == pytest.approx(1, abs=0.001)
    assert logged / (2031739904 * 34 / 32) == pytest.approx(1, abs=0.001)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SourceError, match="could not be read"):
        command.run([str(tmp_path / "none.jsonl")])


def test_without_files_the_checkouts_own_records_are_taken(capsys):
    assert command.run([]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    records, predicted = (int(first.split()[i].replace(",", "")) for i in (0, 5))
    assert records > 500
    assert predicted >= 0.85 * records


def test_an_installed_package_says_where_the_records_are(monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "__file__", str(tmp_path / "a" / "b" / "reading.py"))
    with pytest.raises(SourceError, match="tests/data/accuracy"):
        command.run([])


def test_the_length_that_is_not_stated_is_that_of_the_records_own_repository():
    """Qwen2.5-7B is trained for 131,072 tokens, its Instruct version for 32,768."""
    record = {
        "engine": "vllm", "engine_version": "0.8.5", "v1": False, "gpu_total_gib": 31.74,
        "model": "Qwen/Qwen2.5-7B-Instruct", "config": "Qwen__Qwen2.5-7B",
        "config_match": "same-architecture", "weight_format": "f16", "usable": ["activation_peak"],
        "measured": {"activation_peak_gib": 4.35},
    }  # fmt: skip
    (whole,) = command.outcome(record, ConfigLibrary()).result
    # The old engine computes up to 32,768 tokens at once, and longer prompts in pieces.
    assert whole.error == pytest.approx(0, abs=0.05)
    (pieces,) = command.outcome(record | {"model": "a/b"}, ConfigLibrary()).result
    assert pieces.error < -0.5
