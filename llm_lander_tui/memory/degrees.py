"""Degrees of parallelism: over how many ranks each part of a model is divided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.models.tensors import Part, Shard, Tensor


class Shared(StrEnum):
    """What data-parallel ranks divide among themselves instead of each holding it whole."""

    NOTHING = "nothing"
    """Independent copies of the model behind a router (SGLang's `--dp-size`)."""
    EXPERTS = "experts"
    """The routed experts (vLLM's `--data-parallel-size`)."""
    FEED_FORWARD = "feed-forward"
    """Experts, dense feed-forward layers and the head (SGLang's `--enable-dp-attention`)."""


class Remainder(StrEnum):
    """Which pipeline stages hold a layer more where layers do not divide evenly."""

    BEFORE_LAST = "before last"
    """One each, from the stage before the last one backwards (vLLM, pull request 13839)."""
    FIRST = "first"
    """One each, from the first stage on (SGLang pull request 13282, TensorRT-LLM 4034)."""
    LAST = "last"
    """All in the last stage (vLLM before 0.8)."""


@dataclass(frozen=True, slots=True)
class Degrees:
    """How a model is divided over ranks (memory_models D).

    `tensor` ranks divide the attention of a copy of the model, `pipeline` stages its layers; `data`
    copies each serve sequences of their own and cache their tokens. What the copies do not hold
    whole is `shared` among them. Routed experts are divided as `whole_experts` (expert parallel),
    else a slice of each. Layers that are left over go to the stages that `remainder` names.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    whole_experts: bool = False
    shared: Shared = Shared.EXPERTS
    remainder: Remainder = Remainder.BEFORE_LAST

    @property
    def ranks(self) -> int:
        """GPUs that the model takes."""
        return self.tensor * self.pipeline * self.data

    @property
    def experts(self) -> int:
        """Ranks that divide the routed experts."""
        return self.tensor if self.shared is Shared.NOTHING else self.tensor * self.data

    @property
    def feed_forward(self) -> int:
        """Ranks that divide dense feed-forward layers and the head."""
        return self.tensor * self.data if self.shared is Shared.FEED_FORWARD else self.tensor

    def of(self, tensor: Tensor) -> int:
        """Ranks that divide a weight tensor."""
        if tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
            return self.experts
        if tensor.part in (Part.MLP, Part.LM_HEAD):
            return self.feed_forward
        return self.tensor

    def stage(self, rank: int) -> int:
        """The pipeline stage of a rank.

        Copies that share their feed-forward layers stand side by side in a stage; others follow one
        another, each with all its stages.
        """
        if self.shared is Shared.FEED_FORWARD:
            return rank // (self.tensor * self.data)
        return rank % (self.tensor * self.pipeline) // self.tensor

    def sequences(self, concurrency: int) -> int:
        """Sequences that the fullest copy serves of all that run at once."""
        return -(-concurrency // self.data)

    @property
    def words(self) -> str:
        """The degrees as people name them."""
        named = f"tensor parallel {self.tensor} x pipeline parallel {self.pipeline}"
        return named if self.data == 1 else f"{named} x data parallel {self.data}"


ONE_RANK = Degrees()
