"""Working memory of a forward pass in PyTorch, stage by stage, counted in live tensors.

The counts follow Transformers' own modules, with each tensor that is still bound when the largest
one of the stage is made (modeling_llama.py, integrations/{sdpa_attention,moe}.py). They repeat the
published peaks of Qwen2.5 0.5B to 72B (QwenLM/Qwen3 speed benchmark, 96 runs) within 1 %, and the
live tensors of small Llama, Gemma 3, Mixtral, Qwen3-MoE, Qwen3-Next, OPT, GPT-NeoX and Falcon
models in Transformers 5 within 4 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.models.architecture import Layer, Mixer
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.cache import SpanKind
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
    """Bytes that live at once: per token, per (query, key) pair of a sequence, and once.

    `rough` tells that the kernels decide, not the tensors between them.
    """

    name: str
    per_token: int
    per_pair: int = 0
    once: int = 0
    rough: bool = False


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """How a forward pass runs.

    `element` is the bytes of an activation and `half` whether it is FP16, whose softmax CUDA
    computes in FP32 without a copy. `repeats_kv`: keys and values are copied once per query head.
    `dequantised_copies`: how many 16-bit copies of a quantised matrix a use makes.
    """

    attention: Attention
    experts: Experts
    element: int = 2
    half: bool = False
    repeats_kv: bool = False
    dequantised_copies: int = 0

    @property
    def sink_score_bytes(self) -> int:
        """Bytes of a score, its copy joined with the sinks and its softmax, all of one type.

        modeling_gpt_oss.py, eager_attention_forward, whose live tensors on a CPU are 6.00 bytes of
        BF16 per head and pair.
        """
        return 3 * self.element

    @property
    def score_bytes(self) -> int:
        """Bytes of a score with its FP32 copy and softmax, or its softmax and the cast back."""
        if self.element == FP32_BYTES:
            return 2 * FP32_BYTES
        return 2 * self.element + FP32_BYTES if self.half else self.element + 2 * FP32_BYTES


def layer_stages(layer: Layer, hidden: int, how: ForwardPass) -> tuple[Stage, ...]:
    """The stages of a layer's forward pass whose working sets can be the largest.

    The layer's own KV cache rows are not in it.
    """
    found = [_attention_stage(mixer, hidden, how) for mixer in layer.mixers]
    if isinstance(layer.mlp, DenseMlp):
        matrices = 3 if layer.mlp.gated else 2
        width = matrices * layer.mlp.intermediate + STREAM * hidden
        found.append(Stage("the feed-forward layer", how.element * width))
    elif isinstance(layer.mlp, ExpertsMlp):
        found.append(_experts_stage(layer.mlp, hidden, how))
    matrices_of = [t for t in layer.tensors() if t.linear]
    if how.dequantised_copies and matrices_of:
        largest = max(matrices_of, key=lambda t: t.rows * t.columns)
        found.append(expanded_stage(largest, STREAM * hidden, how))
    return tuple(found)


def mask_bytes(layer_kinds: Sequence[Layer], how: ForwardPass) -> int:
    """Bytes per (query, key) pair of the masks that a whole forward pass holds.

    Eager attention adds a mask for all tokens and one for windows; SDPA makes a boolean one for
    windows only; FlashAttention none.
    """
    windowed = any(_windowed(mixer) for layer in layer_kinds for mixer in layer.mixers)
    if how.attention is Attention.EAGER:
        return how.element * (1 + windowed)
    return int(windowed and how.attention is Attention.SDPA)


def expanded_stage(matrix: Tensor, width: int, how: ForwardPass) -> Stage:
    """A matrix expanded to 16 bits, with its input, its output and `width` elements a token."""
    per_token = how.element * (matrix.rows + matrix.columns + width)
    once = 2 * how.dequantised_copies * matrix.rows * matrix.columns
    return Stage("a dequantised matrix", per_token, once=once)


def _windowed(mixer: Mixer) -> bool:
    spans = (SpanKind.SLIDING, SpanKind.CHUNKED)
    return isinstance(mixer, GroupedAttention) and mixer.span.kind in spans


def _attention_stage(mixer: Mixer, hidden: int, how: ForwardPass) -> Stage:
    eager = how.attention is Attention.EAGER
    if isinstance(mixer, GroupedAttention):
        heads = mixer.heads
        q, v = heads * mixer.head_dim, heads * mixer.v_head_dim
        repeated = eager or (how.repeats_kv and how.attention is not Attention.FLASH)
        attended = q + v + (q + v if repeated else 0)
    elif isinstance(mixer, LatentAttention):
        heads = mixer.heads
        q = heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim)
        v = heads * mixer.v_head_dim
        # The query twice, keys joined anew from the expanded latent, and the output.
        attended = 3 * q + 2 * v + heads * mixer.qk_nope_head_dim
    else:
        # Projections, their convolved copy, and the FP32 chunks of the recurrence.
        rows = sum(t.rows for t in mixer.tensors() if t.linear and t.shard is Shard.COLUMN)
        width = (2 * how.element + FP32_BYTES) * rows + 2 * how.element * hidden
        return Stage("the recurrent layer", width, rough=True)
    rotated = 4 * q  # the query, both halves of its rotation and their product
    per_token = how.element * (2 * hidden + max(rotated, attended))
    if eager:
        sinks = isinstance(mixer, GroupedAttention) and mixer.sinks
        scores = how.sink_score_bytes if sinks else how.score_bytes
        return Stage("eager attention", per_token, heads * scores)
    # SDPA makes an additive mask of the boolean one for its kernel.
    masked = how.element if how.attention is Attention.SDPA and _windowed(mixer) else 0
    return Stage("attention", per_token, masked)


def _experts_stage(mlp: ExpertsMlp, hidden: int, how: ForwardPass) -> Stage:
    routed = FP32_BYTES * 2 * mlp.experts  # router logits and their softmax
    shared = hidden if mlp.shared_intermediate else 0
    if how.experts is Experts.LOOP:
        one_hot = 8 * mlp.active * mlp.experts
        width = (STREAM + 1) * hidden + shared
        return Stage("the experts", how.element * width + routed + one_hot)
    gate = 4 if mlp.gated else 2
    sorted_rows = mlp.active * max(hidden + gate * mlp.intermediate, 4 * hidden)
    width = STREAM * hidden + shared + sorted_rows
    return Stage("the experts", how.element * width + routed)


def largest_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages that can be the largest for some length: none is below another in every term."""
    kept: list[Stage] = []
    for s in sorted(stages, key=lambda s: (s.per_token, s.per_pair, s.once), reverse=True):
        if all(s.per_pair > other.per_pair or s.once > other.once for other in kept):
            kept.append(s)
    return tuple(kept)
