"""The start command of `vllm serve`."""

from __future__ import annotations

import json
import shlex

from llm_lander_tui.engines.checkpoint_words import at_load, named_checkpoint
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.engines.vllm.footprint import VllmFootprint
from llm_lander_tui.engines.vllm.options import VllmOptions, max_lora_rank
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.own_format import kv_format_of
from llm_lander_tui.planner.scenario import Scenario

_ON_THE_FLY = {"FP8": "fp8", "FP8-dynamic": "fp8", "NF4": "bitsandbytes", "NF4-DQ": "bitsandbytes"}
"""Formats that vLLM makes of a 16-bit checkpoint while it loads."""
_DTYPES = {"BF16": "bfloat16", "FP16": "float16", "FP32": "float32"}
BFLOAT16_SINCE = (8, 0)
"""The compute capability that vLLM asks of a card for BF16."""


def serve_command(scenario: Scenario, context: int, options: VllmOptions) -> str:
    """`vllm serve` for `context` tokens a sequence, every option that the plan counts on stated."""
    footprint = VllmFootprint(scenario, options)
    batch = footprint.batch(context, scenario.concurrency)
    checkpoint = named_checkpoint(scenario, _ON_THE_FLY)
    words = ["vllm", "serve", checkpoint.name]
    if quantization := at_load(scenario, _ON_THE_FLY):
        words += ["--quantization", quantization]
    words += ["--max-model-len", str(context)]
    words += ["--gpu-memory-utilization", f"{footprint.utilization:g}"]
    words += ["--max-num-seqs", str(batch.sequences)]
    words += ["--max-num-batched-tokens", str(batch.tokens)]
    words += _number_format_words(scenario)
    if scenario.tensor_parallel > 1:
        words += ["--tensor-parallel-size", str(scenario.tensor_parallel)]
    if scenario.pipeline_parallel > 1:
        words += ["--pipeline-parallel-size", str(scenario.pipeline_parallel)]
    if options.data_parallel > 1:
        words += ["--data-parallel-size", str(options.data_parallel)]
    if options.enable_expert_parallel:
        words.append("--enable-expert-parallel")
    if options.block_size is not None:
        words += ["--block-size", str(options.block_size)]
    if options.enforce_eager:
        words.append("--enforce-eager")
    if options.async_scheduling is not None:
        words.append("--async-scheduling" if options.async_scheduling else "--no-async-scheduling")
    if options.prefix_caching is not None:
        words.append(
            "--enable-prefix-caching" if options.prefix_caching else "--no-enable-prefix-caching"
        )
    if options.cpu_offload_gb:
        words += ["--cpu-offload-gb", f"{options.cpu_offload_gb:g}"]
    words += _lora_words(scenario) + _draft_words(scenario, options)
    cards = scenario.gpus[: footprint.degrees.ranks]
    return checkpoint.above(on_cards(cards, shlex.join(words)))


def _number_format_words(scenario: Scenario) -> list[str]:
    """--dtype where the model's own does not do, --kv-cache-dtype where "auto" means another."""
    model, weights = scenario.model, scenario.weights.name
    words = []
    if weights in _DTYPES and _DTYPES[weights] != model.architecture.dtype:
        words += ["--dtype", _DTYPES[weights]]
    elif model.architecture.dtype == "bfloat16" and any(map(_lacks_bfloat16, scenario.gpus)):
        words += ["--dtype", "float16"]
    own = kv_format_of(model)
    if scenario.kv.k.bits < 16:
        words += ["--kv-cache-dtype", scenario.kv.k.name]
    elif own is not None and own.k.bits < 16:
        words += ["--kv-cache-dtype", "bfloat16"]
    return words


def _lacks_bfloat16(gpu: Gpu) -> bool:
    return gpu.capability is not None and gpu.capability < BFLOAT16_SINCE


def _lora_words(scenario: Scenario) -> list[str]:
    if scenario.lora is None:
        return []
    rank = max_lora_rank(scenario.lora.rank)
    words = ["--enable-lora", "--max-loras", str(scenario.lora.adapters)]
    return [*words, "--max-lora-rank", str(rank)]


def _draft_words(scenario: Scenario, options: VllmOptions) -> list[str]:
    tokens = options.drafted_tokens(scenario.draft)
    if scenario.draft is not None:
        config = {"model": scenario.draft.name, "num_speculative_tokens": tokens}
    elif tokens and scenario.model.architecture.mtp:
        config = {"method": "mtp", "num_speculative_tokens": tokens}
    else:
        return []
    return ["--speculative-config", json.dumps(config)]
