"""What a reading of eight cards costs our side, on the stand-in driver (python bench_nvml.py).

The stand-in answers at once, so this is pynvml, /proc and our own work; a real driver adds its own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CARDS = 8
PROCESSES = 4
SOURCE = Path(__file__).parents[1] / "gpus" / "nvml_standin.c"


def control() -> str:
    lines = ["system driver=580.95.05;cuda=13000"]
    for n in range(CARDS):
        lines.append(
            f"gpu name=NVIDIA H100 80GB HBM3;uuid=GPU-{n};total=81559;reserved=480;used=40000;"
            "util=50;memutil=30;temperature=50;power=350000;limit=700000;sm=1980;mem=2619;"
            "gen=5;width=16;links=18;cc=900;cores=16896;mig=0"
        )
        lines += [f"process gpu={n};pid={os.getpid()};mib=10000;kind=C"] * PROCESSES
    return "\n".join(lines)


def measure() -> None:
    began = time.perf_counter()
    from llm_lander_tui.gpus.nvml import NvmlSource

    source = NvmlSource(os.environ)
    first = source.read()
    opened = time.perf_counter() - began
    assert len(first.gpus) == CARDS, first.problem
    times = []
    for _ in range(300):
        began = time.perf_counter()
        source.read()
        times.append(time.perf_counter() - began)
    print(f"import, open and first reading of {CARDS} GPUs: {opened * 1e3:.1f} ms")
    print(f"a reading, median: {statistics.median(times) * 1e3:.2f} ms")
    print(f"a reading, 99th percentile: {sorted(times)[297] * 1e3:.2f} ms")


def main() -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        print("skipped: the stand-in needs a C compiler")
        return
    with tempfile.TemporaryDirectory() as folder:
        library, text = Path(folder, "libnvidia-ml.so.1"), Path(folder, "nvml.txt")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        text.write_text(control(), encoding="utf-8")
        environment = os.environ | {"LD_LIBRARY_PATH": folder, "NVML_STANDIN": str(text)}
        subprocess.run([sys.executable, __file__, "measure"], env=environment, check=True)


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["measure"] else main()
