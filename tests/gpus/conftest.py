from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from llm_lander_tui.gpus.gpu import Reading

READ = """
import os, pickle, sys
from pathlib import Path
from llm_lander_tui.gpus.nvml import NvmlSource
source = NvmlSource(os.environ, Path(sys.argv[1]))
readings = [source.read() for _ in range(int(sys.argv[2]))]
sys.stdout.buffer.write(pickle.dumps(readings))
"""

ReadNvml = Callable[..., Reading]


@pytest.fixture
def read_nvml(nvml_standin) -> ReadNvml:
    """The last of `times` readings that a fresh process gets from the driver of these lines."""

    def read(
        lines: Iterable[str],
        proc: Path = Path("/proc"),
        old_driver: bool = False,
        times: int = 2,
        **environment: str,
    ) -> Reading:
        done = subprocess.run(
            [sys.executable, "-c", READ, str(proc), str(times)],
            env=nvml_standin.environment(lines, old_driver) | environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return pickle.loads(done.stdout)[-1]

    return read
