"""A made-up machine for looking around, for pictures and for tests: live, and always the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sin

from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.gpu import Gpu, GpuProcess, GpuSpec, Reading
from llm_lander_tui.units import MIB

CARD = "H100 SXM5 80GB"
CARDS = 8
IDLE_WATTS = 70.0
IDLE_CELSIUS = 31


@dataclass(frozen=True, slots=True)
class _Job:
    """A process: the MiB it holds, by how much that sways, and how busy it keeps its card."""

    pid: int
    user: str
    command: str
    mib: int
    sway_mib: int = 0
    busy_percent: int = 0
    server: str = ""
    """The start command of the server that a worker with a title of its own belongs to."""


_VLLM = "/srv/vllm/bin/vllm serve meta-llama/Llama-3.3-70B-Instruct --tensor-parallel-size 4"
_TRAINING = "/home/ines/venv/bin/python -u finetune.py --config lora-r16.yaml --local-rank=0"
_NOTEBOOK = "/opt/conda/bin/python -m ipykernel_launcher -f /run/user/1004/kernel-7c1e.json"
_JOBS: dict[int, tuple[_Job, ...]] = {
    **{
        rank: (
            _Job(
                41200 + rank,
                "serve",
                f"VLLM::Worker_TP{rank}",
                73436,
                busy_percent=78,
                server=f"/srv/vllm/bin/python {_VLLM}",
            ),
        )
        for rank in range(4)
    },
    4: (
        _Job(
            50311,
            "marta",
            "/srv/llama.cpp/llama-server -m Qwen3-32B-Q4_K_M.gguf -c 32768 -ngl 99 --port 8081",
            27642,
            busy_percent=35,
        ),
        _Job(48790, "tomek", _NOTEBOOK, 11208, sway_mib=640, busy_percent=4),
    ),
    5: (_Job(60817, "ines", _TRAINING, 46120, sway_mib=2300, busy_percent=93),),
}


class DemoSource:
    """Eight H100, six of them at work: each reading is the next step of an endless, fixed film."""

    def __init__(self, step: int = 0) -> None:
        self.step = step

    def read(self) -> Reading:
        spec = catalog.find(CARD)
        gpus = tuple(_gpu(spec, index, self.step) for index in range(CARDS))
        self.step += 1
        return Reading(gpus, driver_version="580.95.05", cuda_version="13.0")


def _gpu(spec: GpuSpec, index: int, step: int) -> Gpu:
    jobs = _JOBS.get(index, ())
    processes = tuple(
        GpuProcess(
            job.pid,
            job.mib * MIB + _sway(job, step),
            job.user,
            job.command,
            (job.command, job.server) if job.server else (job.command,),
        )
        for job in jobs
    )
    used = sum(process.memory_bytes or 0 for process in processes)
    busy = sum(job.busy_percent for job in jobs)
    wave = sin(step / 7 + index) + sin(step / 3 + 2 * index) / 2
    percent = max(0, min(100, round(busy + 8 * wave))) if busy else 0
    limit = float(spec.power_w or 0)
    watts = IDLE_WATTS + (limit - IDLE_WATTS) * 0.8 * percent / 100
    idle = catalog.hypothetical(spec, index)
    return replace(
        idle,
        used_bytes=used,
        free_bytes=idle.free_bytes - used,
        uuid=f"GPU-0000{index}de3-0000-4000-8000-00000000000{index}",
        hypothetical=False,
        utilisation_percent=percent,
        memory_utilisation_percent=percent * 2 // 3,
        temperature_c=IDLE_CELSIUS + index % 3 + round(0.38 * busy + 2 * sin(step / 19 + index)),
        power_w=round(watts, 1),
        power_limit_w=limit,
        sm_clock_mhz=1980 if busy else 345,
        memory_clock_mhz=2619,
        pcie_width=16,
        nvlinks=18,
        processes=processes,
    )


def _sway(job: _Job, step: int) -> int:
    """Bytes over or under the usual, in whole MiB."""
    return round(job.sway_mib * sin(step / 11)) * MIB
