from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_lander_tui.gpus import owners


def test_our_own_process():
    proc = Path("/proc")
    if not proc.joinpath("self").exists():
        pytest.skip("this system has no /proc")
    assert owners.owner(os.getpid(), proc) == owners.user_name(os.getuid())
    command = owners.command_line(os.getpid(), proc)
    assert command is not None
    assert "pytest" in command


def test_a_user_without_an_account_is_a_number():
    assert owners.user_name(4_000_000_017) == "4000000017"


def test_nothing_is_known_where_nothing_is(tmp_path: Path):
    assert owners.owner(1, tmp_path) is None
    assert owners.command_line(1, tmp_path) is None
    assert owners.system_memory(tmp_path) is None


def test_a_command_line_of_odd_bytes(tmp_path: Path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(b"run\0\xff x\0")
    assert owners.command_line(7, tmp_path) == "run \N{REPLACEMENT CHARACTER} x"


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n", "MemTotal: x kB\nMemAvailable: 1 kB\n"])
def test_memory_that_is_not_told(tmp_path: Path, text: str):
    (tmp_path / "meminfo").write_text(text)
    assert owners.system_memory(tmp_path) is None


def test_memory(tmp_path: Path):
    (tmp_path / "meminfo").write_text("MemTotal: 64 kB\nMemFree: 1 kB\nMemAvailable: 16 kB\n")
    assert owners.system_memory(tmp_path) == (65536, 16384)


def test_a_command_line_says_nothing_to_the_terminal(tmp_path: Path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(b"run\0\x1b[2J\0\xc2\x9b5m\0[/x]\0")
    assert owners.command_line(7, tmp_path) == "run [2J 5m [/x]"


def test_a_worker_with_a_title_leads_to_the_server_that_started_it(tmp_path: Path):
    for pid, parent, line in (
        (9, 8, b"VLLM::Worker_TP0\0\0\0\0"),
        (8, 7, b"VLLM::EngineCore\0"),
        (7, 1, b'python3\0/usr/bin/vllm\0serve\0a/b\0--hf-overrides\0{"x": 1}\0'),
        (1, 0, b"/sbin/init\0"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(line)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b (c) S {parent} 1 2")
    assert owners.started_by(9, tmp_path) == (
        "VLLM::Worker_TP0",
        "VLLM::EngineCore",
        "python3 /usr/bin/vllm serve a/b --hf-overrides '{\"x\": 1}'",
    )
    assert owners.started_by(5, tmp_path) == ()
    (tmp_path / "9" / "stat").write_text("9 (cut off")
    assert owners.started_by(9, tmp_path) == ("VLLM::Worker_TP0",)
