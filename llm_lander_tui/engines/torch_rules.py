"""How engines on PyTorch modules spend memory, as values for the shared footprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.engines.base import Known
from llm_lander_tui.memory.activations import Attention, Experts


class Cache(StrEnum):
    """How keys and values are kept between steps."""

    DYNAMIC = "dynamic"
    """Grown by concatenation at every step."""
    STATIC = "static"
    """Allocated at its full length at once."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes on every GPU, whatever the load: a kernel's scratch space, a table, a loader's copy."""

    bytes: int
    why: str
    known: Known = Known.EXACT
    spread: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class TorchRules:
    """How an engine runs a model in PyTorch.

    `logits_of_prompt`: the head computes logits of every prompt token, not of the last one alone.
    `cache_copies`: how often the cache lives while a step grows it. `latent_expanded`: latent
    attention (MLA) caches keys and values of every head instead of the latent. `repeats_kv`: keys
    and values are copied once per query head. `rope_tables`: rotary tables of all positions, kept
    by every layer. `one_arena`: weights are cut from one warmed-up segment, without rounding each.
    `dequantises`: a matrix is expanded to 16 bits, `dequantised_copies` times, when a batch of
    tokens uses it. `even_layers`: every GPU gets the same number of layers, embedding and head the
    first one. `prefill_chunk`: prompt tokens that one step takes, over the batch. `page`:
    tokens that a static cache is a multiple of. `keeps_latent_rope`: a quantised cache of latent
    attention keeps its rope part and an indexer's keys at 16 bits.
    `fuses_qkv`: query, key and value weights are copied into one after loading, so that both live
    before the first step. Of a model with tied embeddings the head is a matrix of its own where
    `unties_head`, and one until loading has ended where `loads_head`. `max_new_tokens` None means
    that the prompt may fill the context.
    """

    attention: Attention = Attention.SDPA
    experts: Experts = Experts.GROUPED
    cache: Cache = Cache.DYNAMIC
    logits_of_prompt: bool = False
    cache_copies: int = 1
    latent_expanded: bool = False
    repeats_kv: bool = False
    rope_tables: bool = False
    one_arena: bool = True
    dequantises: bool = False
    dequantised_copies: int = 1
    fuses_qkv: bool = False
    unties_head: bool = False
    loads_head: bool = False
    even_layers: bool = False
    page: int = 1
    keeps_latent_rope: bool = False
    prefill_chunk: int | None = None
    embedding_on_host: bool = False
    max_new_tokens: int | None = None
    buffers: tuple[Buffer, ...] = ()

    def prompt(self, context: int) -> int:
        """Prompt tokens of a sequence of `context` tokens."""
        if self.max_new_tokens is None or context <= 1:
            return context
        return max(1, context - self.max_new_tokens)


TRANSFORMERS_4_40 = TorchRules(
    experts=Experts.LOOP,
    logits_of_prompt=True,
    cache_copies=2,
    latent_expanded=True,
    repeats_kv=True,
    rope_tables=True,
    one_arena=False,
)
"""Up to 4.44: logits of the whole prompt, a tuple cache that lives twice while a step grows it, and
rotary tables in every layer (modeling_llama.py, cache_utils.py)."""
TRANSFORMERS_4_46 = TorchRules(
    experts=Experts.LOOP,
    latent_expanded=True,
    repeats_kv=True,
    one_arena=False,
    loads_head=True,
)
"""From 4.45: none of these."""
TRANSFORMERS_4_51 = TorchRules(experts=Experts.LOOP, latent_expanded=True, repeats_kv=True)
"""From 4.50: one warmed-up arena for the weights (modeling_utils.py, caching_allocator_warmup)."""
TRANSFORMERS_5 = TorchRules()
"""From 5: fused experts and latent caches (integrations/moe.py, modeling_deepseek_v3.py)."""


def even_layers(layers: int, gpus: int) -> tuple[range, ...]:
    """The layers of each GPU when their number is divided evenly, the first ones one more."""
    each, more = divmod(layers, gpus)
    ends = [each * (i + 1) + min(i + 1, more) for i in range(gpus)]
    return tuple(range(a, b) for a, b in zip([0, *ends], ends, strict=False))


def place_layers(
    layers: Sequence[int], first: int, last: int, capacities: Sequence[int]
) -> tuple[range, ...]:
    """The layers of each GPU as `device_map="auto"` divides them, in order.

    `layers` are bytes per layer, `first` what stands before them, `last` after. Every GPU but the
    last takes up to an even share of the model and 1.25 layers more, and never more than its
    capacity (accelerate utils/modeling.py, get_balanced_memory); what is left goes to the last.
    """
    count = len(capacities)
    if count <= 1:
        return (range(len(layers)),) * count
    share = (first + sum(layers) + last) // count + 5 * max(layers, default=0) // 4
    found: list[range] = []
    start = 0
    for gpu, capacity in enumerate(capacities[:-1]):
        room = min(share, capacity) - (first if gpu == 0 else 0)
        end = start
        while end < len(layers) and layers[end] <= room:
            room -= layers[end]
            end += 1
        found.append(range(start, end))
        start = end
    return (*found, range(start, len(layers)))
