"""What a scenario needs when a model runs as PyTorch modules, layers divided over the GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from llm_lander_tui.engines.base import Allocation, Budget, Kind, Known
from llm_lander_tui.engines.tied_head import left_out
from llm_lander_tui.engines.torch_devices import Device, devices
from llm_lander_tui.engines.torch_rules import Cache, TorchRules
from llm_lander_tui.memory.activations import Stage
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens, round_up

SLACK = 0.04
"""Reserved beyond allocated bytes, as a share of cache and activations: the caching allocator's
rounding and fragmentation (memory_models C.4: 3 to 10 % without expandable segments)."""
SLACK_SPREAD = 0.75
"""Relative: from 1 to 7 % of cache and activations."""
ACTIVATION_SPREAD = 0.05
"""Relative: the counts of `memory.activations` lie within 4 % of measured live tensors."""
RECURRENT_SPREAD = 0.5
"""Of recurrent layers, whose kernels hold what the tensors between them do not show."""
DECODING = Stage("decoding", 0)
LOGITS = Stage("the logits", 0)
LOADING = Stage("loading, which holds some weights twice", 0)


@lru_cache(maxsize=256)
def _free_less_margin(free: int, margin: int) -> Budget:
    """What is free on a card less the safety margin."""
    return Budget(
        max(0, free - margin),
        f"{format_bytes(free)} free less {format_bytes(margin)} of safety margin; PyTorch itself "
        "takes whatever is free.",
    )


def _working_alike(found: Sequence[Device]) -> tuple[int, ...]:
    """For each GPU the first one whose cache and working memory are the same for every load."""
    first: dict[tuple[object, ...], int] = {}
    return tuple(
        first.setdefault(
            (
                d.rows, d.state, d.stages, d.masks, d.stream, d.growth, d.logits, d.hidden,
                d.loading,
            ),
            gpu,
        )
        for gpu, d in enumerate(found)
    )  # fmt: skip


class TorchFootprint:
    """Bytes per GPU for any context and concurrency; see `engines.base.Footprint`."""

    def __init__(
        self,
        scenario: Scenario,
        rules: TorchRules,
        problems: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self.rules = rules
        self.problems = problems
        self.notes = notes
        self.budgets = tuple(
            _free_less_margin(gpu.free_bytes, scenario.margin_bytes) for gpu in scenario.gpus
        )
        self._scenario = scenario
        self._devices = devices(scenario, rules)
        self._like = _working_alike(self._devices)
        self._always = [self._static(d, 0) + d.reserved + d.context.bytes for d in self._devices]
        self._draft_per_token = [d.beside.draft_per_token for d in self._devices]

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        tokens = context * concurrency
        working: dict[int, int] = {}
        for like in self._like:
            if like not in working:
                live = self._live(self._devices[like], context, concurrency)[0]
                working[like] = live + int(SLACK * live)
        return [
            always + tokens * draft + working[like]
            for always, draft, like in zip(
                self._always, self._draft_per_token, self._like, strict=True
            )
        ]

    def allocated(self, context: int, concurrency: int) -> list[int]:
        """`torch.cuda.max_memory_allocated` per GPU: without CUDA context and allocator slack."""
        return [
            self._static(d, context * concurrency) + self._live(d, context, concurrency)[0]
            for d in self._devices
        ]

    def kept(self, context: int, concurrency: int) -> list[int]:
        """Bytes per GPU that stay allocated between steps: weights, buffers and cache."""
        return [
            self._static(d, context * concurrency) + self._cache(d, context, concurrency)
            for d in self._devices
        ]

    def _reserved(self, d: Device, context: int, concurrency: int) -> tuple[int, int]:
        live = self._live(d, context, concurrency)[0]
        slack = d.reserved + int(SLACK * live)
        static = self._static(d, context * concurrency)
        return static + live + slack + d.context.bytes, slack

    def _static(self, d: Device, tokens: int) -> int:
        """Weights, buffers, adapters, and a draft model with its cache."""
        beside = d.beside.fixed + tokens * d.beside.draft_per_token
        return d.weights + d.rounding + d.fixed + beside

    def _cache(self, d: Device, context: int, concurrency: int) -> int:
        total = d.state
        for rows in d.rows:
            total += rows.bytes * rows.held(round_up(context, self.rules.page))
        return concurrency * total

    def _live(self, d: Device, context: int, concurrency: int) -> tuple[int, int, Stage]:
        """(cache and working memory at the worst moment, cache alone, that moment)."""
        rules = self.rules
        prompt = rules.prompt(context)
        cache = self._cache(d, context, concurrency)
        growing = rules.cache is Cache.DYNAMIC
        tokens = concurrency * prompt
        step = min(tokens, rules.prefill_chunk) if rules.prefill_chunk else tokens
        held = concurrency * d.state if growing else cache
        if growing:
            # A sliding layer keeps a view of the prompt's keys, so all of them stay allocated.
            for rows in d.rows:
                held += rows.bytes * tokens // rows.ratio
        peak, moment = cache * rules.cache_copies, DECODING
        if growing:
            peak += concurrency * context * d.growth
        peak += concurrency * (d.logits + d.hidden)
        fixed = held + step * (d.stream + d.masks * prompt)
        for stage in d.stages:
            here = fixed + stage.once + step * (stage.per_token + stage.per_pair * prompt)
            if here > peak:
                peak, moment = here, stage
        if d.logits:
            rows_of_logits = step if rules.logits_of_prompt else concurrency
            here = held + d.hidden * step + d.logits * rows_of_logits
            if here > peak:
                peak, moment = here, LOGITS
        if d.loading > peak:
            peak, moment = d.loading, LOADING
        return max(peak, cache), cache, moment

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        found: list[Allocation] = []
        for gpu, device in enumerate(self._devices):
            found += self._itemised(gpu, device, context, concurrency)
        return tuple(found)

    def _itemised(self, gpu: int, d: Device, context: int, concurrency: int) -> list[Allocation]:
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
                f"{' and the head' if d.logits else ''}"
                f"{left_out(self._scenario.model.architecture)}.",
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
                f"{concurrency} sequences of {d.state:,} bytes of recurrent state.",
                source="transformers cache_utils.py",
            ),
            Allocation(
                gpu,
                Kind.ACTIVATIONS,
                live - cache,
                Known.ROUGH if moment.rough else Known.CALIBRATED,
                f"largest in {moment.name}: {concurrency} x {format_tokens(prompt)} prompt tokens "
                f"with {self.rules.attention.value} attention.",
                RECURRENT_SPREAD if moment.rough else ACTIVATION_SPREAD,
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
        found += d.beside.allocations(gpu, context * concurrency)
        return [a for a in found if a.bytes]

    def _cache_why(self, d: Device, context: int, concurrency: int) -> str:
        parts = []
        for rows in d.rows:
            tokens = rows.held(round_up(context, self.rules.page))
            parts.append(
                f"{rows.layers} layers x {format_tokens(tokens)} tokens of "
                f"{rows.bytes // rows.layers:,} bytes"
            )
        return (
            f"{self.rules.cache.value} cache in {self._scenario.kv.name}, {concurrency} sequences: "
            f"{' + '.join(parts) or 'none'}."
        )
