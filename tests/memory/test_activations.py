"""The stages of a forward pass, tensor by tensor."""

from __future__ import annotations

from llm_lander_tui.memory.activations import (
    Attention,
    Experts,
    ForwardPass,
    Stage,
    largest_stages,
    layer_stages,
    mask_bytes,
)
from llm_lander_tui.models.architecture import Layer
from llm_lander_tui.models.attention import GroupedAttention
from llm_lander_tui.models.cache import Span, SpanKind
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp

ATTENTION = GroupedAttention(4096, 32, 8, 128, 128)
DENSE = Layer((ATTENTION,), DenseMlp(4096, 14336))


def stages(layer: Layer, attention: Attention = Attention.SDPA, **more: object) -> dict[str, Stage]:
    how = ForwardPass(attention, **{"experts": Experts.GROUPED} | more)
    return {stage.name: stage for stage in layer_stages(layer, 4096, how)}


def test_a_gated_feed_forward_holds_three_wide_and_three_narrow_tensors():
    # gate, up and their product of 14336, and input, residual and normed input of 4096.
    assert stages(DENSE)["the feed-forward layer"].per_token == 2 * (3 * 14336 + 3 * 4096)


def test_an_ungated_feed_forward_holds_two_wide_tensors():
    layer = Layer((ATTENTION,), DenseMlp(4096, 16384, gated=False))
    assert stages(layer)["the feed-forward layer"].per_token == 2 * (2 * 16384 + 3 * 4096)


def test_the_rotation_of_queries_is_the_peak_of_fused_attention():
    # input and residual, and the query, both halves of its rotation and their product.
    assert stages(DENSE)["attention"].per_token == 2 * (2 * 4096 + 4 * 4096)


def test_eager_attention_holds_scores_their_softmax_and_its_cast():
    # per head and pair: 2 bytes and, in BF16, an FP32 copy and its softmax; in FP16 the softmax and
    # its cast back; in FP32 the score and its softmax.
    for more, size in (({}, 2 + 4 + 4), ({"half": True}, 2 + 4 + 2), ({"element": 4}, 4 + 4)):
        found = stages(DENSE, Attention.EAGER, **more)["eager attention"]
        assert found.per_pair == 32 * size


def test_masks_are_held_where_the_kernel_does_not_know_the_window():
    window = Layer((GroupedAttention(4096, 32, 8, 128, 128, Span(SpanKind.SLIDING, 1024)),), None)
    for attention, alone, windowed in (
        (Attention.EAGER, 2, 4),
        (Attention.SDPA, 0, 1),
        (Attention.FLASH, 0, 0),
    ):
        how = ForwardPass(attention, Experts.LOOP)
        assert mask_bytes([DENSE], how) == alone
        assert mask_bytes([DENSE, window], how) == windowed
    assert stages(window)["attention"].per_pair == 2  # the additive mask of SDPA


def test_grouped_experts_sort_a_row_per_token_and_expert():
    layer = Layer((ATTENTION,), ExpertsMlp(4096, 64, 8, 1024))
    # 8 x max(hidden + 4 x 1024, 4 x 4096) sorted rows, three streams, FP32 router and softmax.
    expected = 2 * (3 * 4096 + 8 * 4 * 4096) + 2 * 4 * 64
    assert stages(layer)["the experts"].per_token == expected


def test_experts_one_by_one_hold_the_one_hot_mask():
    layer = Layer((ATTENTION,), ExpertsMlp(4096, 64, 8, 1024))
    found = stages(layer, experts=Experts.LOOP)["the experts"]
    assert found.per_token == 2 * 4 * 4096 + 2 * 4 * 64 + 8 * 8 * 64


def test_a_dequantised_matrix_lives_once_per_copy():
    found = stages(DENSE, dequantised_copies=2)["a dequantised matrix"]
    assert found.once == 2 * 2 * 14336 * 4096


def test_only_stages_that_can_be_the_largest_are_kept():
    wide, deep, below = Stage("wide", 100), Stage("deep", 50, 8), Stage("below", 40)
    once = Stage("once", 10, once=1000)
    assert set(largest_stages([below, deep, wide, once])) == {wide, deep, once}
    assert largest_stages([wide, Stage("same", 100)]) == (wide,)
