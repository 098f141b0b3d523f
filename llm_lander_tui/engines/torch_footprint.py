"""What a scenario needs when a model runs as PyTorch modules, layers divided over the GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_lander_tui.engines.base import Allocation, Budget, Kind, Known
from llm_lander_tui.engines.torch_rules import Cache, TorchRules, place_layers
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.gpus.context import ContextSize, cuda_context_bytes
from llm_lander_tui.memory.activations import Stage, largest_stages, layer_stages
from llm_lander_tui.memory.allocator import cublas_workspace, weights_held
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import LatentAttention
from llm_lander_tui.models.cache import FULL, KvRow, RecurrentState, SpanKind
from llm_lander_tui.models.tensors import Part
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens

SLACK = 0.04
"""Reserved beyond allocated bytes, as a share of cache and activations: the caching allocator's
rounding and fragmentation (memory_models C.4: 3 to 10 % without expandable segments)."""
SLACK_SPREAD = 0.75
ACTIVATION_SPREAD = 0.05
INDEX_BYTES = 32
"""Token ids, mask, positions and cache positions, 64-bit each, per token."""
LOGIT_BYTES = 4
"""FP32 copy of the logits that sampling works on."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Cache rows of one span on a device: bytes per token, tokens held at most (0: all)."""

    layers: int
    per_token: int
    window: int

    def bytes(self, tokens: int) -> int:
        return self.per_token * (min(tokens, self.window) if self.window else tokens)


@dataclass(frozen=True, slots=True)
class _Device:
    """One GPU's share, as coefficients of context and concurrency."""

    weights: int
    rounding: int
    reserved: int
    layers: range
    rows: tuple[_Rows, ...]
    state: int
    stages: tuple[Stage, ...]
    stream: int
    """Bytes per token beside the layers: input embeddings, positions."""
    growth: int
    """Bytes per token of the largest tensor that a concatenation makes anew."""
    logits: int
    """Bytes per row of logits; 0 without the head."""
    hidden: int
    """Bytes per token of the hidden states that the head reads."""
    fixed: int
    context: ContextSize


