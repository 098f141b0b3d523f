"""ExLlamaV2: EXL2, EXL3 and GPTQ weights, a static cache, prompts in chunks."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import named_checkpoint
from llm_lander_tui.engines.exllama_modes import chat_mode
from llm_lander_tui.engines.layer_kinds import largest_matrix
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.torch_engine import TorchEngine
from llm_lander_tui.engines.torch_rules import Buffer, Cache, TorchRules
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.formats import kv_format
from llm_lander_tui.memory.activations import Attention, Experts
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, round_up

CACHE_FLAGS = {"f16": "", "fp8": " -c8", "int8": " -cq8", "int4": " -cq4"}
V3_CACHE_FLAGS = {"f16": "", "int8": " -cq 8", "int4": " -cq 4"}
"""Of exllamav3 (1.6.5), which loads EXL3 and takes its cache's bits as a number, 2 to 8 (cache/
quant.py); like ExLlamaV2 it keeps a 16-bit scale for every 32 elements."""
V3_PAGE = 256
"""Tokens that exllamav3's cache is a multiple of (constants.py, PAGE_SIZE)."""
LAST_RELEASE = "0.3.2"
GPTQ_BITS = 4
"""The only width of GPTQ that ExLlamaV2 runs: eight weights in an int32 (ext.py, make_q_matrix)."""
MODEL_TYPES = frozenset((
    "llama", "mistral", "mixtral", "llava", "mistral3", "Yi", "orion", "qwen2", "qwen3",
    "qwen3_moe", "qwen2_vl", "qwen2_5_vl", "gemma", "gemma2", "gemma3", "gemma3_text", "starcoder2",
    "cohere", "cohere2", "dbrx", "phi3", "gpt_bigcode", "gpt2", "minicpm", "internlm2", "index",
    "granite", "glm4",
))  # fmt: skip
"""The types of ExLlamaV2's last release (exllamav2/architecture.py)."""


@dataclass(frozen=True, slots=True)
class ExLlamaOptions:
    """`max_input_len` is the chunk of the prompt that one step takes."""

    attention: Attention = Attention.FLASH
    max_input_len: int = 2048


OPTIONS = (
    Option("attention", "no_flash_attn", "how attention is computed", tuple(Attention)),
    Option(
        "max_input_len",
        "max_input_len",
        "prompt tokens of one step",
        (256, 512, 1024, 2048, 4096, 8192),
    ),
)


class ExLlama(TorchEngine):
    """ExLlamaV2's `ExLlamaV2Cache` over `config.max_seq_len` tokens."""

    id: ClassVar[str] = "exllamav2"
    title: ClassVar[str] = "ExLlamaV2"
    kv_formats: ClassVar[tuple[str, ...]] = ("f16", "fp8", "int8", "int4")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = ExLlamaOptions()
    families: ClassVar[frozenset[str]] = frozenset({"exl2", "exl3", "gptq"})

    def lacks(self, recipe: Recipe, model: Model) -> str | None:
        if recipe.family == "gptq" and recipe.bits != GPTQ_BITS:
            return f"ExLlamaV2 runs GPTQ weights of {GPTQ_BITS} bits only."
        kind = model.architecture.model_type
        if recipe.family == "exl3" or kind in MODEL_TYPES:
            return None
        return (
            f"ExLlamaV2 {LAST_RELEASE}, its last release, does not know models of type {kind}; its "
            "successor exllamav3 loads newer ones in EXL3."
        )

    def as_loaded(self, scenario: Scenario) -> tuple[Scenario, tuple[str, ...]]:
        if scenario.weights.family != "exl3":
            return scenario, ()
        note = "exllamav3, ExLlamaV2's successor, loads EXL3 weights."
        if scenario.kv.name in V3_CACHE_FLAGS:
            return scenario, (note,)
        more = "It has no FP8 cache: its 8-bit cache is planned and started."
        return replace(scenario, kv=kv_format("int8")), (note, more)

    def rules(self, scenario: Scenario) -> TorchRules:
        options, newer = own_options(scenario, ExLlamaOptions), scenario.weights.family == "exl3"
        return TorchRules(
            attention=options.attention,
            experts=Experts.LOOP,
            cache=Cache.STATIC,
            # exllamav3 caches the latent itself (cache/mla.py).
            latent_expanded=not newer,
            keeps_latent_rope=newer,
            one_arena=False,
            page=V3_PAGE if newer else 1,
            prefill_chunk=options.max_input_len,
            embedding_on_host=not scenario.model.architecture.tied_embeddings,
            buffers=_scratch(scenario),
        )

    def command(self, scenario: Scenario, context: int) -> str:
        checkpoint = named_checkpoint(scenario)
        newer = scenario.weights.family == "exl3"
        mode = chat_mode(scenario.model.architecture, newer=newer)
        words = ["python examples/chat.py -m", shlex.quote(checkpoint.name), "-mode", mode]
        if newer:
            size = round_up(context, V3_PAGE)
            words.append(f"-cs {size}{V3_CACHE_FLAGS.get(scenario.kv.name, ' -cq 8')}")
            return checkpoint.above(on_cards(scenario.gpus, " ".join(words)))
        words.append(f"-l {context}{CACHE_FLAGS.get(scenario.kv.name, '')}")
        if len(scenario.gpus) > 1:
            words.append("-gs auto")
        return checkpoint.above(on_cards(scenario.gpus, " ".join(words)))


def _scratch(scenario: Scenario) -> tuple[Buffer, ...]:
    """temp_dq, the largest matrix at 16 bits (exllamav2/linear.py, temp_dq_size)."""
    matrix = largest_matrix(scenario.model.architecture)
    if matrix is None:
        return ()
    rows, columns = matrix.rows, matrix.columns
    elements = rows * columns
    return (
        Buffer(
            2 * elements,
            f"temp_dq: the largest matrix, {rows:,} x {columns:,}, at 16 bits: "
            f"{format_bytes(2 * elements)}.",
            source="exllamav2/linear.py, temp_dq_size",
        ),
    )


EXLLAMA = ExLlama()
