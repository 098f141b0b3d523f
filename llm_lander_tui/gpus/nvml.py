"""The NVIDIA driver as a source of readings, through NVML (`import pynvml`)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from llm_lander_tui.gpus import catalog, failures, owners
from llm_lander_tui.gpus import visible as visibility
from llm_lander_tui.gpus.gpu import Gpu, GpuProcess, Problem, Reading

CORES_PER_SM = {(6, 0): 64, (7, 0): 64, (7, 2): 64, (7, 5): 64, (8, 0): 64}
"""CUDA cores of a multiprocessor where it is not 128: CUDA C++ Programming Guide."""
CORES_PER_SM_ELSE = 128
MAX_NVLINKS = 36


@dataclass(frozen=True, slots=True)
class _Card:
    """A card or MIG slice of this session with the driver, and what does not change about it."""

    index: int
    handle: Any
    name: str
    uuid: str | None
    mig: str | None = None
    capability: tuple[int, int] | None = None
    multiprocessors: int | None = None
    nvlinks: int | None = None
    pcie_generation: int | None = None


@dataclass(frozen=True, slots=True)
class _Memory:
    total: int
    used: int
    free: int
    reserved: int


class _CardError(Exception):
    """A card stopped answering; `code` is NVML's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class NvmlSource:
    """All NVIDIA GPUs of this machine that `environment` lets CUDA see.

    What the driver does not tell is None; a card that fails is left out and named in the reading's
    problem. The driver is opened at the first reading and again after it was lost. Not for use from
    several threads at once.
    """

    def __init__(self, environment: Mapping[str, str], proc: Path = Path("/proc")) -> None:
        self._environment = environment
        self._proc = proc
        self._known: dict[int, _Card] = {}
        self._count = 0
        self._unsupported: set[tuple[object, ...]] = set()
        self._versions: tuple[str | None, str | None] = None, None
        self._open = False

    def read(self) -> Reading:
        """The GPUs now, in CUDA's order."""
        try:
            nvml = self._nvml
        except ImportError as error:
            return Reading(
                problem=Problem(
                    "pynvml is missing",
                    f"The package nvidia-ml-py cannot be imported ({error}).",
                    "Install it: pip install nvidia-ml-py.",
                )
            )
        try:
            if not self._open:
                nvml.nvmlInit()
                self._open = True
                self._versions = self._read_versions()
            return self._reading(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            self.close()
            return Reading(
                problem=failures.driver_problem(
                    error.value, str(error), windows=sys.platform == "win32"
                )
            )

    def close(self) -> None:
        """End the session with the driver; the next reading opens a new one."""
        if self._open:
            self._open = False
            self._known.clear()
            self._unsupported.clear()
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    @cached_property
    def _nvml(self) -> Any:
        import pynvml

        return pynvml

    def _reading(self, count: int) -> Reading:
        if count == 0:
            return self._said((), failures.NO_GPU, ())
        if count != self._count:
            self._known.clear()
            self._count = count
        problems: list[Problem] = []
        notes: list[str] = []
        devices: list[_Card] = []
        for index in range(count):
            try:
                devices += self._devices(index, notes)
            except _CardError as error:
                problems.append(self._lost(index, error))
        chosen = visibility.visible(devices, self._environment)
        shown = devices if chosen is None else [devices[at] for at in chosen]
        gpus: list[Gpu] = []
        for device in shown:
            try:
                gpus.append(self._gpu(device))
            except _CardError as error:
                problems.append(self._lost(device.index, error))
        hidden = len(devices) - len(shown)
        if note := visibility.note(self._environment, hidden, [card.name for card in devices]):
            notes.append(note)
        if sum(device.mig is not None for device in shown) > 1:
            notes.append(failures.ONE_SLICE)
        if devices and not shown:
            value = self._environment.get(visibility.VARIABLE, "")
            problems.append(failures.none_visible(value, len(devices)))
        if not devices and not problems:
            problems.append(failures.NO_INSTANCE)
        return self._said(tuple(gpus), failures.joined(problems), tuple(notes))

    def _said(
        self, gpus: tuple[Gpu, ...], problem: Problem | None, notes: tuple[str, ...]
    ) -> Reading:
        driver, cuda = self._versions
        return Reading(gpus, problem, driver_version=driver, cuda_version=cuda, notes=notes)

    def _read_versions(self) -> tuple[str | None, str | None]:
        """Versions of the driver and of the newest CUDA that it runs."""
        with contextlib.suppress(_CardError):
            cuda = self._ask("nvmlSystemGetCudaDriverVersion")
            version = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
            return self._ask("nvmlSystemGetDriverVersion"), version
        return None, None

    def _lost(self, index: int, error: _CardError) -> Problem:
        known = self._known.pop(index, None)
        return failures.card_problem(index, known.name if known else None, error.code, error.text)

    def _ask(self, function: str, *arguments: Any, of: _Card | None = None) -> Any:
        """The driver's answer, None when it has none: the one place where it is asked.

        Raises `_CardError` when a card has gone and `NVMLError` when the driver has; what a card
        does not support is not asked of it again.
        """
        about = (function, *arguments[1:], of and of.index, of and of.uuid)
        call = getattr(self._nvml, function, None)
        if call is None or about in self._unsupported:
            return None
        try:
            return call(*arguments)
        except self._nvml.NVMLError as error:
            if error.value in failures.SESSION_GONE:
                raise
            if error.value in failures.CARD_GONE:
                raise _CardError(error.value, str(error)) from error
            if of and error.value in (failures.NOT_SUPPORTED, failures.FUNCTION_NOT_FOUND):
                self._unsupported.add(about)
            return None

    def _devices(self, index: int, notes: list[str]) -> list[_Card]:
        """The card of this index, or its slices when it is divided."""
        card = self._known.get(index) or self._card(index)
        self._known[index] = card
        mode = self._ask("nvmlDeviceGetMigMode", card.handle, of=card)
        if not mode or not mode[0]:
            return [card]
        slices = list(self._slices(card))
        if not slices:
            notes.append(failures.no_instance(index))
        return slices

    def _card(self, index: int) -> _Card:
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        except self._nvml.NVMLError as error:
            if error.value in failures.SESSION_GONE:
                raise
            raise _CardError(error.value, str(error)) from error
        capability = self._ask("nvmlDeviceGetCudaComputeCapability", handle)
        major_minor = (capability[0], capability[1]) if capability else None
        cores = self._ask("nvmlDeviceGetNumGpuCores", handle)
        per_sm = CORES_PER_SM.get(major_minor or (0, 0), CORES_PER_SM_ELSE)
        return _Card(
            index=index,
            handle=handle,
            name=self._ask("nvmlDeviceGetName", handle) or f"GPU {index}",
            uuid=self._ask("nvmlDeviceGetUUID", handle),
            capability=major_minor,
            multiprocessors=cores // per_sm if cores and major_minor else None,
            nvlinks=self._nvlinks(handle),
            pcie_generation=self._ask("nvmlDeviceGetMaxPcieLinkGeneration", handle),
        )

    def _nvlinks(self, handle: Any) -> int | None:
        active: int | None = None
        for link in range(MAX_NVLINKS):
            state = self._ask("nvmlDeviceGetNvLinkState", handle, link)
            if state is None:
                break
            active = (active or 0) + (state == 1)
        return active

    def _slices(self, card: _Card) -> Iterator[_Card]:
        """MIG slices; of those that share one memory, the first."""
        seen: set[int] = set()
        for at in range(self._ask("nvmlDeviceGetMaxMigDeviceCount", card.handle) or 0):
            handle = self._ask("nvmlDeviceGetMigDeviceHandleByIndex", card.handle, at)
            if handle is None:
                continue
            instance = self._ask("nvmlDeviceGetGpuInstanceId", handle)
            if instance is not None and instance in seen:
                continue
            seen.add(-1 if instance is None else instance)
            attributes = self._ask("nvmlDeviceGetAttributes_v2", handle)
            name = self._ask("nvmlDeviceGetName", handle) or card.name
            yield _Card(
                index=card.index,
                handle=handle,
                name=card.name,
                uuid=self._ask("nvmlDeviceGetUUID", handle),
                mig=_profile(name, attributes),
                capability=card.capability,
                multiprocessors=attributes.multiprocessorCount if attributes else None,
                pcie_generation=card.pcie_generation,
            )

    def _gpu(self, card: _Card) -> Gpu:
        memory = self._memory(card)
        handle = card.handle
        spec = catalog.match(self._known[card.index].name, memory.total)
        if card.mig is not None:
            whole = self._memory(self._known[card.index])
            spec = catalog.match(card.name, whole.total)
            spec = spec and catalog.mig_slice(spec, card.mig, memory.total, card.multiprocessors)
        rates = self._ask("nvmlDeviceGetUtilizationRates", handle, of=card)
        power = self._ask("nvmlDeviceGetPowerUsage", handle, of=card)
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit", handle, of=card)
        return Gpu(
            index=card.index,
            name=card.name if card.mig is None else f"{card.name} MIG {card.mig}",
            total_bytes=memory.total,
            used_bytes=memory.used,
            free_bytes=memory.free,
            reserved_bytes=memory.reserved,
            uuid=card.uuid,
            mig=card.mig,
            utilisation_percent=rates.gpu if rates else None,
            memory_utilisation_percent=rates.memory if rates else None,
            temperature_c=self._temperature(card),
            power_w=None if power is None else power / 1000,
            power_limit_w=None if limit is None else limit / 1000,
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", handle, 1, of=card),
            memory_clock_mhz=self._ask("nvmlDeviceGetClockInfo", handle, 2, of=card),
            pcie_generation=card.pcie_generation,
            pcie_width=self._ask("nvmlDeviceGetCurrPcieLinkWidth", handle, of=card),
            nvlinks=card.nvlinks,
            processes=self._processes(card),
            spec=spec,
            compute_capability=card.capability or (spec.compute_capability if spec else None),
            multiprocessors=card.multiprocessors or (spec.multiprocessors if spec else None),
        )

    def _temperature(self, card: _Card) -> int | None:
        """Degrees Celsius, by the call of old drivers or by the one that replaces it."""
        for function in ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"):
            celsius: int | None = self._ask(function, card.handle, 0, of=card)
            if celsius is not None:
                return celsius
        return None

    def _memory(self, card: _Card) -> _Memory:
        """Raises `_CardError` for a card that tells none and has none of its own either."""
        version = self._nvml.nvmlMemory_v2
        told = self._ask("nvmlDeviceGetMemoryInfo", card.handle, version, of=card)
        if told is None:
            told = self._ask("nvmlDeviceGetMemoryInfo", card.handle, of=card)
        if told is not None:
            total, free = int(told.total), min(int(told.free), int(told.total))
            used = min(int(told.used), total - free)
            return _Memory(total, used, free, total - free - used)
        shared = owners.system_memory(self._proc)
        spec = catalog.match(card.name, shared[0]) if shared else None
        if shared is None or spec is None or not spec.unified_memory:
            raise _CardError(failures.NOT_SUPPORTED, "Not Supported")
        total, available = shared
        return _Memory(total, total - available, available, 0)

    def _processes(self, card: _Card) -> tuple[GpuProcess, ...] | None:
        """Compute, MPS and graphics processes, one entry a process; None when none can be told."""
        memory: dict[int, int | None] = {}
        told = False
        for kind in ("Compute", "MPSCompute", "Graphics"):
            found = self._ask(f"nvmlDeviceGet{kind}RunningProcesses_v3", card.handle, of=card)
            if found is None:
                found = self._ask(f"nvmlDeviceGet{kind}RunningProcesses_v2", card.handle, of=card)
            told = told or found is not None
            for process in found or ():
                held = (memory.get(process.pid), process.usedGpuMemory)
                memory[process.pid] = max((size for size in held if size is not None), default=None)
        if not told:
            return None
        processes = (
            GpuProcess(
                pid,
                size,
                owners.owner(pid, self._proc),
                owners.command_line(pid, self._proc),
                owners.started_by(pid, self._proc),
            )
            for pid, size in memory.items()
        )
        return tuple(sorted(processes, key=lambda p: (-(p.memory_bytes or 0), p.pid)))


def _profile(name: str, attributes: Any) -> str:
    """The MIG profile ("3g.20gb"), from the slice's name or from what it was given."""
    _, separator, profile = name.rpartition(" MIG ")
    if separator:
        return profile
    if attributes is None:
        return "slice"
    return f"{attributes.gpuInstanceSliceCount}g.{round(attributes.memorySizeMB / 1024)}gb"