class TorchFootprint:
    """Bytes per GPU for any context and concurrency; see `engines.base.Footprint`."""

    def __init__(
        self, scenario: Scenario, rules: TorchRules, problems: tuple[str, ...] = ()
    ) -> None:
        self.rules = rules
        self.problems = problems
        self.notes: tuple[str, ...] = ()
        self.budgets = tuple(
            Budget(
                max(0, gpu.free_bytes - scenario.margin_bytes),
                f"{format_bytes(gpu.free_bytes)} free less {format_bytes(scenario.margin_bytes)} "
                "of safety margin; PyTorch itself takes whatever is free.",
            )
            for gpu in scenario.gpus
        )
        self._scenario = scenario
        self._devices = _devices(scenario, rules)

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        return [self._reserved(d, context, concurrency)[0] for d in self._devices]

    def allocated(self, context: int, concurrency: int) -> list[int]:
        """`torch.cuda.max_memory_allocated` per GPU: without CUDA context and allocator slack."""
        return [
            d.weights + d.rounding + d.fixed + self._live(d, context, concurrency)[0]
            for d in self._devices
        ]

    def kept(self, context: int, concurrency: int) -> list[int]:
        """Bytes per GPU that stay allocated between steps: weights, buffers and cache."""
        return [
            d.weights + d.rounding + d.fixed + self._cache(d, context, concurrency)
            for d in self._devices
        ]

    def _reserved(self, d: _Device, context: int, concurrency: int) -> tuple[int, int]:
        live = self._live(d, context, concurrency)[0]
        slack = d.reserved + int(SLACK * live)
        return d.weights + d.rounding + d.fixed + live + slack + d.context.bytes, slack

    def _cache(self, d: _Device, context: int, concurrency: int) -> int:
        total = d.state
        for rows in d.rows:
            total += rows.bytes(context)
        return concurrency * total

    def _live(self, d: _Device, context: int, concurrency: int) -> tuple[int, int, str]:
        """(cache and working memory at the worst moment, cache alone, that moment)."""
        rules = self.rules
        prompt = rules.prompt(context)
        cache = self._cache(d, context, concurrency)
        growing = rules.cache is Cache.DYNAMIC
        tokens = concurrency * prompt
        held = concurrency * d.state if growing else cache
        if growing:
            # A sliding layer keeps a view of the prompt's keys, so all of them stay allocated.
            for rows in d.rows:
                held += rows.per_token * tokens
        peak, moment = cache * rules.cache_copies, "decoding"
        if growing:
            peak += concurrency * context * d.growth
        peak += concurrency * (d.logits + d.hidden)
        stream = tokens * d.stream
        for stage in d.stages:
            here = held + stream + stage.once + tokens * (stage.per_token + stage.per_pair * prompt)
            if here > peak:
                peak, moment = here, stage.name
        if d.logits:
            rows_of_logits = tokens if rules.logits_of_prompt else concurrency
            here = held + d.hidden * tokens + d.logits * rows_of_logits
            if here > peak:
                peak, moment = here, "the logits"
        return max(peak, cache), cache, moment

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        found: list[Allocation] = []
        for gpu, device in enumerate(self._devices):
            found += self._itemised(gpu, device, context, concurrency)
        return tuple(found)

    def _itemised(self, gpu: int, d: _Device, context: int, concurrency: int) -> list[Allocation]:
        live, cache, moment = self._live(d, context, concurrency)
        slack = self._reserved(d, context, concurrency)[1]
        state = concurrency * d.state
        prompt = self.rules.prompt(context)
        found = [
            Allocation(
                gpu,
                Kind.WEIGHTS,
                d.weights,
                Known.EXACT,
                f"{self._scenario.weights.name} tensors of {len(d.layers)} layers"
                f"{' with the embedding' if gpu == 0 else ''}"
                f"{' and the head' if d.logits else ''}.",
                source="shapes of the model's own modules",
            ),
            Allocation(
                gpu,
                Kind.KV_CACHE,
                cache - state,
                Known.EXACT,
                self._cache_why(d, context, concurrency),
                source="transformers cache_utils.py",
            ),
            Allocation(
                gpu,
                Kind.STATE,
                state,
                Known.EXACT,
                f"{concurrency} sequences of {format_bytes(d.state)} recurrent state.",
                source="transformers cache_utils.py",
            ),
            Allocation(
                gpu,
                Kind.ACTIVATIONS,
                live - cache,
                Known.CALIBRATED,
                f"largest in {moment}: {concurrency} x {format_tokens(prompt)} prompt tokens "
                f"with {self.rules.attention.value} attention.",
                ACTIVATION_SPREAD,
                "live tensors of Transformers' modules, checked on the published peaks of Qwen2.5",
            ),
        ]
        found += [
            Allocation(gpu, Kind.ACTIVATIONS, b.bytes, b.known, b.why, b.spread, b.source)
            for b in self.rules.buffers
        ]
        fixed = d.fixed - sum(b.bytes for b in self.rules.buffers)
        found += [
            Allocation(
                gpu,
                Kind.RUNTIME,
                fixed + d.rounding,
                Known.EXACT,
                f"cuBLAS workspace and tables {format_bytes(fixed)}, weights rounded up to the "
                f"allocator's blocks {format_bytes(d.rounding)}.",
                source="c10/cuda/CUDACachingAllocator.cpp, CublasHandlePool.cpp",
            ),
            Allocation(
                gpu,
                Kind.RUNTIME,
                slack,
                Known.ROUGH,
                f"allocator slack: {SLACK:.0%} of cache and activations, and segments that the "
                "weights leave unused.",
                SLACK_SPREAD,
                "memory_models C.4",
            ),
            Allocation(
                gpu,
                Kind.RUNTIME,
                d.context.bytes,
                Known.CALIBRATED,
                f"CUDA context of one PyTorch process: {format_bytes(d.context.bytes)}.",
                d.context.spread,
                d.context.source,
            ),
        ]
        return [a for a in found if a.bytes]

    def _cache_why(self, d: _Device, context: int, concurrency: int) -> str:
        parts = []
        for rows in d.rows:
            tokens = min(context, rows.window) if rows.window else context
            parts.append(
                f"{rows.layers} layers x {format_tokens(tokens)} tokens of "
                f"{rows.per_token // rows.layers:,} bytes"
            )
        return (
            f"{self.rules.cache.value} cache in {self._scenario.kv.name}, {concurrency} sequences: "
            f"{' + '.join(parts) or 'none'}."
        )


