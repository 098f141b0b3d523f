"""What several rooms' tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Speed is measured by benchmarks: no test fails because its machine is busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

STANDIN_SOURCE = Path(__file__).parent / "gpus" / "nvml_standin.c"


@dataclass(frozen=True)
class NvmlStandin:
    """A stand-in NVIDIA driver for programs that a test starts.

    `environment` gives what to start a program with, so that it meets the cards that the lines of
    a control file describe (the format is in nvml_standin.c). Writing `control` anew changes what
    the running program reads next.
    """

    current: Path
    old: Path
    control: Path

    def write(self, lines: Iterable[str]) -> None:
        """What the driver says from its next count of the devices on; never half written."""
        fresh = self.control.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(self.control)

    def environment(self, lines: Iterable[str], old_driver: bool = False) -> dict[str, str]:
        """The whole environment for a program that is to meet these cards."""
        self.write(lines)
        library = self.old if old_driver else self.current
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")}
        return inherited | {"LD_LIBRARY_PATH": str(library), "NVML_STANDIN": str(self.control)}

    @staticmethod
    def two_cards(vllm_pid: int) -> list[str]:
        """Two RTX 4090, the first half full with a vLLM engine of that process id."""
        card = "name=NVIDIA GeForce RTX 4090;total=24564;reserved=484;cc=809;cores=16384"
        more = "temperature=41;power=62500;limit=450000;sm=2520;mem=10501;gen=4;width=16"
        return [
            "system driver=580.95.05;cuda=13000",
            f"gpu uuid=GPU-aa;used=12040;util=87;memutil=40;{card};{more}",
            f"gpu uuid=GPU-bb;used=0;util=0;memutil=0;{card};{more}",
            f"process gpu=0;pid={vllm_pid};mib=12040;kind=C",
        ]


@pytest.fixture(scope="session")
def nvml_libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders with the stand-in libnvidia-ml.so.1, of a current and of an old driver."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if os.name == "nt" or compiler is None:
        pytest.skip("the NVML stand-in needs a C compiler (cc, gcc or clang), none found")
    folders = []
    for name, flags in (("current", []), ("old", ["-DOLD_DRIVER"])):
        folder = tmp_path_factory.mktemp(name)
        target = folder / "libnvidia-ml.so.1"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", *flags, "-o", target, STANDIN_SOURCE],
            check=True,
            timeout=60,
        )
        folders.append(folder)
    return folders[0], folders[1]


@pytest.fixture
def nvml_standin(nvml_libraries: tuple[Path, Path], tmp_path: Path) -> NvmlStandin:
    current, old = nvml_libraries
    return NvmlStandin(current, old, tmp_path / "nvml.txt")
