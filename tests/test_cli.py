"""The command line's contract: fields, figures, exit statuses, and clean ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from llm_lander_tui.cli import main
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.gpus.gpu import Gpu, Reading
from llm_lander_tui.machine import choose_gpus, read_within
from llm_lander_tui.units import GIB

PROGRAM = [sys.executable, "-m", "llm_lander_tui"]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def fit(capsys, *arguments: str) -> tuple[int, dict]:
    status, out, _ = run(capsys, "fit", *arguments, "--json")
    return status, json.loads(out)


def test_fit_json_is_the_documented_contract(capsys):
    status, report = fit(capsys, "Qwen/Qwen3-8B", "--gpu", "RTX 4090")
    assert status == 0
    # 151,936·4,096·2 embedding and head + 36 layers of 192,946,432 + 4,096 final norm
    assert report["model"]["parameters"] == 8_190_735_360
    # 2 · 36 layers · 8 KV heads · 128 · 2 bytes
    assert report["model"]["kv_bytes_per_token"] == 147_456
    assert set(report) >= {
        "model", "engine", "weights", "kv", "gpus", "plan", "results", "recommended", "warnings",
    }  # fmt: skip
    assert set(report["model"]) >= {
        "name", "source", "parameters", "active_parameters", "kv_bytes_per_token",
        "state_bytes_per_sequence", "context_limit",
    }  # fmt: skip
    assert set(report["gpus"][0]) == {
        "gpu_index", "gpu_name", "total_vram_mb", "used_vram_mb", "free_vram_mb",
    }  # fmt: skip
    plan = report["plan"]
    assert set(plan) >= {
        "context", "concurrency", "fits", "total_bytes", "free_bytes", "short_bytes",
        "max_context_length", "binding", "allocations",
    }  # fmt: skip
    on_gpu = [a for a in plan["allocations"] if a["gpu"] >= 0]
    assert sum(a["bytes"] for a in on_gpu) == plan["total_bytes"]
    assert all(a["known"] in {"exact", "calibrated", "rough"} and a["why"] for a in on_gpu)
    assert {"FP16", "INT8", "INT4"} <= set(report["results"])
    for result in report["results"].values():
        assert set(result) == {
            "max_context_length", "model_weight_mb", "kv_cache_mb", "total_memory_mb",
            "fits_in_vram",
        }  # fmt: skip
    # plain formats store every parameter in 2, 1 and 1/2 bytes: 15,622.6, 7,811.3, 3,905.6 MiB
    sizes = [report["results"][name]["model_weight_mb"] for name in ("FP16", "INT8", "INT4")]
    assert sizes == [15623, 7811, 3906]
    # a size per parameter is compared on an engine that loads no such file, too
    assert report["results"]["FP16"]["max_context_length"] == 40_960
    assert report["recommended"]["reason"]


def test_fit_prints_the_blocks_of_each_format(capsys):
    status, out, _ = run(capsys, "fit", "Qwen/Qwen3-8B", "--free-mib", "24000", "--context", "4096")
    assert status == 0
    lines = out.splitlines()
    start = lines.index("=== Qwen/Qwen3-8B (quant=FP16) (params=8.19B) ===")
    assert lines[start + 1] == "free_vram_mb: 24000"
    keys = [line.partition(":")[0] for line in lines[start + 2 : start + 7]]
    assert keys == [
        "max_context_length", "model_weight_mb", "kv_cache_mb", "total_memory_mb", "fits_in_vram",
    ]  # fmt: skip


def test_what_does_not_fit_exits_with_1_and_says_what_is_missing(capsys):
    status, report = fit(capsys, "Qwen/Qwen3-8B", "--free-mib", "2000", "--weights", "Q8_0")
    assert status == 1
    assert report["plan"]["short_bytes"] > 0
    assert report["plan"]["max_context_length"] == 0
    assert not report["results"]["FP16"]["fits_in_vram"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "Voodoo 2"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--engine", "warp"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--weights", "Q9_X"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--kv", "q9"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--context", "0"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--concurrency", "0"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--gpus", "0"],
        ["fit", "Qwen/Qwen3-8B", "--free-mib", "-1"],
        ["fit", "Qwen/Qwen3-8B", "--free-mib", "8000", "--margin-mib", "-1"],
        ["fit", "Qwen/Qwen3-8B", "--gpu", "2x RTX 4090", "--tp", "3"],
        ["fit", "--", "nginx"],
    ],
)
def test_wrong_use_exits_with_2_and_one_sentence(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("llm-lander: ")
    assert "Traceback" not in err


def test_unknown_option_exits_with_2(capsys):
    with pytest.raises(SystemExit) as left:
        main(["fit", "Qwen/Qwen3-8B", "--warp"])
    assert left.value.code == 2
    assert "--warp" in capsys.readouterr().err


def test_a_start_command_is_a_question(capsys):
    status, report = fit_command(
        capsys, "llama-server -m Qwen/Qwen3-8B -c 8192 -ctk q8_0 -ctv q8_0"
    )
    assert status == 0
    assert (report["engine"], report["kv"]) == ("llama.cpp", "q8_0")
    assert report["plan"]["context"] == 8192


def fit_command(capsys, command: str) -> tuple[int, dict]:
    status, out, _ = run(capsys, "fit", "--gpu", "RTX 4090", "--json", "--", *command.split())
    return status, json.loads(out)


def test_several_cards(capsys):
    _, report = fit(capsys, "Qwen/Qwen3-32B", "--gpu", "RTX 4090, H100 PCIe", "--context", "8192")
    assert [gpu["gpu_index"] for gpu in report["gpus"]] == [0, 1]
    assert {a["gpu"] for a in report["plan"]["allocations"]} >= {0, 1}


def test_scaling_names_the_fewest_cards(capsys):
    _, report = fit(capsys, "Qwen/Qwen3-8B", "--gpu", "4x H100", "--engine", "vllm")
    assert report["scaling"]["gpus"] == [0]
    _, report = fit(
        capsys, "Qwen/Qwen3-32B", "--gpu", "4x RTX 4090", "--engine", "vllm",
        "--weights", "BF16", "--context", "8192",
    )  # fmt: skip
    # 61 GiB of weights: four cards of 24 GiB, tensors divided inside the node
    assert (report["scaling"]["gpus"], report["scaling"]["tensor_parallel"]) == ([0, 1, 2, 3], 4)


QUESTION = ("Qwen/Qwen3-32B", "--gpu", "RTX 4090", "--engine", "vllm")


def test_without_a_context_the_command_is_one_that_starts(capsys):
    _, report = fit(capsys, *QUESTION)
    plan, recommended = report["plan"], report["recommended"]
    assert 0 < plan["context"] <= plan["safe_context_length"] < plan["max_context_length"]
    for command in (plan["command"], recommended["command"]):
        assert f"--max-model-len {plan['context']}" in command
    assert recommended["max_context_length"] == plan["max_context_length"]
    assert not any("safe" in warning for warning in report["warnings"])


@pytest.mark.parametrize(("more", "warned"), [(0, False), (1, True)])
def test_a_context_above_the_safe_one_is_warned_of(capsys, more, warned):
    _, report = fit(capsys, *QUESTION, "--weights", "AWQ-4bit-g128", "--kv", "fp8")
    safe = report["plan"]["safe_context_length"]
    asked = ("--weights", "AWQ-4bit-g128", "--kv", "fp8", "--context", str(safe + 16 * more))
    status, out, _ = run(capsys, "fit", *QUESTION, *asked)
    assert status == 0
    assert (f"above the safe {safe:,}: " in out) == warned
    assert f"({safe:,} are safe)" in out


def test_model_is_one_object_a_line(capsys):
    status, out, _ = run(capsys, "model", "Qwen/Qwen3-8B", "google/gemma-3-27b-it", "--json")
    assert status == 0
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["parameters"] == 8_190_735_360
    assert sum(first["parts"].values()) == first["parameters"]
    assert first["formats"]["Q4_K_M"] > 0
    assert second["layers"]["attention"] == {"sliding": 52, "full": 10}


def test_models_filters_by_every_word(capsys):
    status, out, _ = run(capsys, "models", "qwen3", "8b")
    assert status == 0
    assert "Qwen/Qwen3-8B" in out.splitlines()
    assert all("qwen3" in line.lower() and "8b" in line.lower() for line in out.splitlines())


def test_version():
    found = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("llm-lander ")


def test_without_a_terminal_the_screen_is_refused():
    found = subprocess.run(
        PROGRAM, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert found.returncode == 2
    assert "terminal" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_closed_pipe_ends_quietly():
    with subprocess.Popen(
        [*PROGRAM, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_ends_with_a_sentence():
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [*PROGRAM, "models"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 3
    assert "No space left" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_driver_that_hangs_ends_with_a_sentence():
    class Hanging:
        def read(self):
            threading.Event().wait()

    reading = read_within(Hanging(), seconds=0.05)
    assert reading.gpus == ()
    assert reading.problem is not None
    assert "nvidia-smi" in reading.problem.remedy
    gpus, warnings = choose_gpus(None, None, None, Answering(reading))
    assert [gpu.name for gpu in gpus] == ["NVIDIA GeForce RTX 4090"]
    assert any("what-if" in warning for warning in warnings)


class Answering:
    def __init__(self, reading):
        self.reading = reading

    def read(self):
        return self.reading


def test_a_full_card_is_left_out(capsys, monkeypatch):
    empty, full = parse_gpus("2x RTX 4090")
    full = replace(full, free_bytes=0, used_bytes=full.free_bytes)
    monkeypatch.setattr("llm_lander_tui.api.nvml_source", lambda: Answering(Reading((full, empty))))
    status, report = fit(capsys, "Qwen/Qwen3-8B", "--engine", "vllm")
    assert status == 0
    assert len(report["gpus"]) == 1
    assert any("Planned on GPU 0" in warning for warning in report["warnings"])


def test_a_command_that_would_not_start_does_not_fit(capsys):
    # 40,960 tokens of Qwen3-8B in BF16 are more than an RTX 4090 holds beside 15.3 GiB of weights.
    status, report = fit_command(capsys, "vllm serve Qwen/Qwen3-8B --warp 9 --host 0.0.0.0")
    assert status == 1
    assert (report["weights"], report["plan"]["context"]) == ("BF16", 40960)
    assert "Not read: --warp 9." in report["warnings"]
    assert not any("--host" in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    ("flag", "value", "read"),
    [
        ("--context", "8192", lambda report: str(report["plan"]["context"])),
        ("--weights", "FP8", lambda report: report["weights"]),
        ("--kv", "fp8", lambda report: report["kv"]),
        ("--concurrency", "3", lambda report: str(report["plan"]["concurrency"])),
        ("--engine", "sglang", lambda report: report["engine"]),
    ],
)
def test_flags_before_the_dashes_override_the_command(capsys, flag, value, read):
    command = ["vllm", "serve", "Qwen/Qwen3-8B", "--max-model-len", "16384"]
    _, out, err = run(capsys, "fit", "--gpu", "H100 PCIe", flag, value, "--json", "--", *command)
    assert err == ""
    assert read(json.loads(out)) == value


def test_one_quoted_word_is_a_command(capsys):
    status, out, _ = run(
        capsys, "fit", "--gpu", "H100 PCIe", "--json", "--", "vllm serve Qwen/Qwen3-8B"
    )
    assert status == 0
    assert json.loads(out)["engine"] == "vllm"


def test_a_command_sees_the_cards_that_it_names(capsys, monkeypatch):
    environments = []

    class Source:
        def read(self):
            return Reading((Gpu(3, "card", 24 * GIB, 0, 24 * GIB),))

    def source(environment):
        environments.append(environment)
        return Source()

    monkeypatch.setattr("llm_lander_tui.machine.nvml_source", source)
    command = "CUDA_VISIBLE_DEVICES=3 vllm serve Qwen/Qwen3-0.6B"
    _, out, _ = run(capsys, "fit", "--json", "--", *command.split())
    assert [e["CUDA_VISIBLE_DEVICES"] for e in environments] == ["3"]
    assert json.loads(out)["gpus"][0]["gpu_index"] == 3


def test_a_file_of_a_hub_out_of_reach_goes_by_its_name(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    status, report = fit_command(capsys, "llama-server -hf owner/Qwen3-8B-GGUF:Q4_K_M -c 4096")
    assert status == 0
    assert (report["model"]["name"], report["weights"]) == ("Qwen/Qwen3-8B", "Q4_K_M")
    assert "could not be read from the Hub" in report["warnings"][0]


def test_a_mistake_of_the_program_is_a_sentence_and_keeps_its_traceback(
    monkeypatch, tmp_path, capsys
):
    def fail():
        raise ZeroDivisionError("of 0")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("llm_lander_tui.models.presets.names", fail)
    assert main(["models"]) == 70
    told = capsys.readouterr().err
    assert told.startswith("llm-lander: Internal error: ZeroDivisionError: of 0. Please report")
    assert "Traceback" in next(tmp_path.rglob("crash.txt")).read_text()


def test_what_stands_before_a_command_holds_for_it(capsys):
    before = ["--engine", "vllm", "--weights", "FP8", "--context", "2048", "--gpu", "H100 PCIe"]
    for words in ([*before, "fit", "Qwen/Qwen3-8B"], [*before, "--model", "Qwen/Qwen3-8B", "fit"]):
        _, out, err = run(capsys, *words, "--json")
        report = json.loads(out)
        assert (report["engine"], report["weights"]) == ("vllm", "FP8")
        assert report["plan"]["context"] == 2048
        assert err == ""
    _, out, _ = run(capsys, *before, "fit", "Qwen/Qwen3-8B", "--engine", "sglang", "--json")
    assert json.loads(out)["engine"] == "sglang", "the command's own goes before"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--demo", "fit", "Qwen/Qwen3-8B"], "--demo"),
        (["--resume", "fit", "Qwen/Qwen3-8B"], "--resume"),
        (["--engine", "vllm", "--kv", "fp8", "models", "qwen"], "--engine and --kv"),
        (["--margin-mib", "1", "gpus"], "--margin-mib"),
        (["--weights", "FP8", "model", "Qwen/Qwen3-8B"], "--weights"),
        (["--gpu", "RTX 4090", "accuracy"], "--gpu"),
        (["models", "--", "vllm", "serve", "a/b"], "a start command behind --"),
    ],
)
def test_what_means_nothing_to_a_command_is_refused(capsys, words, named):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"llm-lander: Out of place: {named} mean")


HUGE = "1" + "0" * 400
WRONG = ("-1", "0", HUGE, "99999999999999999999", "nan", "inf", "1.5", "", " ", "é😀", "[/x]", "-")
MARGINS_THAT_ARE_NONE = {"--margin-mib": {"0"}}


SHARED = ["--context", "--concurrency", "--margin-mib", "--engine", "--kv", "--weights", "--gpu"]
FIT = ("fit", "Qwen/Qwen3-0.6B", "--gpu", "2x RTX 4090")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        *((FIT, option) for option in [*SHARED, "--tp", "--pp", "--gpus"]),
        *(((), option) for option in SHARED),
    ],
)
def test_values_that_cannot_be_are_refused_in_a_sentence(capsys, monkeypatch, words, option):
    opened = []
    monkeypatch.setattr("llm_lander_tui.cli._open", lambda options: opened.append(options) or 0)
    for value in WRONG:
        if value in MARGINS_THAT_ARE_NONE.get(option, ()):
            continue
        try:
            status = main([*words, f"{option}={value}"])
        except SystemExit as left:
            status = left.code
        captured = capsys.readouterr()
        assert status == 2, (option, value)
        assert captured.out == ""
        assert "error" in captured.err or captured.err.startswith("llm-lander: ")
        assert "Traceback" not in captured.err
    assert not opened


def test_the_screen_opens_with_a_start_command(capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("llm_lander_tui.cli._open", lambda options: opened.append(options) or 0)
    assert main(["--demo", "--context", "2048", "--", "vllm", "serve", "a/b", "-tp", "2"]) == 0
    launched = opened[0].launched
    assert (launched.model, launched.question.engine) == ("a/b", "vllm")
    assert (launched.question.tensor_parallel, launched.question.context) == (2, 2048)
    assert main(["--", "nginx"]) == 2
    assert "No server is recognised" in capsys.readouterr().err
    assert len(opened) == 1


def test_words_that_no_preset_holds_are_said_so(capsys):
    assert main(["models", "zzzz", "qwen"]) == 2
    assert "holds 'zzzz' and 'qwen'" in capsys.readouterr().err
