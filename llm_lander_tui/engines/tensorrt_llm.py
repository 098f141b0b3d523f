"""TensorRT-LLM: KV cache in a fraction of what is left after engine and activations."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.base import Known, Option
from llm_lander_tui.engines.checkpoint_words import named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.pool_engine import PoolEngine, degrees_of, libraries, step
from llm_lander_tui.engines.pool_rules import Estimate, PoolRules, Reserve, Room
from llm_lander_tui.engines.refusals import ANY, Capability
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.ranks import Tile
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB, format_bytes, format_tokens

SOURCE = "tensorrt_llm/_torch/pyexecutor/_util.py: KvCacheCreator"
TILE = Tile(128, 128)
"""MXFP4 experts are padded to 128 on both sides: 63.5 GiB of gpt-oss-120b in a log of 1.x."""
LOGIT_BYTES = 4
"""Logits are FP32."""
GRAPHS = 1024 * MIB
"""CUDA graphs of the default batch sizes; taken from vLLM's captures, whose mean is 1.04 GiB, for
want of a log of TensorRT-LLM."""
GRAPH_SPREAD = 0.8
"""Relative: vLLM's captures run from half to nearly twice their mean."""


@dataclass(frozen=True, slots=True)
class TensorRtOptions:
    """Arguments of `trtllm-serve`."""

    free_gpu_memory_fraction: float = 0.9
    max_num_tokens: int = 8192
    max_batch_size: int = 2048
    tokens_per_block: int = 32
    cuda_graphs: bool = True
    expert_parallel: bool = False


OPTIONS = (
    Option(
        "free_gpu_memory_fraction",
        "--kv_cache_free_gpu_memory_fraction",
        "share of the memory left after loading and profiling",
        tuple(x / 100 for x in range(50, 97, 5)),
    ),
    Option(
        "max_num_tokens", "--max_num_tokens", "tokens of one step", (2048, 4096, 8192, 16384, 32768)
    ),
    Option(
        "max_batch_size", "--max_batch_size", "sequences of one step", (64, 256, 512, 1024, 2048)
    ),
    Option(
        "expert_parallel",
        "--ep_size",
        "whole experts on each GPU, not a part of each",
        (False, True),
        experts_only=True,
    ),
)


class TensorRtLlm(PoolEngine):
    """`trtllm-serve` with the PyTorch backend."""

    id: ClassVar[str] = "tensorrt-llm"
    title: ClassVar[str] = "TensorRT-LLM"
    kv_formats: ClassVar[tuple[str, ...]] = ("bf16", "f16", "fp8")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = TensorRtOptions()
    families: ClassVar[frozenset[str]] = frozenset(
        {"plain", "fp8", "nvfp4", "mxfp4", "awq", "gptq"}
    )
    """The recipes of its PyTorch backend (docs/source/features/quantization.md); SmoothQuant's INT8
    belongs to the TensorRT engines that it came after."""

    floors: ClassVar[Mapping[str, Capability]] = {
        ANY: (8, 0), "fp8": (8, 9), "FP8-block": (9, 0), "mxfp4": (9, 0), "nvfp4": (10, 0),
    }  # fmt: skip
    """Hardware matrix of docs/source/features/quantization.md: Ampere on; FP8 by tensor from Ada
    on, by block from Hopper on, NVFP4 from Blackwell on. It has MXFP4 on Blackwell alone, but the
    deployment guide for GPT-OSS runs it on Hopper by Triton, which is the default there."""

    def rules(self, scenario: Scenario) -> PoolRules:
        options = own_options(scenario, TensorRtOptions)
        degrees = degrees_of(scenario, whole_experts=options.expert_parallel)
        fraction = options.free_gpu_memory_fraction

        def reserve(room: Room) -> Reserve:
            left = max(0, room.free - room.outside - room.weights - room.working)
            kept = round((1 - fraction) * left)
            return Reserve(
                kept,
                f"KV cache takes free_gpu_memory_fraction = {fraction:g} of {format_bytes(left)} "
                f"left after engine and activations; {format_bytes(kept)} stay free.",
            )

        return PoolRules(
            reserve=reserve,
            degrees=degrees,
            working_inside=False,
            activations=_working(scenario, options, degrees),
            graphs=_graphs(options),
            libraries=libraries(scenario),
            block=options.tokens_per_block,
            tile=TILE,
            absorbs_latent=True,
            source=SOURCE,
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, TensorRtOptions)
        checkpoint = named_checkpoint(scenario)
        words = ["trtllm-serve", checkpoint.name, "--backend", "pytorch"]
        words += ["--tp_size", str(scenario.tensor_parallel)]
        words += ["--pp_size", str(scenario.pipeline_parallel)]
        if options.expert_parallel:
            words += ["--ep_size", str(scenario.tensor_parallel)]
        words += ["--max_batch_size", str(options.max_batch_size)]
        words += ["--max_num_tokens", str(options.max_num_tokens)]
        words += ["--max_seq_len", str(context)]
        words += ["--kv_cache_free_gpu_memory_fraction", f"{options.free_gpu_memory_fraction:g}"]
        line = shlex.join(words)
        if scenario.kv.name == "fp8":
            line += r" --extra_llm_api_options <(printf 'kv_cache_config:\n  dtype: fp8\n')"
        return checkpoint.above(on_cards(scenario.gpus, line))


def _working(scenario: Scenario, options: TensorRtOptions, degrees: Degrees) -> Estimate:
    """A step of max_num_tokens, and FP32 logits of every sequence."""
    rows = min(options.max_batch_size, options.max_num_tokens)
    logits = LOGIT_BYTES * rows * scenario.model.architecture.vocab_size
    layer = step(scenario, degrees, options.max_num_tokens)
    return replace(
        layer,
        bytes=layer.bytes + logits,
        why=f"a step of {format_tokens(options.max_num_tokens)} tokens and FP32 logits of "
        f"{format_tokens(rows)} sequences: {format_bytes(layer.bytes + logits)}.",
    )


def _graphs(options: TensorRtOptions) -> Estimate:
    if not options.cuda_graphs:
        return Estimate(0, "no CUDA graphs.")
    return Estimate(
        GRAPHS,
        f"CUDA graphs of the default batch sizes: {format_bytes(GRAPHS)}, as vLLM's take on "
        "average; no log of TensorRT-LLM tells its own.",
        Known.ROUGH,
        GRAPH_SPREAD,
        "mean of vLLM captures, memory_models C.2",
    )


TENSORRT_LLM = TensorRtLlm()
