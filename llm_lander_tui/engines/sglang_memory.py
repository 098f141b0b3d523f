"""SGLang's own arithmetic of a start: the step, the graphs, and the memory kept for both.

The rules are those of SGLang 0.5.23 (srt/arg_groups/memory_hook.py and cuda_graph_hook.py; until
0.5.15 in srt/server_args.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.base import Known
from llm_lander_tui.engines.pool_rules import Estimate
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.cache import StateKind
from llm_lander_tui.models.tensors import Part
from llm_lander_tui.units import MIB, format_bytes, format_tokens

CHUNKS = ((20, 2048), (60, 4096), (160, 8192))
LARGEST_CHUNK = 16384
"""chunked_prefill_size by memory in GiB, and beyond."""
GRAPH_BATCHES = ((20, 8, 8), (35, 48, 160), (60, 32, 160), (160, 256, 512))
LARGEST_GRAPH_BATCH = 512
"""The largest batch of a graph by memory in GiB, below TP 4 and from it on, and beyond."""
DECODE_STEPS = ((2, 1), (4, 2), (16, 4), (256, 8), (512, 16))
LAST_DECODE_STEP = 32
"""Batches that are captured: up to each size by that step, and beyond."""
PREFILL_STEPS = ((32, 4), (256, 16), (512, 32), (1024, 64), (4096, 256))
LAST_PREFILL_STEP = 512
"""The same of the tokens of a prompt."""

META_MB = 512
ACTIVATION_MB_PER_TOKEN = 1.5
LEAST_CHUNK = 2048
PARALLEL_MB = 1024 / 8
DECODE_MB_PER_SEQUENCE = 2
ATTENTION_COPY_MB_PER_SEQUENCE = 3
LARGE_ATTENTION_COPY_MB_PER_SEQUENCE = 4.5
LARGE_GRAPH_BATCH = 300
PREFILL_MB_PER_SIZE = 8
LATENT_PREFILL_MB = 1536
LARGE_CARD_MB = 60 * 1024
LARGE_CARD_KEEPS_MB = 10 * 1024
"""The parts of what SGLang keeps free when it chooses mem_fraction_static itself, in MiB."""
TOWER_SHARE = 0.95
"""What is left of that fraction beside a vision tower of ViT-L's size; SGLang scales it from 0.76
to 0.9975 by the tower's layers and width, which an architecture does not keep."""

GRAPH_MIB = 26
"""MiB of a captured batch size on one card: the median of six logs (8 to 28; four of them within
9 %). They print 0.03, 0.11 and 0.11 GiB for 4 sizes, 0.07 for 3, 0.60 and 1.44 for 52."""
PARALLEL_GRAPH_MIB = 60
"""The same with tensor parallelism: 0.93 GiB for 13 sizes at TP 4, 1.93 for 40 at TP 8."""
GRAPH_SPREAD = 0.7
"""Relative: the farthest of those logs."""

CAPTURED_BESIDE_TOWER = frozenset((
    "qwen3_5_text", "qwen3_5_moe_text", "kimi_k2", "deepseek_v3", "minimax_m3", "cohere2",
    "paddleocr_vl_text",
))  # fmt: skip
"""Decoders of the vision models whose prompts SGLang captures (its list in configs/model_config.py;
DeepSeek-V3 is the decoder of some Kimi-K2.5 checkpoints); those of others it does not."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the memory of a start depends on beside the card.

    `chunk` is the prompt tokens of a step, `batch` the largest captured batch, `graphs` and
    `prefill_graphs` whether decoding and prompts are captured. `ranks` are tensor x pipeline ranks,
    `copies` the groups of DP attention (1: none). `latent` is attention of kind MLA, `tower` a
    vision tower beside the decoder.
    """

    chunk: int
    batch: int
    graphs: bool
    prefill_graphs: bool
    ranks: int = 1
    copies: int = 1
    latent: bool = False
    tower: bool = False


def chunk_for(card_mib: float) -> int:
    """SGLang's choice of the prompt tokens of a step, by the memory of the smallest card."""
    memory = card_mib / 1024
    return next((size for limit, size in CHUNKS if memory < limit), LARGEST_CHUNK)


def graph_batch_for(card_mib: float, tensor_parallel: int) -> int:
    """SGLang's choice of the largest batch that is captured as a graph."""
    for limit, few, many in GRAPH_BATCHES:
        if card_mib / 1024 < limit:
            return many if tensor_parallel >= 4 else few
    return LARGEST_GRAPH_BATCH


