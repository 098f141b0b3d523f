"""What engines that run a model as PyTorch modules share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.refusals import Capability, cards_too_old, format_not_loaded
from llm_lander_tui.engines.torch_footprint import TorchFootprint
from llm_lander_tui.engines.torch_rules import TorchRules
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario


class TorchEngine(ABC):
    """An engine on PyTorch modules (`engines.base.Engine`); subclasses give rules and command."""

    id: ClassVar[str]
    title: ClassVar[str]
    kv_formats: ClassVar[tuple[str, ...]] = ("bf16", "f16", "f32")
    tensor_parallel: ClassVar[bool] = False
    options: ClassVar[tuple[Option, ...]] = ()
    default_options: ClassVar[object] = None
    families: ClassVar[frozenset[str]]
    """Weight families that it loads (`Recipe.family`)."""
    drafts: ClassVar[bool] = True
    """Whether it takes a draft model for speculative decoding."""

    floors: ClassVar[Mapping[str, Capability]] = {}
    """The least compute capability by weight format (`refusals.cards_too_old`)."""

    def runs(self, recipe: Recipe, model: Model) -> bool:
        return recipe.family in self.families and self.lacks(recipe, model) is None

    def lacks(self, recipe: Recipe, model: Model) -> str | None:
        """Why the engine does not run the model in a format of its own; None where it does."""
        return None

    @abstractmethod
    def rules(self, scenario: Scenario) -> TorchRules:
        """How the engine spends memory on this scenario."""

    def footprint(self, scenario: Scenario) -> TorchFootprint:
        kept, notes = self.as_loaded(scenario)
        return TorchFootprint(kept, self.rules(kept), self._problems(scenario), notes)

    def as_loaded(self, scenario: Scenario) -> tuple[Scenario, tuple[str, ...]]:
        """The scenario with its weights as the engine's loader leaves them, and what to say of it.

        Engines override this where the loader differs from the format.
        """
        return scenario, ()

    @abstractmethod
    def command(self, scenario: Scenario, context: int) -> str: ...

    def _problems(self, scenario: Scenario) -> tuple[str, ...]:
        recipe = scenario.weights
        found = [*cards_too_old(self.title, recipe, scenario.gpus, self.floors)]
        lacks = self.lacks(recipe, scenario.model)
        if recipe.family not in self.families:
            found = [format_not_loaded(self.title, recipe, self.families)]
        if lacks is not None:
            found.append(lacks)
        if scenario.tensor_parallel > 1 or scenario.pipeline_parallel > 1:
            found.append(
                f"{self.title} places whole layers on each GPU and takes no parallel degrees; "
                "legal tensor and pipeline parallel degree: 1."
            )
        if scenario.draft is not None and not self.drafts:
            found.append(f"{self.title} takes no draft model.")
        return tuple(found)


def python_command(scenario: Scenario, lines: Sequence[str]) -> str:
    """A shell command that runs a few lines of Python on the scenario's cards."""
    code = "\n".join(lines)
    return on_cards(scenario.gpus, f"python - <<'EOF'\n{code}\nEOF")


NEW_TOKENS = Option(
    "max_new_tokens",
    "max_new_tokens",
    "tokens of the context that are generated, not prompt",
    (None, 128, 256, 512, 1024, 2048, 4096),
)
"""The knob of engines whose prompt takes what of the context is not generated."""
DEFAULT_NEW_TOKENS = 256
"""Tokens that a start command generates where the plan's prompt fills the context."""


def new_tokens(asked: int | None, context: int) -> int:
    """Tokens that a start command generates: as asked, else some within the context."""
    return asked or min(DEFAULT_NEW_TOKENS, context)


def generation(scenario: Scenario, context: int, new: int, device: str) -> tuple[str, ...]:
    """The Python lines that read a prompt, cut it to fit and make a batch of it."""
    return (
        f"tokenizer = AutoTokenizer.from_pretrained({scenario.model.name!r})",
        f"prompts = [open('prompt.txt').read()] * {scenario.concurrency}",
        "tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token",
        "batch = tokenizer(prompts, return_tensors='pt', padding=True, truncation=True, "
        f"max_length={max(1, context - new)}).to({device})",
    )
