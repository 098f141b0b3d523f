"""Hugging Face Transformers: `model.generate` on `device_map="auto"`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.autogptq import Kernel, exllama_buffers
from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import at_load, named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.torch_attention import attention_notes, attention_run
from llm_lander_tui.engines.torch_engine import (
    NEW_TOKENS,
    TorchEngine,
    generation,
    new_tokens,
    python_command,
)
from llm_lander_tui.engines.torch_rules import (
    TRANSFORMERS_4_40,
    TRANSFORMERS_4_46,
    TRANSFORMERS_4_51,
    TRANSFORMERS_5,
    Cache,
    TorchRules,
)
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.models.mlp import ExpertsMlp
from llm_lander_tui.planner.scenario import Scenario

RELEASES: dict[str, TorchRules] = {
    "4.40": TRANSFORMERS_4_40,
    "4.46": TRANSFORMERS_4_46,
    "4.51": TRANSFORMERS_4_51,
    "5": TRANSFORMERS_5,
}
"""The rules of a release and those after it, up to the next one listed."""


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
    NEW_TOKENS,
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
        return transformers_rules(scenario, own_options(scenario, TransformersOptions))

    def as_loaded(self, scenario: Scenario) -> tuple[Scenario, tuple[str, ...]]:
        recipe, options = scenario.weights, own_options(scenario, TransformersOptions)
        notes = attention_notes(scenario.model.architecture, options.attention)
        if recipe.family != "bnb" or options.release != "5":
            return scenario, notes
        if not isinstance(recipe, LinearRecipe) or recipe.experts is None:
            return scenario, notes
        if all(not isinstance(x.mlp, ExpertsMlp) for x in scenario.model.architecture.layers):
            return scenario, notes
        return replace(scenario, weights=replace(recipe, experts=None)), (*notes, EXPERTS_KEPT)

    def command(self, scenario: Scenario, context: int) -> str:
        return snippet(scenario, context, own_options(scenario, TransformersOptions))


def transformers_rules(scenario: Scenario, options: TransformersOptions) -> TorchRules:
    """The release's rules with the options.

    FP8 loading of 4.51 leaves a tied head untied: Qwen3 0.6B, 1.7B and 4B FP8 hold it twice in the
    published figures, the larger ones, whose head is their own, do not. AWQ loading ties it at the
    end only: the least figures of Qwen2.5 0.5B, 1.5B and 3B AWQ. bitsandbytes expands a 4-bit
    matrix and copies it once more into its input's type: LitGPT's figures, within 0.6 %.
    """
    base, family = RELEASES[options.release], scenario.weights.family
    return replace(
        base,
        attention=attention_run(scenario.model.architecture, options.attention),
        cache=options.cache,
        cache_copies=base.cache_copies if options.cache is Cache.DYNAMIC else 1,
        max_new_tokens=options.max_new_tokens,
        dequantises=family in DEQUANTISING,
        dequantised_copies=2 if family == "bnb" and scenario.weights.bits == 4 else 1,
        unties_head=options.release == "4.51" and family == "fp8",
        loads_head=base.loads_head and family == "awq",
        buffers=exllama_buffers(scenario, Kernel.EXLLAMA) if family == "gptq" else (),
    )


EXPERTS_KEPT = (
    "Transformers 5 fuses the experts into one parameter, and bitsandbytes, which replaces "
    "nn.Linear alone, leaves them at 16 bits."
)

DEQUANTISING = frozenset({"bnb", "hqq", "awq", "mxfp4"})
"""Weight families whose layers expand a matrix for a batch of tokens (bitsandbytes
autograd/_functions.py, awq/modules/linear/gemm.py, integrations/mxfp4.py)."""


def snippet(scenario: Scenario, context: int, options: TransformersOptions) -> str:
    """A shell command that loads the model and generates within the planned context."""
    new = new_tokens(options.max_new_tokens, context)
    made = at_load(scenario, _AT_LOAD)
    checkpoint = named_checkpoint(scenario, _AT_LOAD)
    attention = attention_run(scenario.model.architecture, options.attention)
    load = [
        repr(checkpoint.name),
        'device_map="auto"',
        f'attn_implementation="{attention.value}"',
    ]
    prelude = "from transformers import AutoModelForCausalLM, AutoTokenizer"
    if made is not None:
        prelude += f", {made.partition('(')[0]}"
        load.append(f"quantization_config={made}")
    elif scenario.weights.family == "plain":
        dtype = {"BF16": "bfloat16", "FP16": "float16", "FP32": "float32"}
        load.append(f'dtype="{dtype.get(scenario.weights.name, "auto")}"')
    generate = [f"max_new_tokens={new}"]
    if options.cache is Cache.STATIC:
        generate.append('cache_implementation="static"')
    elif scenario.kv.name in {"int8", "int4"}:
        generate.append(
            f'cache_implementation="quantized", cache_config={_CACHES[scenario.kv.name]}'
        )
    beside = []
    if scenario.draft is not None:
        draft = repr(scenario.draft.name)
        beside.append(
            f'draft = AutoModelForCausalLM.from_pretrained({draft}, dtype="auto", device_map=0)'
        )
        generate.append("assistant_model=draft")
    if scenario.lora is not None:
        names = [f"adapter-{i}" for i in range(scenario.lora.adapters)]
        beside.append(f"# Put the LoRA adapters at {', '.join(names)}")
        beside += [f"model.load_adapter({name!r})" for name in names]
    lines = (
        prelude,
        f"model = AutoModelForCausalLM.from_pretrained({', '.join(load)})",
        *beside,
        *generation(scenario, context, new, "model.device"),
        f"output = model.generate(**batch, {', '.join(generate)})",
        "print(tokenizer.batch_decode(output)[0])",
    )
    return checkpoint.above(python_command(scenario, lines))


def _bitsandbytes(name: str) -> str:
    if name.startswith("LLM.int8"):
        return "BitsAndBytesConfig(load_in_8bit=True)"
    kind = "fp4" if name.startswith("FP4") else "nf4"
    nested = ", bnb_4bit_use_double_quant=True" if name.endswith("-DQ") else ""
    return (
        f'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="{kind}", '
        f'bnb_4bit_compute_dtype="bfloat16"{nested})'
    )


_AT_LOAD = {
    **{name: _bitsandbytes(name) for name in ("LLM.int8", "NF4", "NF4-DQ", "FP4", "FP4-DQ")},
    "HQQ-4bit-g64": "HqqConfig(nbits=4, group_size=64)",
    "FP8-block": "FineGrainedFP8Config()",
}
"""The configuration of the formats that are made of a 16-bit checkpoint while it loads."""
_CACHES = {
    "int8": '{"backend": "hqq", "nbits": 8}',
    "int4": '{"backend": "quanto", "nbits": 4}',
}
"""Quanto has no 8-bit cache."""

TRANSFORMERS = Transformers()
