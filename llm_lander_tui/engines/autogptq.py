"""AutoGPTQ (and GPTQModel's ExLlama kernels): GPTQ weights under Transformers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.base import Known, Option
from llm_lander_tui.engines.torch_engine import TorchEngine, largest_linear, widest_features
from llm_lander_tui.engines.torch_rules import Buffer, TorchRules
from llm_lander_tui.engines.transformers import RELEASES
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens

EXLLAMA_INPUT_LENGTH = 2048
"""Rows for which the ExLlama kernel reserves its input copy (`max_input_length` default)."""


@dataclass(frozen=True, slots=True)
class AutoGptqOptions:
    """Arguments of `from_quantized` and `generate`."""

    attention: Attention = Attention.SDPA
    max_input_length: int = EXLLAMA_INPUT_LENGTH
    max_new_tokens: int | None = None


OPTIONS = (
    Option("attention", "attn_implementation", "how attention is computed", tuple(Attention)),
    Option(
        "max_input_length",
        "exllama_set_max_input_length",
        "tokens of a batch that the ExLlama kernel's buffers hold",
        (2048, 4096, 8192, 16384, 32768),
    ),
    Option(
        "max_new_tokens",
        "max_new_tokens",
        "tokens of the context that are generated, not prompt",
        (None, 128, 256, 512, 1024, 2048, 4096),
    ),
)


class AutoGptq(TorchEngine):
    """AutoGPTQ's `AutoGPTQForCausalLM.from_quantized`."""

    id: ClassVar[str] = "autogptq"
    title: ClassVar[str] = "AutoGPTQ"
    kv_formats: ClassVar[tuple[str, ...]] = ("f16", "bf16")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = AutoGptqOptions()
    families: ClassVar[frozenset[str]] = frozenset({"gptq"})

    def rules(self, scenario: Scenario) -> TorchRules:
        options = options_of(scenario)
        return replace(
            RELEASES["4.46"],
            attention=options.attention,
            max_new_tokens=options.max_new_tokens,
            buffers=exllama_buffers(scenario, options.max_input_length),
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = options_of(scenario)
        new = options.max_new_tokens or min(256, context)
        lines = (
            "from auto_gptq import AutoGPTQForCausalLM, exllama_set_max_input_length",
            "from transformers import AutoTokenizer",
            f"model = AutoGPTQForCausalLM.from_quantized({scenario.model.name!r}, "
            f'device_map="auto", attn_implementation="{options.attention.value}")',
            f"model = exllama_set_max_input_length(model, {options.max_input_length})",
            f"tokenizer = AutoTokenizer.from_pretrained({scenario.model.name!r})",
            f"prompts = [open('prompt.txt').read()] * {scenario.concurrency}",
            "tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token",
            "batch = tokenizer(prompts, return_tensors='pt', padding=True, truncation=True, "
            f"max_length={max(1, context - new)}).to(model.device)",
            f"output = model.generate(**batch, max_new_tokens={new})",
            "print(tokenizer.batch_decode(output)[0])",
        )
        return "python - <<'EOF'\n" + "\n".join(lines) + "\nEOF"


def options_of(scenario: Scenario) -> AutoGptqOptions:
    """The scenario's options, or the defaults."""
    options = scenario.options
    return options if isinstance(options, AutoGptqOptions) else AutoGptqOptions()


def exllama_buffers(scenario: Scenario, rows: int) -> tuple[Buffer, ...]:
    """The kernel's scratch space: the largest matrix at 16 bits, and two copies of its input.

    One pair per GPU, shared by all layers (auto_gptq/modeling/_utils.py, autogptq_post_init).
    """
    elements, out, columns = largest_linear(scenario)
    if not elements:
        return ()
    widest = widest_features(scenario)
    return (
        Buffer(
            2 * elements,
            f"temp_dq: the largest matrix, {out:,} x {columns:,}, dequantised to 16 bits: "
            f"{format_bytes(2 * elements)}.",
            Known.EXACT,
            source="auto_gptq/modeling/_utils.py, autogptq_post_init",
        ),
        Buffer(
            4 * rows * widest,
            f"temp_state: {format_tokens(rows)} rows of {widest:,} features, twice at 16 bits.",
            Known.EXACT,
            source="auto_gptq/modeling/_utils.py, autogptq_post_init",
        ),
    )


AUTOGPTQ = AutoGptq()
