"""What an engine answers: which allocations live on each GPU, and against which budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from llm_lander_tui.memory.weights import Recipe
    from llm_lander_tui.models.model import Model
    from llm_lander_tui.planner.scenario import Scenario


class Known(StrEnum):
    """How a number is known."""

    EXACT = "exact"
    """Counted by the engine's own rule."""
    CALIBRATED = "calibrated"
    """A law whose constant was fitted to measured runs; the allocation carries the spread."""
    ROUGH = "rough"
    """A rule of thumb."""


class Kind(StrEnum):
    """What an allocation is for, in the order that the memory bar shows."""

    WEIGHTS = "weights"
    KV_CACHE = "KV cache"
    STATE = "state"
    ACTIVATIONS = "activations"
    """Activations, compute buffers, logits: the working memory of a step."""
    GRAPHS = "CUDA graphs"
    LORA = "LoRA"
    DRAFT = "draft model"
    RUNTIME = "runtime"
    """CUDA context, libraries, NCCL."""
    RESERVED = "reserved"
    """What the engine's budget rule leaves unused, and the user's safety margin."""


HOST = -1
"""The `gpu` of an allocation in host memory."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Bytes that one device holds for one purpose.

    `gpu` is the position in the scenario's GPUs, or HOST. `why` is one sentence with its values put
    in. `spread` is the relative spread seen (0.06 = ±6 %) of a calibrated or rough number; `source`
    names where the rule or the constant comes from.
    """

    gpu: int
    kind: Kind
    bytes: int
    known: Known
    why: str
    spread: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What an engine lets itself allocate on one GPU, and the rule in one sentence.

    `bytes` is compared with the sum of the allocations; `refusal` is why the engine would not start
    at all on this GPU, whatever the context (None: it would).
    """

    bytes: int
    why: str
    refusal: str | None = None


class Footprint(Protocol):
    """What a scenario needs, as a function of context and concurrency.

    `needed` is monotone in both arguments and equals the sum of `allocations` by GPU; it is called
    some twenty times per question and must cost microseconds: whatever does not depend on the
    arguments is computed once, when the footprint is made.
    """

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """One per GPU of the scenario."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the engine refuses the scenario as such: an illegal degree, a format it lacks."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of this plan, and no number says."""
        ...

    def needed(self, context: int, concurrency: int) -> Sequence[int]:
        """Bytes per GPU for `concurrency` sequences of `context` tokens each."""
        ...

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        """The same, itemised; host allocations too, which `needed` leaves out."""
        ...


@dataclass(frozen=True, slots=True)
class Option:
    """A knob of an engine, in the engine's own word ("--ubatch-size"), for screens and commands.

    `name` is the field of the engine's options dataclass; `steps` are the values a key steps
    through; `experts_only` knobs mean nothing to a model without routed experts.
    """

    name: str
    flag: str
    description: str
    steps: tuple[object, ...]
    experts_only: bool = False
    otherwise: str = ""
    """What holds without `description`: what the flag does where it starts with `--no-`."""


class Engine(Protocol):
    """An inference engine. Adding one is adding a file with one of these."""

    def __hash__(self) -> int: ...

    @property
    def id(self) -> str:
        """The word on the command line: "llama.cpp", "vllm", "transformers"."""
        ...

    @property
    def title(self) -> str:
        """The name as its makers write it."""
        ...

    @property
    def kv_formats(self) -> tuple[str, ...]:
        """Names for `formats.kv_format`, the engine's default first."""
        ...

    @property
    def tensor_parallel(self) -> bool:
        """Whether it divides tensors over its GPUs (llama.cpp divides layers instead)."""
        ...

    @property
    def options(self) -> tuple[Option, ...]: ...

    @property
    def default_options(self) -> object:
        """The engine's options (a frozen dataclass of its own) at their defaults."""
        ...

    def runs(self, recipe: Recipe, model: Model) -> bool:
        """Whether the engine can run the model in this weight format."""
        ...

    def footprint(self, scenario: Scenario) -> Footprint:
        """The memory of a scenario whose `engine` is this one."""
        ...

    def command(self, scenario: Scenario, context: int) -> str:
        """The start command for the scenario at this context, ready to paste."""
        ...


@runtime_checkable
class Slotted(Protocol):
    """An engine that serves no more than so many sequences at once, whatever the memory."""

    @property
    def most_sequences(self) -> int: ...


@runtime_checkable
class Offloading(Protocol):
    """An engine that can keep a part of the model in host memory."""

    @property
    def offload_options(self) -> tuple[str, ...]:
        """The options that say how much, by their fields."""
        ...

    def offload(self, scenario: Scenario) -> tuple[str, int] | None:
        """The option, and the value of it that lets the scenario fit with the least on the host.

        None where none does, or where none is needed.
        """
        ...