def decode_sizes(largest: int) -> int:
    """How many batch sizes are captured for decoding, the largest always among them."""
    count, last = _sizes(largest, DECODE_STEPS, LAST_DECODE_STEP)
    return count + (last < largest)


def prefill_sizes(tokens: int) -> int:
    """How many prompt lengths are captured for steps of up to `tokens` tokens."""
    return _sizes(tokens, PREFILL_STEPS, LAST_PREFILL_STEP)[0]


def _sizes(largest: int, steps: tuple[tuple[int, int], ...], beyond: int) -> tuple[int, int]:
    """How many sizes there are up to `largest`, and the last of them."""
    count = last = 0
    for limit, step in (*steps, (largest, beyond)):
        more = max(0, (min(limit, largest) - last) // step)
        count, last = count + more, last + more * step
    return count, last


def captures_prompts(architecture: Architecture, pipeline_parallel: int) -> bool:
    """Whether SGLang captures graphs of prompts by default (cuda_graph_hook.py).

    It does not over pipeline stages, for Kimi's linear attention, for DeepSeek-V4's compressed
    rows, and for vision models outside a list of its own.
    """
    if pipeline_parallel > 1:
        return False
    if any(state.kind is StateKind.KIMI_DELTA for state, _ in architecture.states):
        return False
    if any(row.compressed is not None for row, _ in architecture.kv_rows):
        return False
    return not has_tower(architecture) or architecture.model_type in CAPTURED_BESIDE_TOWER


def has_tower(architecture: Architecture) -> bool:
    """Whether a vision or audio tower is loaded beside the decoder."""
    return architecture.parts[Part.TOWER] > 0


def kept_mib(start: Start, card_mib: float) -> float:
    """MiB that SGLang keeps free on a card for activations and graphs.

    512 + 1.5 per token of a step (2,048 at least) + 128 per rank + 2 per sequence of the largest
    decoding graph + 8 per captured prompt length (1,536 in all for MLA) + 3 per sequence and group
    of DP attention (4.5 for batches above 300); on cards above 60 GiB at least 10 GiB.
    """
    kept = META_MB + ACTIVATION_MB_PER_TOKEN * max(start.chunk, LEAST_CHUNK)
    kept += PARALLEL_MB * start.ranks
    if start.graphs:
        kept += DECODE_MB_PER_SEQUENCE * start.batch
    if start.copies > 1:
        large = start.batch > LARGE_GRAPH_BATCH
        each = LARGE_ATTENTION_COPY_MB_PER_SEQUENCE if large else ATTENTION_COPY_MB_PER_SEQUENCE
        kept += each * start.batch * start.copies
    kept += _prefill_mib(start)
    return max(kept, LARGE_CARD_KEEPS_MB) if card_mib > LARGE_CARD_MB else kept


def _prefill_mib(start: Start) -> int:
    if not start.prefill_graphs:
        return 0
    if start.latent:
        return LATENT_PREFILL_MB
    return PREFILL_MB_PER_SIZE * prefill_sizes(start.chunk)


def automatic_fraction(start: Start, card_mib: float) -> tuple[float, str]:
    """mem_fraction_static as SGLang chooses it for a card of `card_mib` MiB, and why."""
    if card_mib <= 0:
        return 0.0, "no card"
    kept = kept_mib(start, card_mib)
    fraction, why = (card_mib - kept) / card_mib, f"SGLang keeps {kept:,.0f} MB"
    if start.tower:
        fraction *= TOWER_SHARE
        why += f", and 1 - {TOWER_SHARE} of the rest for images"
    return max(0.0, round(fraction, 3)), why


def graph_estimate(start: Start) -> Estimate:
    """What the graphs of decoding and of prompts take on a card."""
    if not start.graphs:
        return Estimate(0, "no CUDA graphs.")
    sizes = decode_sizes(start.batch)
    each = PARALLEL_GRAPH_MIB if start.ranks > 1 else GRAPH_MIB
    decoding, prompts = sizes * each * MIB, _prefill_mib(start) * MIB
    why = (
        f"graphs of {sizes} batch sizes up to {start.batch} at {each} MiB: {format_bytes(decoding)}"
    )
    if prompts:
        limit = format_tokens(start.chunk)
        why += f"; of prompts up to {limit} tokens at SGLang's own {format_bytes(prompts)}"
    return Estimate(
        decoding + prompts,
        f"{why}.",
        Known.ROUGH,
        GRAPH_SPREAD,
        "SGLang logs: 8 to 28 MiB a batch size on one card, 49 and 73 at TP 8 and 4",
    )
