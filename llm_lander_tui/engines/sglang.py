"""SGLang: weights and KV cache within mem_fraction_static of what is free at start."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import at_load, named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.pool_engine import (
    PoolEngine,
    cast_words,
    degrees_of,
    libraries,
    step,
)
from llm_lander_tui.engines.pool_rules import PoolRules, Reserve, Room
from llm_lander_tui.engines.refusals import ANY, Capability
from llm_lander_tui.engines.sglang_memory import (
    Start,
    automatic_fraction,
    captures_prompts,
    chunk_for,
    graph_batch_for,
    graph_estimate,
    has_tower,
)
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.degrees import Degrees, Shared
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB, format_bytes

SOURCE = "sglang srt/arg_groups/memory_hook.py, mem_cache/kv_cache_configurator.py (0.5.23)"
QUANTIZE = {"FP8": "fp8", "FP8-dynamic": "fp8"}
"""--quantization of the formats that SGLang makes of a 16-bit checkpoint while it loads."""
STATE_SLOTS = 3
"""Recurrent states per running request: the running one and those that the radix cache keeps."""


@dataclass(frozen=True, slots=True)
class SglangOptions:
    """Arguments of `sglang.launch_server`; None takes SGLang's own choice.

    `data_parallel` copies of the model stand behind a router, or with `dp_attention` copies of the
    attention within the tensor parallel ranks.
    """

    mem_fraction_static: float | None = None
    chunked_prefill_size: int | None = None
    cuda_graph_max_bs: int | None = None
    disable_cuda_graph: bool = False
    page_size: int = 1
    swa_full_tokens_ratio: float = 0.8
    expert_parallel: bool = False
    data_parallel: int = 1
    dp_attention: bool = False

    @property
    def copies(self) -> int:
        """See `engines.rank_cards.Copying`; DP attention stays within the cards of one copy."""
        return 1 if self.dp_attention else self.data_parallel


OPTIONS = (
    Option(
        "mem_fraction_static",
        "--mem-fraction-static",
        "share of the free memory for weights and KV cache",
        (None, *(x / 100 for x in range(50, 97, 2))),
    ),
    Option(
        "chunked_prefill_size",
        "--chunked-prefill-size",
        "prompt tokens of one step",
        (None, 2048, 4096, 8192, 16384),
    ),
    Option(
        "cuda_graph_max_bs",
        "--cuda-graph-max-bs-decode",
        "largest batch captured as a CUDA graph",
        (None, 8, 16, 32, 64, 128, 160, 256, 512),
    ),
    Option("disable_cuda_graph", "--disable-cuda-graph", "no CUDA graphs", (False, True)),
    Option("page_size", "--page-size", "tokens of a KV page", (1, 16, 32, 64, 128)),
    Option(
        "expert_parallel",
        "--ep-size",
        "whole experts on each GPU, not a part of each",
        (False, True),
        experts_only=True,
    ),
    Option(
        "data_parallel",
        "--dp-size",
        "copies of the model, or of its attention, that each serve their own sequences",
        (1, 2, 4, 8),
    ),
    Option(
        "dp_attention",
        "--enable-dp-attention",
        "attention copied --dp-size times within the tensor parallel ranks",
        (False, True),
    ),
)


class Sglang(PoolEngine):
    """`python -m sglang.launch_server`."""

    id: ClassVar[str] = "sglang"
    title: ClassVar[str] = "SGLang"
    kv_formats: ClassVar[tuple[str, ...]] = ("bf16", "f16", "fp8_e4m3", "fp8_e5m2", "fp8")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = SglangOptions()
    families: ClassVar[frozenset[str]] = frozenset(
        {"plain", "gptq", "awq", "fp8", "int8", "mxfp4", "nvfp4", "compressed-tensors"}
    )

    floors: ClassVar[Mapping[str, Capability]] = {ANY: (8, 0)}
    """The kernels that 0.5.23 installs (sglang-kernel 0.4.10) are compiled for 8.0, 8.9, 9.0, 10.0
    and 12.0; no format that it loads asks for more (`get_min_capability` of the recipes' methods in
    srt/layers/quantization: 6.0 to 8.0, FP8 and NVFP4 as weights only by Marlin)."""

    def rules(self, scenario: Scenario) -> PoolRules:
        options = own_options(scenario, SglangOptions)
        degrees = parallel_degrees(scenario, options)
        fraction, why = static_fraction(scenario, options)

        def reserve(room: Room) -> Reserve:
            available = max(0, room.free - room.outside)
            kept = round((1 - fraction) * available)
            return Reserve(
                kept,
                f"weights and KV cache take mem_fraction_static = {fraction:.3f} ({why}) of "
                f"{format_bytes(available)} free; {format_bytes(kept)} stay for activations and "
                "graphs.",
            )

        return PoolRules(
            reserve=reserve,
            degrees=degrees,
            working_inside=True,
            activations=step(scenario, degrees, chunk_size(scenario, options)),
            graphs=graph_estimate(_start(scenario, options)),
            libraries=libraries(scenario),
            block=options.page_size,
            window_share=options.swa_full_tokens_ratio,
            state_slots=STATE_SLOTS,
            absorbs_latent=True,
            index_bytes=index_key_bytes(scenario),
            source=SOURCE,
        )

    def problems(self, scenario: Scenario) -> tuple[str, ...]:
        found, options = super().problems(scenario), own_options(scenario, SglangOptions)
        tp, dp = scenario.tensor_parallel, options.data_parallel
        if not options.dp_attention or tp % dp == 0:
            return found
        legal = ", ".join(str(n) for n in range(1, tp + 1) if tp % n == 0)
        told = f"DP attention divides the {tp} tensor parallel ranks into equal groups, not into"
        return (*found, f"{told} {dp}; degrees of --dp-size that do: {legal}.")

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, SglangOptions)
        fraction, _ = static_fraction(scenario, options)
        checkpoint = named_checkpoint(scenario, QUANTIZE)
        words = ["python", "-m", "sglang.launch_server", "--model-path", checkpoint.name]
        words += ["--tp-size", str(scenario.tensor_parallel)]
        if scenario.pipeline_parallel > 1:
            words += ["--pp-size", str(scenario.pipeline_parallel)]
        if options.expert_parallel:
            words += ["--ep-size", str(scenario.tensor_parallel)]
        if options.data_parallel > 1:
            words += ["--dp-size", str(options.data_parallel)]
            if options.dp_attention:
                words.append("--enable-dp-attention")
        words += ["--context-length", str(context)]
        words += ["--max-running-requests", str(max(1, scenario.concurrency))]
        words += ["--mem-fraction-static", f"{fraction:.3f}"]
        words += ["--chunked-prefill-size", str(chunk_size(scenario, options))]
        if options.disable_cuda_graph:
            words.append("--disable-cuda-graph")
        else:
            words += ["--cuda-graph-max-bs-decode", str(graph_batch(scenario, options))]
        if options.page_size > 1:
            words += ["--page-size", str(options.page_size)]
        if scenario.kv.name.startswith("fp8"):
            kind = "fp8_e5m2" if scenario.kv.name == "fp8_e5m2" else "fp8_e4m3"
            words += ["--kv-cache-dtype", kind]
        words += cast_words(scenario)
        if quantization := at_load(scenario, QUANTIZE):
            words += ["--quantization", quantization]
        words += _beside_words(scenario)
        cards = scenario.gpus[: parallel_degrees(scenario, options).ranks]
        return checkpoint.above(on_cards(cards, shlex.join(words)))


def _beside_words(scenario: Scenario) -> list[str]:
    """The adapters' pool, and the draft at SGLang's plainest settings of speculation."""
    words = []
    if scenario.lora is not None:
        words += ["--enable-lora", "--max-loras-per-batch", str(scenario.lora.adapters)]
        words += ["--max-lora-rank", str(scenario.lora.rank), "--lora-target-modules", "all"]
    if scenario.draft is not None:
        words += ["--speculative-algorithm", "STANDALONE"]
        words += ["--speculative-draft-model-path", scenario.draft.name]
        words += ["--speculative-num-steps", "3", "--speculative-eagle-topk", "1"]
        words += ["--speculative-num-draft-tokens", "4"]
    return words


def parallel_degrees(scenario: Scenario, options: SglangOptions) -> Degrees:
    """How the model is divided: `--dp-size` copies, or one whose attention is copied that often.

    DP attention divides the ranks of `--tp-size` into groups that hold the attention and cache the
    tokens of their own sequences, while experts, dense layers and the head stay divided over all
    (sglang layers/dp_attention.py).
    """
    own = degrees_of(scenario, whole_experts=options.expert_parallel)
    if options.dp_attention:
        data = gcd(own.tensor, options.data_parallel)
        return replace(own, tensor=own.tensor // data, data=data, shared=Shared.FEED_FORWARD)
    return replace(own, data=options.data_parallel, shared=Shared.NOTHING)


def chunk_size(scenario: Scenario, options: SglangOptions) -> int:
    """Prompt tokens of one step: as asked, else by the smallest card's memory."""
    if options.chunked_prefill_size is not None:
        return options.chunked_prefill_size
    return chunk_for(_smallest_mib(scenario.gpus))


