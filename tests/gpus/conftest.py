from __future__ import annotations

import ctypes
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from llm_lander_tui.gpus.gpu import Reading
from llm_lander_tui.gpus.nvml import NvmlSource

READ = """
import os, pickle, sys
from llm_lander_tui.gpus.nvml import NvmlSource
sys.stdout.buffer.write(pickle.dumps(NvmlSource(os.environ).read()))
"""

ReadNvml = Callable[..., Reading]


@pytest.fixture
def read_nvml(nvml_standin, monkeypatch) -> ReadNvml:
    """The last of `times` readings that pynvml gives of the cards of these lines."""
    import pynvml

    def read(
        lines: Iterable[str],
        proc: Path = Path("/proc"),
        old_driver: bool = False,
        times: int = 2,
        **environment: str,
    ) -> Reading:
        nvml_standin.write(lines)
        folder = nvml_standin.old if old_driver else nvml_standin.current
        monkeypatch.setenv("NVML_STANDIN", str(nvml_standin.control))
        monkeypatch.setattr(pynvml, "nvmlLib", None)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        monkeypatch.setattr(pynvml, "CDLL", lambda name: ctypes.CDLL(str(folder / name)))
        source = NvmlSource(environment, proc)
        readings = [source.read() for _ in range(times)]
        source.close()
        return readings[-1]

    return read


@pytest.fixture
def read_nvml_apart(nvml_standin) -> ReadNvml:
    """What a program of its own reads, which finds the driver as every program does."""

    def read(lines: Iterable[str]) -> Reading:
        done = subprocess.run(
            [sys.executable, "-c", READ],
            env=nvml_standin.environment(lines),
            capture_output=True,
            timeout=60,
            check=True,
        )
        return pickle.loads(done.stdout)

    return read
