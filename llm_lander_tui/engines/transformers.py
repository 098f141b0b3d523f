"""Hugging Face Transformers: `model.generate` on `device_map="auto"`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from llm_lander_tui.engines.base import Known, Option
from llm_lander_tui.engines.torch_engine import TorchEngine, largest_linear
from llm_lander_tui.engines.torch_rules import Buffer, Cache, TorchRules
from llm_lander_tui.memory.activations import Attention, Experts
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes

RELEASES: dict[str, TorchRules] = {
    "4.40": TorchRules(
        experts=Experts.LOOP,
        logits_of_prompt=True,
        cache_copies=2,
        latent_expanded=True,
        repeats_kv=True,
        rope_tables=True,
        one_arena=False,
    ),
    "4.46": TorchRules(
        experts=Experts.LOOP, latent_expanded=True, repeats_kv=True, one_arena=False
    ),
    "4.51": TorchRules(experts=Experts.LOOP, latent_expanded=True, repeats_kv=True),
    "5": TorchRules(),
}
"""What changed between releases, by the first that behaves so: up to 4.44 logits of the whole
prompt, a tuple cache that lives twice while a step grows it, and rotary tables in every layer; from
4.45 none of these; from 4.50 one warmed-up arena for the weights; from 5 fused experts and latent
caches (modeling_llama.py, modeling_utils.py, cache_utils.py, integrations/moe.py)."""


@dataclass(frozen=True, slots=True)
class TransformersOptions:
    """Arguments of `from_pretrained` and `generate`.

    `max_new_tokens` None plans for a prompt that fills the whole context.
    """

    attention: Attention = Attention.SDPA
    cache: Cache = Cache.DYNAMIC
    max_new_tokens: int | None = None
    release: str = "5"


OPTIONS = (
    Option("attention", "attn_implementation", "how attention is computed", tuple(Attention)),
    Option("cache", "cache_implementation", "how keys and values are kept", tuple(Cache)),
    Option(
        "max_new_tokens",
        "max_new_tokens",
        "tokens of the context that are generated, not prompt",
        (None, 128, 256, 512, 1024, 2048, 4096),
    ),
    Option("release", "transformers", "release of the library", tuple(RELEASES)),
)


class Transformers(TorchEngine):
    """`transformers` with `device_map="auto"`."""

    id: ClassVar[str] = "transformers"
    title: ClassVar[str] = "Transformers"
    kv_formats: ClassVar[tuple[str, ...]] = ("bf16", "f16", "f32", "int8", "int4")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = TransformersOptions()
    families: ClassVar[frozenset[str]] = frozenset(
        {"plain", "gptq", "awq", "fp8", "int8", "bnb", "mxfp4", "hqq", "compressed-tensors"}
    )

    def rules(self, scenario: Scenario) -> TorchRules:
        return transformers_rules(scenario, options_of(scenario))

    def command(self, scenario: Scenario, context: int) -> str:
        return snippet(scenario, context, options_of(scenario))


def options_of(scenario: Scenario) -> TransformersOptions:
    """The scenario's options, or the defaults."""
    options = scenario.options
    return options if isinstance(options, TransformersOptions) else TransformersOptions()


def transformers_rules(scenario: Scenario, options: TransformersOptions) -> TorchRules:
    """The release's rules with the options, and the scratch space of the weight format."""
    base = RELEASES[options.release]
    return TorchRules(
        attention=options.attention,
        experts=base.experts,
        cache=options.cache,
        logits_of_prompt=base.logits_of_prompt,
        cache_copies=base.cache_copies if options.cache is Cache.DYNAMIC else 1,
        latent_expanded=base.latent_expanded,
        repeats_kv=base.repeats_kv,
        rope_tables=base.rope_tables,
        one_arena=base.one_arena,
        max_new_tokens=options.max_new_tokens,
        buffers=format_buffers(scenario),
    )


def format_buffers(scenario: Scenario) -> tuple[Buffer, ...]:
    """What a quantised format's kernels need beside the weights."""
    elements, rows, columns = largest_linear(scenario)
    if scenario.weights.family not in {"bnb", "hqq", "awq", "mxfp4"} or not elements:
        return ()
    return (
        Buffer(
            2 * elements,
            f"one matrix of {rows:,} x {columns:,} dequantised to 16 bits for a batch of tokens: "
            f"{format_bytes(2 * elements)}.",
            Known.EXACT,
            source="bitsandbytes autograd/_functions.py, awq/modules/linear/gemm.py",
        ),
    )


def snippet(scenario: Scenario, context: int, options: TransformersOptions) -> str:
    """A shell command that loads the model and generates within the planned context."""
    new = options.max_new_tokens or min(256, context)
    load = [
        repr(scenario.model.name),
        'device_map="auto"',
        f'attn_implementation="{options.attention.value}"',
    ]
    prelude = "from transformers import AutoModelForCausalLM, AutoTokenizer"
    if scenario.weights.family == "bnb":
        prelude += ", BitsAndBytesConfig"
        load.append(f"quantization_config={_bitsandbytes(scenario.weights.name)}")
    elif scenario.weights.family == "plain":
        dtype = {"BF16": "bfloat16", "FP16": "float16", "FP32": "float32"}
        load.append(f'dtype="{dtype.get(scenario.weights.name, "auto")}"')
    generate = [f"max_new_tokens={new}"]
    if options.cache is Cache.STATIC:
        generate.append('cache_implementation="static"')
    elif scenario.kv.name in {"int8", "int4"}:
        bits = scenario.kv.name.removeprefix("int")
        generate.append(
            'cache_implementation="quantized", '
            f'cache_config={{"backend": "hqq" if {bits} == 8 else "quanto", "nbits": {bits}}}'
        )
    lines = (
        prelude,
        f"model = AutoModelForCausalLM.from_pretrained({', '.join(load)})",
        f"tokenizer = AutoTokenizer.from_pretrained({scenario.model.name!r})",
        f"prompts = [open('prompt.txt').read()] * {scenario.concurrency}",
        "tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token",
        "batch = tokenizer(prompts, return_tensors='pt', padding=True, truncation=True, "
        f"max_length={max(1, context - new)}).to(model.device)",
        f"output = model.generate(**batch, {', '.join(generate)})",
        "print(tokenizer.batch_decode(output)[0])",
    )
    return "python - <<'EOF'\n" + "\n".join(lines) + "\nEOF"


def _bitsandbytes(name: str) -> str:
    if name.startswith("LLM.int8"):
        return "BitsAndBytesConfig(load_in_8bit=True)"
    kind = "fp4" if name.startswith("FP4") else "nf4"
    nested = ", bnb_4bit_use_double_quant=True" if name.endswith("-DQ") else ""
    return (
        f'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="{kind}", '
        f'bnb_4bit_compute_dtype="bfloat16"{nested})'
    )


TRANSFORMERS = Transformers()
