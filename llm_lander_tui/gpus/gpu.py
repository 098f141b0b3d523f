"""A GPU as last read, or as the catalogue describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from llm_lander_tui.units import MIB


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """What a kind of GPU can do, from the catalogue; None where no source tells.

    Tensor rates are dense, with FP32 accumulation, in 10¹² operations per second; bandwidths in
    10⁹ bytes per second.
    """

    name: str
    """The short name, unique in the catalogue ("RTX 4090", "H100 SXM5 80GB")."""
    nvml_name: str
    memory_bytes: int
    """What the driver reports as total."""
    architecture: str = ""
    compute_capability: tuple[int, int] | None = None
    form: str = ""
    segment: str = ""
    """"data centre", "workstation", "consumer" or "embedded"."""
    bandwidth_gb_s: float | None = None
    fp32_tflops: float | None = None
    fp16_tflops: float | None = None
    bf16_tflops: float | None = None
    fp8_tflops: float | None = None
    int8_tops: float | None = None
    fp4_tflops: float | None = None
    nvlink_gb_s: float | None = None
    pcie_generation: int | None = None
    power_w: int | None = None
    year: int | None = None
    multiprocessors: int | None = None
    """Streaming multiprocessors (SMs)."""
    reserved_bytes: int = 0
    """What the driver keeps of an idle card; part of `memory_bytes`, never free."""
    memory_seen: bool = True
    """False where no reading of this card was found and `memory_bytes` is that of its siblings."""

    @property
    def unified_memory(self) -> bool:
        """Whether the GPU has no memory of its own and shares the system's (Jetson, GB10)."""
        return self.form == "SoC"


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory on a GPU; None where the driver or the system hides a field."""

    pid: int
    memory_bytes: int | None
    user: str | None = None
    command: str | None = None
    """The whole command line, arguments joined by blanks."""
    started_by: tuple[str, ...] = ()
    """The command lines, as a shell takes them, of the process and of those that started it."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card (or MIG slice) at one moment; a missing reading is None.

    `index` is the driver's index for a real card and a running number for a hypothetical one.
    `free_bytes` + `used_bytes` + `reserved_bytes` = `total_bytes`.
    """

    index: int
    name: str
    total_bytes: int
    used_bytes: int
    free_bytes: int
    reserved_bytes: int = 0
    uuid: str | None = None
    hypothetical: bool = False
    mig: str | None = None
    """The MIG profile ("3g.20gb") when this is a slice of a card."""
    utilisation_percent: int | None = None
    memory_utilisation_percent: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    nvlinks: int | None = None
    """Active NVLink links."""
    processes: tuple[GpuProcess, ...] | None = None
    spec: GpuSpec | None = None
    """The catalogue's entry for this name and memory; None for an unknown card."""
    compute_capability: tuple[int, int] | None = None
    multiprocessors: int | None = None
    """Streaming multiprocessors (SMs) of this card or slice."""

    @property
    def capability(self) -> tuple[int, int] | None:
        """The compute capability that the driver told, else the catalogue's; None for neither."""
        if self.compute_capability is not None or self.spec is None:
            return self.compute_capability
        return self.spec.compute_capability

    def as_json(self) -> dict[str, int | str]:
        """The GPU as R3 has it; mb = MiB."""
        return {
            "gpu_index": self.index,
            "gpu_name": self.name,
            "total_vram_mb": self.total_bytes // MIB,
            "used_vram_mb": self.used_bytes // MIB,
            "free_vram_mb": self.free_bytes // MIB,
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure as a value: what a source of readings could not do."""

    title: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """All GPUs at one moment, or why there are none."""

    gpus: tuple[Gpu, ...] = ()
    problem: Problem | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    notes: tuple[str, ...] = ()
    """What a user should know of this reading: cards that CUDA_VISIBLE_DEVICES hides, and such."""


class GpuSource(Protocol):
    """One way that GPU readings come in."""

    def read(self) -> Reading:
        """The GPUs now. Never raises: a failure is the reading's `problem`."""
        ...
