"""Working memory of a forward pass in PyTorch, stage by stage, counted in live tensors.

The counts follow Transformers' own modules, with each tensor that is still bound when the largest
one of the stage is made (modeling_llama.py, integrations/{sdpa_attention,moe}.py). They repeat the
published peaks of Qwen2.5 0.5B to 72B (QwenLM/Qwen3 speed benchmark, 96 runs) within 1 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.models.architecture import Layer, Mixer
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Shard, Tensor

FP32_BYTES = 4
STREAM = 3
"""Copies of the hidden states inside a layer: its input, the residual, the normed input."""


class Attention(StrEnum):
    """How attention is computed (`attn_implementation`)."""

    SDPA = "sdpa"
    FLASH = "flash_attention_2"
    EAGER = "eager"


class Experts(StrEnum):
    """How a mixture of experts is computed: expert by expert, or all in one grouped product."""

    LOOP = "loop"
    GROUPED = "grouped"


@dataclass(frozen=True, slots=True)
class Stage:
    """Bytes that live at once: per token, per (query, key) pair of a sequence, and once."""

    name: str
    per_token: int
    per_pair: int = 0
    once: int = 0


def layer_stages(
    layer: Layer,
    hidden: int,
    element: int,
    attention: Attention,
    experts: Experts,
    *,
    repeats_kv: bool = False,
    dequantised_copies: int = 0,
) -> tuple[Stage, ...]:
    """The stages of a layer's forward pass whose working sets can be the largest.

    `element` is the bytes of an activation, `repeats_kv` tells that keys and values are copied once
    per query head before attention, `dequantised_copies` how many 16-bit copies of a matrix a use
    makes. The layer's own KV cache rows are not in it.
    """
    found = [
        _attention_stage(mixer, hidden, element, attention, repeats_kv=repeats_kv)
        for mixer in layer.mixers
    ]
    if isinstance(layer.mlp, DenseMlp):
        matrices = 3 if layer.mlp.gated else 2
        width = matrices * layer.mlp.intermediate + STREAM * hidden
        found.append(Stage("the feed-forward layer", element * width))
    elif isinstance(layer.mlp, ExpertsMlp):
        found.append(_experts_stage(layer.mlp, hidden, element, experts))
    if dequantised_copies:
        linear = [t for t in layer.tensors() if t.linear]
        largest = max(linear, key=lambda t: t.rows * t.columns)
        found.append(expanded_stage(largest, STREAM * hidden, element, dequantised_copies))
    return tuple(found)


def expanded_stage(matrix: Tensor, width: int, element: int, copies: int) -> Stage:
    """A matrix expanded to 16 bits, with its input, its output and `width` elements a token."""
    per_token = element * (matrix.rows + matrix.columns + width)
    once = 2 * copies * matrix.rows * matrix.columns
    return Stage("a dequantised matrix", per_token, once=once)


def _attention_stage(
    mixer: Mixer, hidden: int, element: int, attention: Attention, *, repeats_kv: bool
) -> Stage:
    if isinstance(mixer, GroupedAttention):
        heads = mixer.heads
        q, v = heads * mixer.head_dim, heads * mixer.v_head_dim
    elif isinstance(mixer, LatentAttention):
        heads = mixer.heads
        q = heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim)
        v = heads * mixer.v_head_dim
    else:
        # Projections, their convolved copy, and the FP32 chunks of the recurrence.
        rows = sum(t.rows for t in mixer.tensors() if t.linear and t.shard is Shard.COLUMN)
        width = (2 * element + FP32_BYTES) * rows + 2 * element * hidden
        return Stage("the recurrent layer", width)
    rotated = 4 * q  # the query, both halves of its rotation and their product
    repeated = repeats_kv and attention is not Attention.FLASH
    attended = q + v + (q + v if repeated or attention is Attention.EAGER else 0)
    per_token = element * (2 * hidden + max(rotated, attended))
    if attention is not Attention.EAGER:
        return Stage("attention", per_token)
    # Scores, their FP32 softmax, and its cast back.
    return Stage("eager attention", per_token, heads * (2 * element + FP32_BYTES))


def _experts_stage(mlp: ExpertsMlp, hidden: int, element: int, experts: Experts) -> Stage:
    routed = FP32_BYTES * 2 * mlp.experts  # router logits and their softmax
    shared = hidden if mlp.shared_intermediate else 0
    if experts is Experts.LOOP:
        one_hot = 8 * mlp.active * mlp.experts
        width = (STREAM + 1) * hidden + shared
        return Stage("the experts", element * width + routed + one_hot)
    gate = 4 if mlp.gated else 2
    sorted_rows = mlp.active * max(hidden + gate * mlp.intermediate, 4 * hidden)
    return Stage("the experts", element * (STREAM * hidden + shared + sorted_rows) + routed)


def largest_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages that can be the largest for some length: none is below another in every term."""
    kept: list[Stage] = []
    for s in sorted(stages, key=lambda s: (s.per_token, s.per_pair, s.once), reverse=True):
        if all(s.per_pair > other.per_pair or s.once > other.once for other in kept):
            kept.append(s)
    return tuple(kept)
