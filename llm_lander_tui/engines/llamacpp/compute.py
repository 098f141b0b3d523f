"""The compute buffers: the working memory of one micro-batch (memory_models C.1)."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp.cache import Cells, window_of
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.cache import KvRow
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp

F32 = 4
PIPELINE_COPIES = 4
"""Copies of the graph's inputs under pipeline parallelism (GGML_SCHED_MAX_COPIES)."""
STREAMED_FROM = 32
"""Tokens of a batch from which the GPU computes layers whose weights are in host memory."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A moment of the graph, in bytes per token, per cell of a cache, and per cell and token."""

    name: str
    per_token: int
    masks: bool = True
    cells: tuple[tuple[int, int, int], ...] = ()
    """(window, bytes per cell of all streams, bytes per cell and token)."""

    def bytes(self, cells: Cells, tokens: int, mask_bytes: int) -> int:
        """Bytes of the phase for `tokens` tokens of a micro-batch."""
        total = self.per_token * tokens + (mask_bytes if self.masks else 0)
        for window, per_cell, per_cell_token in self.cells:
            n = cells.window(window)
            total += n * (per_cell * cells.streams + per_cell_token * tokens)
        return total


@dataclass(frozen=True, slots=True)
class Working:
    """Compute bytes of the devices for a given cache."""

    devices: tuple[int, ...]
    host: int
    binding: tuple[str, ...]
    """Which phase is the largest on each device."""


class ComputeModel:
    """The compute buffers of a model on its devices, as a function of the cells."""

    def __init__(
        self,
        architecture: Architecture,
        kv: KvFormat,
        options: LlamaCppOptions,
        placement: Placement,
        *,
        gpus: int,
        streamed: int,
    ) -> None:
        self._options = options
        self._placement = placement
        self._hidden = architecture.hidden_size
        self._vocab = architecture.vocab_size
        self._windows = sorted({window_of(row, options) for row, _ in architecture.kv_rows})
        self._streamed = streamed if options.op_offload else 0
        self._host_layers = HOST in placement.layers or streamed > 0
        by_device: list[dict[Phase, None]] = [{} for _ in range(gpus)]
        for layer, placed in zip(architecture.layers, placement.layers, strict=True):
            for device in range(gpus) if placed == HOST and options.op_offload else (placed,):
                if device != HOST:
                    by_device[device].update(
                        dict.fromkeys(_phases(layer, self._hidden, kv, options))
                    )
        self._phases = tuple(tuple(p) for p in by_device)

    def __call__(self, cells: Cells) -> Working:
        """Bytes per GPU and in host memory."""
        tokens = -(-cells.ubatch // cells.sequences) * cells.sequences
        mask = sum(cells.window(w) for w in self._windows) * tokens
        mask *= 2 if self._options.uses_flash_attention else F32
        inputs = self._hidden * F32 * tokens
        rows = tokens if self._options.build.logits_of_batch else cells.sequences
        head = (self._vocab + self._hidden) * rows * F32
        devices, binding = [], []
        for gpu, phases in enumerate(self._phases):
            name, largest = "", 0
            for phase in phases:
                size = phase.bytes(cells, tokens, mask)
                if size > largest:
                    name, largest = phase.name, size
            if gpu == self._placement.output and head > largest:
                name, largest = "output head", head
            if largest and self._placement.pipelined:
                copies = PIPELINE_COPIES * (mask + inputs) - mask
                largest += copies + (PIPELINE_COPIES * inputs if gpu else 0)
            elif largest and self._streamed and tokens >= STREAMED_FROM:
                largest += self._streamed
            devices.append(largest)
            binding.append(name)
        copies = PIPELINE_COPIES if self._placement.pipelined else 1
        host = copies * (mask + inputs) + inputs
        return Working(tuple(devices), host, tuple(binding))


def _phases(layer: Layer, hidden: int, kv: KvFormat, options: LlamaCppOptions) -> list[Phase]:
    phases, query = [], 0
    inputs = 2 * hidden * F32
    for mixer in layer.mixers:
        if isinstance(mixer, LatentAttention):
            phases.append(_latent(mixer, hidden, kv, options))
            query = hidden
        elif isinstance(mixer, GroupedAttention):
            phases.append(_grouped(mixer, inputs, kv, options))
            query = max(query, mixer.heads * mixer.head_dim)
        else:
            phases.append(Phase("linear attention", inputs + 4 * hidden * F32))
            query = max(query, hidden)
    if isinstance(layer.mlp, DenseMlp):
        width = 3 * layer.mlp.intermediate
        phases.append(Phase("feed-forward", inputs + (width + query) * F32))
    elif isinstance(layer.mlp, ExpertsMlp):
        mlp = layer.mlp
        width = 3 * mlp.active * mlp.intermediate
        width += mlp.active * hidden if hidden > 2 * mlp.intermediate else 0
        phases.append(Phase("experts", inputs + (width + query) * F32))
    return phases


def _scratch(row: KvRow, kv: KvFormat, options: LlamaCppOptions) -> int:
    """Bytes per cell of the 16-bit copies that flash attention makes of another format."""
    if not options.build.copies_in_graph:
        return 0
    return 2 * (
        (row.k_elements if kv.k.name != "f16" else 0)
        + (row.v_elements if kv.v.name != "f16" else 0)
    )


def _grouped(mixer: GroupedAttention, inputs: int, kv: KvFormat, options: LlamaCppOptions) -> Phase:
    q = mixer.heads * mixer.head_dim
    row = KvRow(mixer.kv_heads, mixer.head_dim, mixer.v_head_dim, mixer.span)
    window = window_of(row, options)
    if options.uses_flash_attention:
        cells = ((window, _scratch(row, kv, options), 0),)
    else:
        cells = ((window, 0, mixer.heads * F32),)
    return Phase("attention", inputs + 2 * q * F32, True, cells)


def _latent(mixer: LatentAttention, hidden: int, kv: KvFormat, options: LlamaCppOptions) -> Phase:
    width = mixer.kv_lora_rank + mixer.qk_rope_head_dim
    q = mixer.heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim + 2 * width)
    if options.uses_flash_attention:
        cells = ((0, _scratch(mixer.kv_row, kv, options), 0),)
    else:
        cells = ((0, 0, 2 * mixer.heads * F32),)
    return Phase("latent attention", (3 * hidden + q) * F32, True, cells)