def _devices(scenario: Scenario, rules: TorchRules) -> list[_Device]:
    architecture = scenario.model.architecture
    weights = weights_of(architecture, scenario.weights)
    gpus = scenario.gpus
    by_layer = weights.by_layer
    sizes = [by_layer.get(i, 0) for i in range(len(architecture.layers))]
    after = sum(
        t.bytes
        for t in weights.tensors
        if t.layer is None and t.tensor.part in (Part.LM_HEAD, Part.NORM)
    )
    before = by_layer.get(None, 0) - after
    ranges = place_layers(sizes, before, after, [gpu.free_bytes for gpu in gpus])
    element = 4 if scenario.weights.name == "FP32" else 2
    head_gpu = 0 if architecture.tied_embeddings else len(gpus) - 1
    found = []
    for gpu, layers in enumerate(ranges):
        first, last = gpu == 0, gpu == len(gpus) - 1
        own = sum(sizes[i] for i in layers) + first * before + last * after
        memory = weights_held(weights, layers, outer=first)
        rounding = 0 if rules.one_arena else max(0, memory.allocated - own)
        rounding = rounding if len(gpus) == 1 else 0
        spare = 0 if rules.one_arena else max(0, memory.reserved - memory.allocated)
        mine = [architecture.layers[i] for i in layers]
        rows = _rows(mine, scenario.kv, rules)
        stages = largest_stages(
            [
                stage
                for layer in dict.fromkeys(mine)
                for stage in layer_stages(
                    layer,
                    architecture.hidden_size,
                    element,
                    rules.attention,
                    rules.experts,
                    repeats_kv=rules.repeats_kv,
                    dequantises=rules.dequantises,
                )
            ]
        )
        rotated = _rotated(architecture)
        tables = 0
        if rules.rope_tables and architecture.context_limit is not None:
            positions = architecture.context_limit.trained
            tables = len(layers) * positions * rotated * 2 * element
        found.append(
            _Device(
                weights=own,
                rounding=rounding,
                reserved=spare if len(gpus) == 1 else 0,
                layers=layers,
                rows=rows,
                state=sum(_state_bytes(m.state) for x in mine for m in x.mixers if m.state),
                stages=stages,
                stream=element * (first * architecture.hidden_size + 2 * rotated) + INDEX_BYTES,
                growth=_growth(mine, scenario.kv, rules),
                logits=(element + LOGIT_BYTES) * architecture.vocab_size * (gpu == head_gpu),
                hidden=element * architecture.hidden_size,
                fixed=cublas_workspace(gpus[gpu]) + tables + sum(b.bytes for b in rules.buffers),
                context=cuda_context_bytes(gpus[gpu], "torch"),
            )
        )
    return found


def _rotated(architecture: Architecture) -> int:
    dims = [table.dim for table in architecture.rope]
    return max(dims, default=0)


def _row_bytes(row: KvRow, kv: KvFormat, layer: Layer, rules: TorchRules) -> int:
    """Bytes that a layer caches for one token."""
    if row.latent and rules.latent_expanded:
        mixer = next(m for m in layer.mixers if isinstance(m, LatentAttention))
        k = mixer.heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim)
        return kv.k.row_bytes(k) + kv.v.row_bytes(mixer.heads * mixer.v_head_dim)
    size = kv.k.row_bytes(row.k_elements + row.indexer_dim) + kv.v.row_bytes(row.v_elements)
    return size + _quantised_scales(row.elements, kv)


QUANTISED_GROUP = 64
"""Elements that share a 16-bit scale and shift in QuantizedCache (q_group_size)."""


def _quantised_scales(elements: int, kv: KvFormat) -> int:
    return 4 * elements // QUANTISED_GROUP if kv.k.name in {"int8", "int4"} else 0


def _rows(layers: Sequence[Layer], kv: KvFormat, rules: TorchRules) -> tuple[_Rows, ...]:
    found: dict[int, tuple[int, int]] = {}
    for layer in layers:
        for mixer in layer.mixers:
            row = mixer.kv_row
            if row is None:
                continue
            window = 0 if row.span == FULL else row.span.size
            if row.span.kind is SpanKind.SLIDING and rules.cache is Cache.DYNAMIC:
                window -= 1
            count, size = found.get(window, (0, 0))
            found[window] = (count + 1, size + _row_bytes(row, kv, layer, rules))
    return tuple(_Rows(count, size, window) for window, (count, size) in found.items())


def _growth(layers: Sequence[Layer], kv: KvFormat, rules: TorchRules) -> int:
    """Bytes per token of the keys (or values) of the layer that caches most."""
    largest = 0
    for layer in dict.fromkeys(layers):
        for mixer in layer.mixers:
            row = mixer.kv_row
            if row is not None and row.span == FULL:
                size = _row_bytes(row, kv, layer, rules)
                largest = max(largest, size // (1 if row.latent else 2))
    return largest


def _state_bytes(state: RecurrentState) -> int:
    """Recurrent state of a layer and sequence: 16-bit convolution inputs, FP32 recurrence."""
    return 2 * state.conv_channels * state.conv_kernel + 4 * state.recurrent_elements
