"""What a scenario needs under llama.cpp: model, cache and compute buffers, and the CUDA context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_lander_tui.engines.base import HOST, Allocation, Budget, Kind, Known
from llm_lander_tui.engines.llamacpp.buffers import adapter_bytes, model_buffers
from llm_lander_tui.engines.llamacpp.cache import (
    Cells,
    DeviceCache,
    device_caches,
    planned_cells,
    unaligned_row,
)
from llm_lander_tui.engines.llamacpp.compute import ComputeModel, Working, offloaded_compute
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import place
from llm_lander_tui.gpus.context import cuda_context_bytes
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens

KV_SOURCE = "llama-kv-cache.cpp: one tensor of cells x row for keys and one for values, per layer"
STATE_SOURCE = "llama-memory-recurrent.cpp: 32-bit rows, one per sequence and layer"
COMPUTE_SOURCE = "ggml graph allocator; 351 allocations of llama.cpp's own allocator"
MODEL_SOURCE = "llama-model.cpp load_tensors"
LORA_SOURCE = "llama-adapter.cpp: tensors of an adapter lie with the tensor that they adapt"
MOST_SLOTS = 256
"""LLAMA_MAX_SEQ (llama-cparams.h)."""
COMPUTE_SPREAD = 0.03
"""Largest error of the median family against measured CUDA compute buffers."""
UNKNOWN_GRAPH_SPREAD = 0.3
"""Where layers stand in for a graph that is not known here, or not all of it."""


class LlamaCppFootprint:
    """Bytes per GPU for any context and concurrency; see `engines.base.Footprint`."""

    def __init__(
        self,
        scenario: Scenario,
        options: LlamaCppOptions,
        budgets: tuple[Budget, ...],
        notes: tuple[str, ...] = (),
    ) -> None:
        architecture = scenario.model.architecture
        free = tuple(gpu.free_bytes for gpu in scenario.gpus)
        self.options = options
        self.budgets = budgets
        self.placement = place(len(architecture.layers), options, free)
        self.problems = _problems(scenario, options)
        self._kv = scenario.kv
        self._gpus = len(scenario.gpus)
        weights = weights_of(architecture, scenario.weights)
        self._weights_name = scenario.weights.name
        self._stored_head = architecture.stored_head
        self._model = model_buffers(weights, self.placement, options.cpu_moe_layers)
        self._caches = device_caches(architecture, scenario.kv, options, self.placement)
        self._compute = self._compute_model(scenario)
        self._contexts = [cuda_context_bytes(gpu, "llama.cpp") for gpu in scenario.gpus]
        self._adapters = adapter_bytes(weights, self.placement, scenario.lora)
        self._lora = scenario.lora
        self._fixed = [
            self._model.bytes.get(gpu, 0) + self._adapters.get(gpu, 0) + context.bytes
            for gpu, context in enumerate(self._contexts)
        ]
        self._draft = _draft(scenario, options, budgets)
        self._on_gpu = [self._caches.get(gpu) for gpu in range(self._gpus)]
        self.notes = notes

    def _compute_model(self, scenario: Scenario) -> ComputeModel:
        architecture, host_weights = scenario.model.architecture, self._model.host_weights
        if not host_weights:
            return offloaded_compute(
                architecture, scenario.kv, self.options, self.placement, self._gpus
            )
        return ComputeModel(
            architecture,
            scenario.kv,
            self.options,
            self.placement,
            gpus=self._gpus,
            host_weights=host_weights,
        )

    def cells(self, context: int, concurrency: int) -> Cells:
        """The cache's cells for `concurrency` sequences of `context` tokens."""
        return planned_cells(context, concurrency, self.options)

    def model_bytes(self, device: int) -> int:
        """Weight bytes of a GPU, or of HOST."""
        return self._model.bytes.get(device, 0)

    def context_bytes(self, device: int, cells: Cells) -> int:
        """KV cache and recurrent state of a GPU, or of HOST."""
        cache = self._caches.get(device)
        return cache.kv_bytes(cells) + cache.state * cells.sequences if cache else 0

    def kv_bytes(self, cells: Cells, *, windows: bool = True) -> int:
        """The KV cache of all devices, with or without that of windowed layers."""
        return sum(cache.kv_bytes(cells, windows=windows) for cache in self._caches.values())

    def state_bytes(self, cells: Cells) -> int:
        """The recurrent states of all devices."""
        return sum(cache.state for cache in self._caches.values()) * cells.sequences

    def working(self, cells: Cells) -> Working:
        """The compute buffers of a start with exactly these cells."""
        return self._compute.exact(cells)

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        cells = self.cells(context, concurrency)
        working = self._compute.planned_devices(cells)
        found = [
            fixed
            + compute
            + (cache.kv_bytes(cells) + cache.state * cells.sequences if cache else 0)
            for fixed, compute, cache in zip(self._fixed, working, self._on_gpu, strict=True)
        ]
        if self._draft is None:
            return found
        return [need + self._draft.beside(gpu, cells) for gpu, need in enumerate(found)]

    def beside(self, gpu: int, cells: Cells) -> int:
        """Bytes on a GPU or HOST without the CUDA context, which a draft model shares."""
        working = self._compute.planned(cells)
        compute = working.host if gpu == HOST else working.devices[gpu]
        return self.model_bytes(gpu) + self.context_bytes(gpu, cells) + compute

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        cells = self.cells(context, concurrency)
        working = self._compute.planned(cells)
        found: list[Allocation] = []
        for gpu in (*range(self._gpus), HOST):
            found += self._weights(gpu)
            cache = self._caches.get(gpu)
            if cache is not None:
                found += self._cache(gpu, cache, cells)
            found += self._working(gpu, working, cells)
            found += self._beside(gpu, cells)
            if gpu != HOST:
                context_size = self._contexts[gpu]
                found.append(
                    Allocation(
                        gpu,
                        Kind.RUNTIME,
                        context_size.bytes,
                        Known.CALIBRATED,
                        f"CUDA context, cuBLAS and pool of one process: "
                        f"{format_bytes(context_size.bytes)}.",
                        context_size.spread,
                        context_size.source,
                    )
                )
        return tuple(found)

    def _beside(self, gpu: int, cells: Cells) -> list[Allocation]:
        """Adapters and the draft model."""
        found = []
        adapters = self._adapters.get(gpu, 0)
        if adapters and self._lora is not None:
            why = (
                f"{self._lora.adapters} adapters of rank {self._lora.rank} on every linear layer, "
                f"in 32 bits, each beside its layer."
            )
            found.append(Allocation(gpu, Kind.LORA, adapters, Known.EXACT, why, source=LORA_SOURCE))
        if self._draft is not None:
            size = self._draft.beside(gpu, cells)
            why = (
                f"draft model in {self._weights_name} with a cache of {format_tokens(cells.full)} "
                f"cells and a compute buffer of its own."
            )
            found.append(
                Allocation(
                    gpu, Kind.DRAFT, size, Known.CALIBRATED, why, COMPUTE_SPREAD, MODEL_SOURCE
                )
            )
        return [a for a in found if a.bytes]

    def _weights(self, gpu: int) -> list[Allocation]:
        size = self._model.bytes.get(gpu, 0)
        if not size:
            return []
        layers = sum(device == gpu for device in self.placement.layers)
        parts = [f"{layers} of {len(self.placement.layers)} layers"] if layers else []
        if gpu == self.placement.output:
            parts.append(self._head())
        if gpu == HOST:
            parts.append("the embedding table, which llama.cpp never offloads")
            if self.options.cpu_moe_layers:
                parts.append(f"the experts of the first {self.options.cpu_moe_layers} layers")
        return [
            Allocation(
                gpu,
                Kind.WEIGHTS,
                size,
                Known.EXACT,
                f"{self._weights_name} tensors of {', '.join(parts)}.",
                source=MODEL_SOURCE,
            )
        ]

    def _head(self) -> str:
        """The head, and where its tensor comes from."""
        if self._model.head_copy:
            return f"the head (the embedding a second time, {format_bytes(self._model.head_copy)})"
        if self._stored_head:
            return "the head (stored by the checkpoint although its config ties it)"
        return "the head"

    def _cache(self, gpu: int, cache: DeviceCache, cells: Cells) -> list[Allocation]:
        found = []
        for held in cache.groups:
            n, streams = held.group.cells(cells), held.group.streams(cells)
            span = f"{held.layers} layers"
            if held.group.window:
                span += f" with a window of {format_tokens(held.group.window)}"
            if held.group.ratio > 1:
                span += f" with a row for every {held.group.ratio} tokens"
            each = f"{streams} x " if streams > 1 else ""
            found.append(
                Allocation(
                    gpu,
                    Kind.KV_CACHE,
                    held.bytes(cells),
                    Known.EXACT,
                    f"{span}: {each}{format_tokens(n)} cells of {held.per_cell:,} bytes "
                    f"in {self._kv.name}.",
                    source=KV_SOURCE,
                )
            )
        if cache.state:
            found.append(
                Allocation(
                    gpu,
                    Kind.STATE,
                    cache.state * cells.sequences,
                    Known.EXACT,
                    f"{cache.state_layers} layers with a state: {cells.sequences} sequences of "
                    f"{cache.state:,} bytes in 32 bits, whatever the context.",
                    source=STATE_SOURCE,
                )
            )
        return found

    def _working(self, gpu: int, working: Working, cells: Cells) -> list[Allocation]:
        size = working.host if gpu == HOST else working.devices[gpu]
        if not size:
            return []
        why = (
            f"graph inputs and masks of {cells.ubatch} tokens in pinned memory."
            if gpu == HOST
            else f"compute buffer of {cells.ubatch} tokens."
        )
        return [
            Allocation(
                gpu,
                Kind.ACTIVATIONS,
                size,
                Known.CALIBRATED if self._compute.known else Known.ROUGH,
                why,
                COMPUTE_SPREAD if self._compute.known else UNKNOWN_GRAPH_SPREAD,
                COMPUTE_SOURCE,
            )
        ]


