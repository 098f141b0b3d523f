"""AutoGPTQ (and GPTQModel's ExLlama kernels): GPTQ weights under Transformers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import named_checkpoint
from llm_lander_tui.engines.layer_kinds import largest_matrix, widest_side
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.torch_attention import attention_notes, attention_run
from llm_lander_tui.engines.torch_engine import (
    NEW_TOKENS,
    TorchEngine,
    generation,
    new_tokens,
    python_command,
)
from llm_lander_tui.engines.torch_rules import TRANSFORMERS_4_46, Buffer, TorchRules
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens

EXLLAMA_ROWS = 2048
EXLLAMA_BATCH = 8
"""Rows and sequences for which ExLlamaV2's kernel reserves its output (`scratch_space_fixed`)."""
EXLLAMA_BITS = 4
"""The only width that the ExLlama kernels run."""


class Kernel(StrEnum):
    """The 4-bit kernel: ExLlama (Transformers' default) or ExLlamaV2 (AutoGPTQ's own)."""

    EXLLAMA = "exllama"
    EXLLAMA_V2 = "exllamav2"


@dataclass(frozen=True, slots=True)
class AutoGptqOptions:
    """Arguments of `from_quantized` and `generate`."""

    attention: Attention = Attention.SDPA
    kernel: Kernel = Kernel.EXLLAMA_V2
    max_new_tokens: int | None = None


OPTIONS = (
    Option("attention", "attn_implementation", "how attention is computed", tuple(Attention)),
    Option("kernel", "disable_exllamav2", "the 4-bit kernel", tuple(Kernel)),
    NEW_TOKENS,
)


LAST_RELEASE = "0.7.1"
MODEL_TYPES = frozenset((
    "bloom", "gptj", "gpt2", "gpt_neox", "opt", "moss", "gpt_bigcode", "codegen", "RefinedWebModel",
    "RefinedWeb", "baichuan", "internlm", "qwen", "xverse", "deci", "stablelm_epoch", "llama",
    "longllama", "falcon", "mistral", "Yi", "mixtral", "qwen2", "gemma",
))  # fmt: skip
"""The types of that release (auto_gptq/modeling/_const.py)."""
BACKENDS = {Kernel.EXLLAMA: "exllama_v1", Kernel.EXLLAMA_V2: "exllama_v2"}
"""GPTQModel's words for the kernels."""


def knows(model: Model) -> bool:
    """Whether AutoGPTQ itself loads the model."""
    return model.architecture.model_type in MODEL_TYPES


class AutoGptq(TorchEngine):
    """AutoGPTQ's `AutoGPTQForCausalLM.from_quantized`."""

    id: ClassVar[str] = "autogptq"
    title: ClassVar[str] = "AutoGPTQ"
    kv_formats: ClassVar[tuple[str, ...]] = ("f16", "bf16")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = AutoGptqOptions()
    families: ClassVar[frozenset[str]] = frozenset({"gptq"})

    def as_loaded(self, scenario: Scenario) -> tuple[Scenario, tuple[str, ...]]:
        options = own_options(scenario, AutoGptqOptions)
        notes = attention_notes(scenario.model.architecture, options.attention)
        if knows(scenario.model):
            return scenario, notes
        kind = scenario.model.architecture.model_type
        same = scenario.weights.bits == EXLLAMA_BITS
        kernels = "the same kernels" if same else "those kernels in 4 bits only, and others here"
        return scenario, (
            *notes,
            f"AutoGPTQ {LAST_RELEASE}, its last release, does not know models of type {kind}; its "
            f"successor GPTQModel, which the command starts, runs {kernels}.",
        )

    def rules(self, scenario: Scenario) -> TorchRules:
        options = own_options(scenario, AutoGptqOptions)
        return replace(
            TRANSFORMERS_4_46,
            attention=attention_run(scenario.model.architecture, options.attention),
            loads_head=False,
            max_new_tokens=options.max_new_tokens,
            buffers=exllama_buffers(scenario, options.kernel),
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, AutoGptqOptions)
        checkpoint = named_checkpoint(scenario)
        new = new_tokens(options.max_new_tokens, context)
        package, loader = "auto_gptq", "AutoGPTQForCausalLM"
        attention = attention_run(scenario.model.architecture, options.attention)
        arguments = [
            repr(checkpoint.name),
            'device_map="auto"',
            f'attn_implementation="{attention.value}"',
        ]
        if knows(scenario.model):
            arguments.append(f"disable_exllamav2={options.kernel is Kernel.EXLLAMA}")
        else:
            package, loader = "gptqmodel", "GPTQModel"
            # A backend that lacks the width is refused; unnamed, one that has it is taken.
            if scenario.weights.bits == EXLLAMA_BITS:
                arguments.append(f'backend="{BACKENDS[options.kernel]}"')
        lines = (
            f"from {package} import {loader}",
            "from transformers import AutoTokenizer",
            f"model = {loader}.from_quantized({', '.join(arguments)})",
            *generation(scenario, context, new, "model.device"),
            f"output = model.generate(**batch, max_new_tokens={new})",
            "print(tokenizer.batch_decode(output)[0])",
        )
        return checkpoint.above(python_command(scenario, lines))


def exllama_buffers(scenario: Scenario, kernel: Kernel) -> tuple[Buffer, ...]:
    """The 4-bit kernel's scratch space, one per GPU and shared by all layers.

    Both kernels hold the largest matrix at 16 bits (temp_dq), which repeats the published peaks of
    Qwen2 and Qwen2.5 GPTQ-Int4 within 1 %. ExLlamaV2 adds the FP32 output of 8 sequences of 2,048
    rows (temp_fwd); ExLlama adds the reordered input of 2,048 rows under activation ordering
    (temp_state). Source: auto_gptq/modeling/_utils.py and qlinear_exllamav2.py.
    """
    matrix = largest_matrix(scenario.model.architecture)
    if matrix is None or scenario.weights.bits != EXLLAMA_BITS:
        return ()
    rows, columns = matrix.rows, matrix.columns
    elements = rows * columns
    expanded = Buffer(
        2 * elements,
        f"temp_dq: the largest matrix, {rows:,} x {columns:,}, at 16 bits: "
        f"{format_bytes(2 * elements)}.",
        source="auto_gptq/modeling/_utils.py, autogptq_post_init",
    )
    if kernel is Kernel.EXLLAMA_V2:
        forward = 4 * EXLLAMA_ROWS * EXLLAMA_BATCH * rows
        why = (
            f"temp_fwd: FP32 output of {EXLLAMA_BATCH} x {format_tokens(EXLLAMA_ROWS)} rows of "
            f"{rows:,} features: {format_bytes(forward)}."
        )
        source = "auto_gptq/nn_modules/qlinear/qlinear_exllamav2.py, scratch_space_fixed"
        return (expanded, Buffer(forward, why, source=source))
    quantization = scenario.model.quantization or {}
    if not quantization.get("desc_act"):
        return (expanded,)
    widest = widest_side(scenario.model.architecture)
    reordered = 2 * EXLLAMA_ROWS * widest
    why = (
        f"temp_state: {format_tokens(EXLLAMA_ROWS)} reordered rows of {widest:,} features: "
        f"{format_bytes(reordered)}."
    )
    return (expanded, Buffer(reordered, why, source=expanded.source))


AUTOGPTQ = AutoGptq()
