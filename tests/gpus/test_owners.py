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
