"""Plain PyTorch: a model's own modules with a cache allocated in advance (LitGPT, gpt-fast)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.torch_engine import TorchEngine, new_tokens
from llm_lander_tui.engines.torch_rules import Cache, TorchRules
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.activations import Attention, Experts
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario


@dataclass(frozen=True, slots=True)
class PyTorchOptions:
    """Arguments of `litgpt generate`; None plans for a prompt that fills the whole context."""

    attention: Attention = Attention.SDPA
    max_new_tokens: int | None = None


OPTIONS = (
    Option("attention", "attention", "how attention is computed", tuple(Attention)),
    Option(
        "max_new_tokens",
        "--max_new_tokens",
        "tokens of the context that are generated, not prompt",
        (None, 50, 128, 256, 512, 1024, 2048, 4096),
    ),
)
RELEASE = "0.5.13"
MODEL_TYPES = frozenset((
    "gpt_neox", "falcon", "RefinedWeb", "RefinedWebModel", "llama", "stablelm", "gemma", "gemma2",
    "gemma3", "gemma3_text", "phi", "phi-msft", "phi3", "mistral", "mixtral", "olmo", "olmo2",
    "qwen2", "qwen3", "qwen3_moe",
))  # fmt: skip
"""The types of the checkpoints that LitGPT converts in that release (litgpt/config.py)."""
QUANTIZE_4BIT = {
    "NF4": "bnb.nf4", "NF4-DQ": "bnb.nf4-dq", "FP4": "bnb.fp4", "FP4-DQ": "bnb.fp4-dq",
}  # fmt: skip
"""All that `generate_sequentially` takes (litgpt/generate/sequentially.py)."""
QUANTIZE = {**QUANTIZE_4BIT, "LLM.int8": "bnb.int8"}
"""What `generate` takes (litgpt/generate/base.py)."""


class PyTorch(TorchEngine):
    """LitGPT's `generate`: static cache, logits of the whole prompt."""

    id: ClassVar[str] = "pytorch"
    title: ClassVar[str] = "PyTorch (LitGPT)"
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = PyTorchOptions()
    drafts: ClassVar[bool] = False
    families: ClassVar[frozenset[str]] = frozenset({"plain", "bnb"})

    def lacks(self, recipe: Recipe, model: Model) -> str | None:
        kind = model.architecture.model_type
        if kind in MODEL_TYPES:
            return None
        return f"LitGPT {RELEASE} does not convert models of type {kind}; Transformers runs newer."

    def rules(self, scenario: Scenario) -> TorchRules:
        options = own_options(scenario, PyTorchOptions)
        return TorchRules(
            attention=options.attention,
            experts=Experts.LOOP,
            cache=Cache.STATIC,
            logits_of_prompt=True,
            latent_expanded=True,
            repeats_kv=True,
            one_arena=False,
            dequantises=scenario.weights.family == "bnb",
            dequantised_copies=2,
            even_layers=True,
            unties_head=True,
            max_new_tokens=options.max_new_tokens,
        )

    def as_loaded(self, scenario: Scenario) -> tuple[Scenario, tuple[str, ...]]:
        recipe = scenario.weights
        notes: tuple[str, ...] = ()
        if scenario.concurrency > 1:
            notes = (
                "litgpt generate runs one prompt: the command serves one sequence, not the "
                f"{scenario.concurrency} that are planned.",
            )
        if not isinstance(recipe, LinearRecipe) or recipe.family != "bnb":
            return scenario, notes
        # LitGPT replaces every linear layer, the head among them.
        return replace(scenario, weights=replace(recipe, head=recipe.linear)), notes

    def _problems(self, scenario: Scenario) -> tuple[str, ...]:
        found, weights = super()._problems(scenario), scenario.weights
        if len(scenario.gpus) == 1 or weights.family != "bnb" or weights.name in QUANTIZE_4BIT:
            return found
        return (
            *found,
            f"litgpt {_verb(scenario)}, which divides a model over cards, takes bitsandbytes' "
            f"4-bit formats, not {weights.name}: choose NF4, or one card.",
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, PyTorchOptions)
        new = new_tokens(options.max_new_tokens, context)
        # LitGPT converts unquantised checkpoints alone and quantises them while loading.
        stored = recipes.get("BF16") if scenario.weights.name in QUANTIZE else scenario.weights
        checkpoint = named_checkpoint(replace(scenario, weights=stored))
        words = [f"litgpt {_verb(scenario)} {shlex.quote(checkpoint.name)}"]
        words.append(f"--max_new_tokens {new}")
        if scenario.weights.name in QUANTIZE:
            # Lightning's bitsandbytes plugin takes int8 with no other compute type than FP16.
            half = "bf16" if scenario.weights.name in QUANTIZE_4BIT else "16"
            words.append(f"--quantize {QUANTIZE[scenario.weights.name]} --precision {half}-true")
        elif scenario.weights.name == "FP32":
            words.append("--precision 32-true")
        else:
            words.append(f"--precision {'16' if scenario.weights.name == 'FP16' else 'bf16'}-true")
        return checkpoint.above(on_cards(scenario.gpus, " ".join(words)))


def _verb(scenario: Scenario) -> str:
    return "generate_sequentially" if len(scenario.gpus) > 1 else "generate"


PYTORCH = PyTorch()