def graph_batch(scenario: Scenario, options: SglangOptions) -> int:
    """Largest batch captured as a graph: as asked, else by memory and tensor parallelism."""
    if options.cuda_graph_max_bs is not None:
        return options.cuda_graph_max_bs
    return graph_batch_for(_smallest_mib(scenario.gpus), scenario.tensor_parallel)


def static_fraction(scenario: Scenario, options: SglangOptions) -> tuple[float, str]:
    """mem_fraction_static, and whether it was asked for or follows SGLang's own rule."""
    if options.mem_fraction_static is not None:
        return options.mem_fraction_static, "as asked"
    return automatic_fraction(_start(scenario, options), _smallest_mib(scenario.gpus))


def index_key_bytes(scenario: Scenario) -> int:
    """Bytes of an element of the index keys that sparse attention over grouped heads caches.

    They stay at 16 bits, but beside an FP8 E4M3 cache on Hopper (mem_cache/memory_pool.py,
    get_minimax_sparse_index_dtype).
    """
    hopper = all(gpu.capability == (9, 0) for gpu in scenario.gpus)
    return 1 if hopper and scenario.kv.name in {"fp8", "fp8_e4m3"} else 2


def _start(scenario: Scenario, options: SglangOptions) -> Start:
    architecture, graphs = scenario.model.architecture, not options.disable_cuda_graph
    return Start(
        chunk=chunk_size(scenario, options),
        batch=graph_batch(scenario, options),
        graphs=graphs,
        prefill_graphs=graphs and captures_prompts(architecture, scenario.pipeline_parallel),
        ranks=scenario.tensor_parallel * scenario.pipeline_parallel,
        copies=options.data_parallel if options.dp_attention else 1,
        latent=any(row.latent for row, _ in architecture.kv_rows),
        tower=has_tower(architecture),
    )


def _smallest_mib(gpus: Sequence[Gpu]) -> float:
    """Memory of the smallest card, in MiB as nvidia-smi tells it to SGLang."""
    return min((gpu.total_bytes for gpu in gpus), default=0) / MIB


SGLANG = Sglang()
