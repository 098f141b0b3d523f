"""LMDeploy (TurboMind): KV blocks in cache_max_entry_count of what is free after the weights."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.pool_engine import PoolEngine, cast_words, degrees_of, libraries, step
from llm_lander_tui.engines.pool_rules import Estimate, PoolRules, Reserve, Room
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes

SOURCE = "lmdeploy src/turbomind/models/llama/BlockManager.cc"
QUANT_POLICY = {"int8": 8, "int4": 4}
SCALE_BYTES = 4
"""A 16-bit scale and zero point for each head's key and value of a token."""
RELEASE = "0.18"
MODEL_TYPES = frozenset((
    "llama", "internlm2", "internlm3", "mixtral", "gpt_oss", "glm4_moe_lite", "qwen2", "qwen2_moe",
    "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3", "qwen3_moe", "qwen3_5",
    "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", "internvl", "internvl_chat",
))  # fmt: skip
"""What TurboMind loads in that release (lmdeploy/turbomind/supported_models.py)."""


@dataclass(frozen=True, slots=True)
class LmDeployOptions:
    """Arguments of `lmdeploy serve api_server`."""

    cache_max_entry_count: float = 0.8
    max_prefill_token_num: int = 8192
    cache_block_seq_len: int = 64


OPTIONS = (
    Option(
        "cache_max_entry_count",
        "--cache-max-entry-count",
        "share of the memory left after the weights",
        tuple(x / 100 for x in range(10, 96, 5)),
    ),
    Option(
        "max_prefill_token_num",
        "--max-prefill-token-num",
        "prompt tokens of one step",
        (2048, 4096, 8192, 16384),
    ),
    Option("cache_block_seq_len", "--cache-block-seq-len", "tokens of a block", (64, 128, 256)),
)


class LmDeploy(PoolEngine):
    """`lmdeploy serve api_server` with the TurboMind backend."""

    id: ClassVar[str] = "lmdeploy"
    title: ClassVar[str] = "LMDeploy"
    kv_formats: ClassVar[tuple[str, ...]] = ("f16", "bf16", "int8", "int4")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = LmDeployOptions()
    families: ClassVar[frozenset[str]] = frozenset({"plain", "awq", "gptq", "fp8", "mxfp4"})
    pipelines: ClassVar[bool] = False
    drafts: ClassVar[bool] = False

    def lacks(self, model: Model) -> str | None:
        kind = model.architecture.model_type
        if kind in MODEL_TYPES:
            return None
        return (
            f"TurboMind of LMDeploy {RELEASE} does not load models of type {kind}; LMDeploy takes "
            "its PyTorch backend for them, which is not planned here."
        )

    def rules(self, scenario: Scenario) -> PoolRules:
        options, degrees = own_options(scenario, LmDeployOptions), degrees_of(scenario)
        fraction = options.cache_max_entry_count

        def reserve(room: Room) -> Reserve:
            left = max(0, room.free - room.outside - room.weights)
            kept = round((1 - fraction) * left)
            return Reserve(
                kept,
                f"KV blocks take cache_max_entry_count = {fraction:g} of {format_bytes(left)} free "
                f"after the weights; {format_bytes(kept)} stay for activations.",
            )

        return PoolRules(
            reserve=reserve,
            degrees=degrees,
            working_inside=True,
            activations=step(scenario, degrees, options.max_prefill_token_num),
            graphs=Estimate(0, "TurboMind captures no CUDA graphs."),
            libraries=libraries(scenario),
            block=options.cache_block_seq_len,
            kv_scale_bytes=SCALE_BYTES,
            source=SOURCE,
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, LmDeployOptions)
        checkpoint = named_checkpoint(scenario)
        words = ["lmdeploy", "serve", "api_server", checkpoint.name, "--backend", "turbomind"]
        words += ["--tp", str(scenario.tensor_parallel), "--session-len", str(context)]
        words += ["--max-batch-size", str(max(1, scenario.concurrency))]
        words += ["--cache-max-entry-count", f"{options.cache_max_entry_count:g}"]
        words += ["--cache-block-seq-len", str(options.cache_block_seq_len)]
        words += ["--max-prefill-token-num", str(options.max_prefill_token_num)]
        words += ["--quant-policy", str(QUANT_POLICY.get(scenario.kv.name, 0))]
        words += cast_words(scenario)
        if scenario.weights.family in {"awq", "gptq"}:
            words += ["--model-format", scenario.weights.family]
        return checkpoint.above(on_cards(scenario.gpus, shlex.join(words)))


LMDEPLOY = LmDeploy()
