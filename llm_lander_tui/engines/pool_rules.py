"""How engines with one pool of KV tokens spend memory, as values for the shared footprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.engines.base import Known
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.ranks import UNPADDED, Tile


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes of working memory on each GPU, and how they are known."""

    bytes: int
    why: str
    known: Known = Known.CALIBRATED
    spread: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reserve:
    """What the budget rule keeps out of the pool, and the rule in one sentence."""

    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Room:
    """What a budget rule may look at on one GPU, in bytes.

    `free` is what the driver has left before the engine starts, `outside` the CUDA context and
    libraries, `weights` what is loaded, `working` activations and graphs of a step.
    """

    total: int
    free: int
    outside: int
    weights: int
    working: int


@dataclass(frozen=True, slots=True)
class PoolRules:
    """How an engine with a token pool runs a model.

    `reserve` is the budget rule, `degrees` how the model is divided over ranks. `working_inside`
    tells that activations and graphs live in what the rule keeps free; otherwise they come on top.
    `block` is the tokens of a page, `window_share` the tokens that window layers keep per token of
    the others, in a pool of their own, `state_slots` the recurrent states per running sequence,
    `state_bytes` the bytes of a recurrent element where the config does not say, `kv_scale_bytes`
    the bytes beside each head's keys and values in an integer cache, `index_bytes` those of an
    element of an index key beside grouped heads. `absorbs_latent`: the up-projections of latent
    attention are kept twice. `tile`: what MXFP4 expert kernels pad each
    expert to.
    """

    reserve: Callable[[Room], Reserve]
    degrees: Degrees
    working_inside: bool
    activations: Estimate
    graphs: Estimate
    libraries: Estimate
    block: int = 1
    window_share: float = 1.0
    state_slots: int = 1
    state_bytes: int = 4
    kv_scale_bytes: int = 0
    index_bytes: int = 2
    absorbs_latent: bool = False
    tile: Tile = UNPADDED
    source: str = ""
