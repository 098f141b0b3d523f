"""AutoAWQ: AWQ weights with fused modules and a cache allocated in advance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.refusals import ANY, Capability
from llm_lander_tui.engines.torch_engine import (
    NEW_TOKENS,
    TorchEngine,
    generation,
    new_tokens,
    python_command,
)
from llm_lander_tui.engines.torch_rules import TRANSFORMERS_4_40, Cache, TorchRules
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.attention import GroupedAttention
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario


@dataclass(frozen=True, slots=True)
class AutoAwqOptions:
    """Arguments of `from_quantized`.

    `fuse_layers` allocates the cache for batch x context at once; `max_new_tokens` None plans for a
    prompt that fills the whole context.
    """

    fuse_layers: bool = True
    max_new_tokens: int | None = None


OPTIONS = (
    Option("fuse_layers", "fuse_layers", "fused modules with a static cache", (True, False)),
    NEW_TOKENS,
)


LAST_RELEASE = "0.2.9"
MODEL_TYPES = frozenset((
    "mpt", "llama", "opt", "RefinedWeb", "RefinedWebModel", "exaone", "falcon", "bloom", "gptj",
    "gpt_bigcode", "mistral", "mixtral", "gpt_neox", "aquila", "Yi", "qwen", "baichuan", "llava",
    "qwen2", "qwen3", "qwen3_moe", "gemma", "gemma2", "stablelm", "starcoder2", "llava_next",
    "phi3", "phi3_v", "cohere", "deepseek_v2", "deepseek_v3", "minicpm", "internlm2", "minicpm3",
    "qwen2_vl", "qwen2_5_vl", "qwen2_5_omni",
))  # fmt: skip
"""The types of that release (awq/models/auto.py)."""


class AutoAwq(TorchEngine):
    """AutoAWQ's `AutoAWQForCausalLM.from_quantized`."""

    id: ClassVar[str] = "autoawq"
    title: ClassVar[str] = "AutoAWQ"
    kv_formats: ClassVar[tuple[str, ...]] = ("f16",)
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = AutoAwqOptions()
    families: ClassVar[frozenset[str]] = frozenset({"awq"})

    floors: ClassVar[Mapping[str, Capability]] = {ANY: (7, 5)}
    """README of that release, Prerequisites: Turing and later."""

    def lacks(self, recipe: Recipe, model: Model) -> str | None:
        kind = model.architecture.model_type
        if kind in MODEL_TYPES:
            return None
        return (
            f"AutoAWQ {LAST_RELEASE}, its last release, does not know models of type {kind}; vLLM "
            "and Transformers load AWQ checkpoints of newer ones."
        )

    def rules(self, scenario: Scenario) -> TorchRules:
        options = own_options(scenario, AutoAwqOptions)
        fused = options.fuse_layers
        eager = fused and _grouped(scenario.model.architecture)
        return replace(
            TRANSFORMERS_4_40,
            attention=Attention.EAGER if eager else Attention.SDPA,
            cache=Cache.STATIC if fused else Cache.DYNAMIC,
            cache_copies=1 if fused else TRANSFORMERS_4_40.cache_copies,
            rope_tables=not fused,
            dequantises=True,
            fuses_qkv=fused,
            max_new_tokens=options.max_new_tokens,
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, AutoAwqOptions)
        checkpoint = named_checkpoint(scenario)
        new = new_tokens(options.max_new_tokens, context)
        lines = (
            "from awq import AutoAWQForCausalLM",
            "from transformers import AutoTokenizer",
            f"model = AutoAWQForCausalLM.from_quantized({checkpoint.name!r}, "
            f"fuse_layers={options.fuse_layers}, max_seq_len={context}, "
            f"batch_size={scenario.concurrency})",
            *generation(scenario, context, new, "'cuda'"),
            f"output = model.generate(**batch, max_new_tokens={new})",
            "print(tokenizer.batch_decode(output)[0])",
        )
        return checkpoint.above(python_command(scenario, lines))


def _grouped(architecture: Architecture) -> bool:
    """Whether query heads share KV heads: the fused attention then computes scores itself.

    Seen in the published peaks of Mistral, Mixtral, TinyLlama and CodeLlama-34B; multi-head models
    (Llama-2, MPT) show no scores (AutoAWQ README, benchmarks).
    """
    return any(
        isinstance(mixer, GroupedAttention) and mixer.kv_heads < mixer.heads
        for layer, _ in architecture.layer_groups
        for mixer in layer.mixers
    )


AUTOAWQ = AutoAwq()
