"""A model entered by hand: checked field by field, then read by the one parser."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.config.fields import MAX_LAYERS
from llm_lander_tui.models.model import Model
from llm_lander_tui.units import format_count

NOTICEABLE = 0.1
"""Sizes are said rounded: only a larger difference between what is stated and counted is noted."""
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([mbt]?)\s*", re.IGNORECASE)
_SCALE = {"": 10**9, "m": 10**6, "b": 10**9, "t": 10**12}


@dataclass(frozen=True, slots=True)
class ManualModel:
    """A decoder with grouped-query attention and a gated MLP, dense or of experts, as entered.

    `parameters` is what the person knows of the size (None: not stated); the shape decides, and a
    difference is noted. `head_dim` None is hidden_size / heads, `intermediate_size` None is 8/3 of
    the hidden size. `experts` 0 is dense; `expert_size` is the width of one expert.
    """

    name: str
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    vocab_size: int
    parameters: int | None = None
    head_dim: int | None = None
    intermediate_size: int | None = None
    experts: int = 0
    active_experts: int = 0
    expert_size: int | None = None
    shared_experts: int = 0
    context: int = 32_768
    tied_embeddings: bool = False

    def validate(self) -> dict[str, str]:
        """What is wrong, a sentence for each field; empty when the model can be planned."""
        found: dict[str, str] = {}
        if not self.name.strip():
            found["name"] = "Give the model a name."
        for field, most in _MOST.items():
            value = getattr(self, field)
            if value is not None and not 1 <= value <= most:
                found[field] = f"Must be from 1 to {most:,}."
        if not found.keys() & {"heads", "kv_heads"} and self.heads % self.kv_heads:
            found["kv_heads"] = f"Must divide the {self.heads} heads."
        shaped = not found.keys() & {"heads", "hidden_size"}
        if self.head_dim is None and shaped and self.hidden_size % self.heads:
            found["head_dim"] = (
                f"{self.hidden_size} does not divide by {self.heads} heads: state the head size."
            )
        return found | self._experts_problems()

    def _experts_problems(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if not 0 <= self.experts <= _MOST_EXPERTS:
            found["experts"] = f"Must be from 0 (dense) to {_MOST_EXPERTS:,}."
        elif self.experts and not 1 <= self.active_experts <= self.experts:
            found["active_experts"] = f"Must be from 1 to the {self.experts} experts."
        if not 0 <= self.shared_experts <= _MOST_EXPERTS:
            found["shared_experts"] = f"Must be from 0 to {_MOST_EXPERTS:,}."
        return found

    def to_config(self) -> dict[str, object]:
        """The shape in Hugging Face's words, for `parse_config`."""
        config: dict[str, object] = {
            "model_type": "deepseek" if self.experts else "llama",
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim or self.hidden_size // self.heads,
            "intermediate_size": self.intermediate_size or default_width(self.hidden_size),
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.context,
            "tie_word_embeddings": self.tied_embeddings,
            "torch_dtype": "bfloat16",
        }
        if self.experts:
            config |= {
                "n_routed_experts": self.experts,
                "num_experts_per_tok": self.active_experts,
                "moe_intermediate_size": self.expert_size or config["intermediate_size"],
                "n_shared_experts": self.shared_experts,
            }
        return config

    def to_model(self) -> Model:
        """The model, with a warning where the stated size and the shape disagree.

        Raises `RefusedModel` when the shape cannot be planned; call `validate` first.
        """
        architecture = parse_config(self.to_config(), self.name)
        warnings: tuple[str, ...] = ()
        stated, counted = self.parameters, architecture.parameters
        if stated is not None and abs(counted - stated) > NOTICEABLE * stated:
            warnings = (
                f"{format_count(stated)} parameters were stated; this shape has "
                f"{format_count(counted)}, which is planned",
            )
        return Model(self.name, "manual", architecture, warnings=warnings)


_MOST_EXPERTS = 2**16
_MOST = {
    "layers": MAX_LAYERS,
    "hidden_size": 2**20,
    "heads": 2**16,
    "kv_heads": 2**16,
    "vocab_size": 2**28,
    "parameters": 10**15,
    "head_dim": 2**16,
    "intermediate_size": 2**24,
    "expert_size": 2**24,
    "context": 2**40,
}


def default_width(hidden_size: int) -> int:
    """The feed-forward width of Llama's rule: 8/3 of the hidden size, to a multiple of 256."""
    return -(-8 * hidden_size // (3 * 256)) * 256


_SHAPES = (
    # billions, layers, hidden, heads, kv_heads, intermediate, vocabulary: published Llama, Qwen
    # and Mistral models, whose sizes are the ones that people name.
    (0.5, 24, 896, 14, 2, 4864, 151_936),
    (1.0, 16, 2048, 32, 8, 8192, 128_256),
    (3.0, 28, 3072, 24, 8, 8192, 128_256),
    (7.0, 32, 4096, 32, 32, 11_008, 32_000),
    (8.0, 32, 4096, 32, 8, 14_336, 128_256),
    (13.0, 40, 5120, 40, 40, 13_824, 32_000),
    (14.0, 40, 5120, 40, 8, 17_408, 151_936),
    (24.0, 40, 5120, 32, 8, 32_768, 131_072),
    (32.0, 64, 5120, 64, 8, 25_600, 151_936),
    (34.0, 48, 8192, 64, 8, 22_016, 32_000),
    (70.0, 80, 8192, 64, 8, 28_672, 128_256),
    (123.0, 88, 12_288, 96, 8, 28_672, 32_768),
    (405.0, 126, 16_384, 128, 8, 53_248, 128_256),
)
_HEAD_DIM = 128
_TIED_BELOW = 4.0


def suggest(size: str) -> ManualModel | None:
    """A shape for a size as people say it ("7B", "350M", "70"): the nearest published one.

    None when the text is no size. `parameters` is the size, so that a difference is noted.
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        return None
    parameters = round(float(match[1]) * _SCALE[match[2].lower()])
    if not 1 <= parameters <= _MOST["parameters"]:
        return None
    billions = parameters / 10**9
    near = min(
        _SHAPES, key=lambda shape: abs(shape[0] / billions - 1) + abs(billions / shape[0] - 1)
    )
    scale, layers, hidden, heads, kv_heads, width, vocab = near
    return ManualModel(
        name=f"{size.strip()} model",
        parameters=parameters,
        layers=layers,
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=min(_HEAD_DIM, hidden // heads),
        intermediate_size=width,
        vocab_size=vocab,
        tied_embeddings=scale < _TIED_BELOW,
    )