def free_memory_budgets(gpus: Sequence[Gpu], reserve: int, rule: str) -> tuple[Budget, ...]:
    """What is free on each GPU less `reserve`; `rule` names the reserve."""
    kept = f"less {format_bytes(reserve)} {rule}."
    of = {
        free: Budget(max(0, free - reserve), f"{format_bytes(free)} free {kept}")
        for free in {gpu.free_bytes for gpu in gpus}
    }
    return tuple(of[gpu.free_bytes] for gpu in gpus)


def _problems(scenario: Scenario, options: LlamaCppOptions) -> tuple[str, ...]:
    found = []
    if scenario.weights.family != "gguf":
        found.append(f"llama.cpp runs GGUF files, not {scenario.weights.name}.")
    if scenario.kv.v.size > 1 and not options.uses_flash_attention:
        found.append(f"A {scenario.kv.v.name} value cache needs flash attention, which is off.")
    if scenario.concurrency > MOST_SLOTS:
        found.append(f"llama.cpp opens {MOST_SLOTS} slots at most, not {scenario.concurrency:,}.")
    latent = any(row.latent for row, _ in scenario.model.architecture.kv_rows)
    if latent and scenario.kv.k != scenario.kv.v:
        found.append("A latent cache holds keys and values in one format, not in two.")
    unaligned = unaligned_row(scenario.model.architecture, scenario.kv)
    if unaligned is not None:
        found.append(unaligned)
    return tuple(found)


def _draft(
    scenario: Scenario, options: LlamaCppOptions, budgets: tuple[Budget, ...]
) -> LlamaCppFootprint | None:
    """The draft model, offloaded whole in the same formats (`--gpu-layers-draft all`)."""
    if scenario.draft is None:
        return None
    alone = replace(scenario, model=scenario.draft, draft=None, lora=None)
    whole = replace(options, gpu_layers=None, cpu_moe_layers=0)
    return LlamaCppFootprint(alone, whole, budgets)
