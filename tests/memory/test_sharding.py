"""Tensor, pipeline and expert parallel division of weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.formats import BF16
from llm_lander_tui.memory.degrees import Degrees, Remainder, Shared
from llm_lander_tui.memory.divisibility import legal_tensor_parallel, parallel_problems
from llm_lander_tui.memory.sharding import (
    kv_heads_per_rank,
    pipeline_stages,
    shard_shape,
    stage_bytes,
)
from llm_lander_tui.memory.weights import BlockStorage, Weights, WeightTensor
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import GroupedAttention
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector

STORAGE = BlockStorage(BF16)


def model(
    *, heads: int = 32, kv_heads: int = 8, layers: int = 4, tied: bool = False
) -> Architecture:
    attention = GroupedAttention(
        hidden=4096, heads=heads, kv_heads=kv_heads, head_dim=128, v_head_dim=128
    )
    norm = vector("attn_norm", "input_layernorm", Part.NORM, 4096)
    layer = Layer((attention,), DenseMlp(4096, 14336), (norm, norm))
    outer = [
        Tensor("token_embd", "model.embed_tokens", Part.EMBEDDING, 128256, 4096, Shard.VOCAB),
        vector("output_norm", "model.norm", Part.NORM, 4096),
    ]
    if not tied:
        outer.append(Tensor("output", "lm_head", Part.LM_HEAD, 128256, 4096, Shard.VOCAB))
    return Architecture("llama", 4096, 128256, (layer,) * layers, tuple(outer), None, tied)


def weights(architecture: Architecture) -> Weights:
    inside = [
        WeightTensor(i, t, STORAGE)
        for i, layer in enumerate(architecture.layers)
        for t in layer.tensors()
    ]
    return Weights((*inside, *(WeightTensor(None, t, STORAGE) for t in architecture.outer)))


def test_llama_layer_divides_by_hand() -> None:
    # One rank of two, a layer of Llama-3.1-8B: q 2048·4096, k and v 512·4096 each, o 4096·2048,
    # gate and up 7168·4096, down 4096·7168, and both norms (2·4096) whole = 109,060,096 elements.
    layer = 2048 * 4096 + 2 * 512 * 4096 + 4096 * 2048 + 3 * 7168 * 4096 + 2 * 4096
    assert layer == 109_060_096
    embedding = 64128 * 4096
    assert stage_bytes(weights(model()), Degrees(2)) == (2 * (4 * layer + 2 * embedding + 4096),)


def test_pipeline_puts_embedding_first_and_head_last() -> None:
    architecture = model(layers=5)
    layer = 2 * (218_103_808 + 8192)
    embedding = 2 * 128256 * 4096
    # 5 layers over 2 stages: the last stage is the one that stays short.
    assert stage_bytes(weights(architecture), Degrees(pipeline=2)) == (
        3 * layer + embedding,
        2 * layer + embedding + 8192,
    )


def test_tied_embedding_is_on_both_ends_of_a_pipeline() -> None:
    tied = weights(model(tied=True))
    assert sum(stage_bytes(tied, Degrees(pipeline=2))) == tied.bytes + 2 * 128256 * 4096
    assert stage_bytes(tied, Degrees()) == (tied.bytes,)


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [(32, 4, [8, 8, 8, 8]), (61, 2, [31, 30]), (30, 4, [7, 8, 8, 7]), (31, 4, [8, 8, 8, 7])],
)
def test_stages_as_vllm_cuts_them(layers: int, stages: int, sizes: list[int]) -> None:
    assert [len(stage) for stage in pipeline_stages(layers, stages)] == sizes


@pytest.mark.parametrize(
    ("remainder", "sizes"),
    [
        # 61 layers over 8 stages: pull requests 6666 and 13282 of SGLang name all three.
        (Remainder.LAST, [7, 7, 7, 7, 7, 7, 7, 12]),
        (Remainder.FIRST, [8, 8, 8, 8, 8, 7, 7, 7]),
        (Remainder.BEFORE_LAST, [7, 7, 8, 8, 8, 8, 8, 7]),
    ],
)
def test_layers_that_are_left_over_go_where_the_engine_puts_them(remainder, sizes) -> None:
    assert [len(stage) for stage in pipeline_stages(61, 8, remainder)] == sizes


@given(st.integers(0, 200), st.integers(1, 16), st.sampled_from(Remainder))
def test_stages_hold_every_layer_once(layers: int, stages: int, remainder: Remainder) -> None:
    cut = pipeline_stages(layers, stages, remainder)
    assert len(cut) == stages
    assert [i for stage in cut for i in stage] == list(range(layers))


def test_kv_heads_replicate_below_one_per_rank() -> None:
    assert [kv_heads_per_rank(8, tp) for tp in (1, 2, 8, 16)] == [8, 4, 1, 1]
    projection = Tensor(
        "attn_k", "self_attn.k_proj", Part.ATTENTION, 4 * 128, 2048, Shard.KV_HEADS, kv_heads=4
    )
    assert shard_shape(projection, Degrees(8)) == (128, 2048, 1)


def test_experts_divide_inside_or_whole() -> None:
    experts = ExpertsMlp(hidden=2048, experts=128, active=8, intermediate=768)
    up = next(t for t in experts.tensors() if t.name == "ffn_up_exps")
    down = next(t for t in experts.tensors() if t.name == "ffn_down_exps")
    assert shard_shape(up, Degrees(4)) == (192, 2048, 128)
    assert shard_shape(down, Degrees(4)) == (2048, 192, 128)
    assert shard_shape(up, Degrees(4, whole_experts=True)) == (768, 2048, 32)


def test_copies_of_the_model_share_the_experts() -> None:
    experts = ExpertsMlp(hidden=2048, experts=128, active=8, intermediate=768)
    up = next(t for t in experts.tensors() if t.name == "ffn_up_exps")
    # Two copies of two ranks: 768 / 4 of each expert, or 128 / 4 whole ones.
    assert shard_shape(up, Degrees(2, data=2)) == (192, 2048, 128)
    assert shard_shape(up, Degrees(2, data=2, whole_experts=True)) == (768, 2048, 32)
    # Copies behind a router share nothing.
    alone = Degrees(2, data=2, whole_experts=True, shared=Shared.NOTHING)
    assert shard_shape(up, alone) == (768, 2048, 64)


def test_copies_of_the_attention_share_every_feed_forward_layer() -> None:
    # --tp-size 8 --dp-size 4 --enable-dp-attention: attention over 2 ranks, all else over 8.
    degrees = Degrees(2, data=4, shared=Shared.FEED_FORWARD)
    attention, mlp = model().layers[0].mixers[0], DenseMlp(4096, 14336)
    query = next(t for t in attention.tensors() if t.name == "attn_q")
    up = next(t for t in mlp.tensors() if t.name == "ffn_up")
    head = Tensor("output", "lm_head", Part.LM_HEAD, 128256, 4096, Shard.VOCAB)
    table = Tensor("token_embd", "", Part.EMBEDDING, 128256, 4096, Shard.VOCAB)
    assert shard_shape(query, degrees) == (2048, 4096, 1)
    assert shard_shape(up, degrees) == (1792, 4096, 1)
    assert shard_shape(head, degrees) == (16032, 4096, 1)
    assert shard_shape(table, degrees) == (64128, 4096, 1)


def test_ranks_of_copies_follow_one_another_or_stand_side_by_side() -> None:
    # Two stages of two ranks, twice.
    assert [Degrees(2, 2, 2).stage(rank) for rank in range(8)] == [0, 0, 1, 1, 0, 0, 1, 1]
    inside = Degrees(1, 2, 2, shared=Shared.FEED_FORWARD)
    assert [inside.stage(rank) for rank in range(4)] == [0, 0, 1, 1]
    assert [Degrees(data=4).sequences(n) for n in (1, 4, 5, 8)] == [1, 1, 2, 2]


def test_vocabulary_is_padded_to_64_rows() -> None:
    table = Tensor("token_embd", "", Part.EMBEDDING, 50257, 768, Shard.VOCAB)
    assert shard_shape(table, Degrees()) == (50304, 768, 1)
    assert shard_shape(table, Degrees(2)) == (25152, 768, 1)


def test_illegal_degree_names_the_legal_ones() -> None:
    architecture = model(heads=40, kv_heads=8)
    assert legal_tensor_parallel(architecture, 40) == (1, 2, 4, 8, 40)
    assert parallel_problems(architecture, weights(architecture), Degrees(8)) == ()
    (problem,) = parallel_problems(architecture, weights(architecture), Degrees(3))
    assert problem.startswith("40 attention heads do not divide over 3 GPUs")
    assert "1, 2, 4, 8, 40" in problem


@given(tp=st.sampled_from([1, 2, 4, 8]), pp=st.integers(1, 4))
def test_ranks_hold_at_least_the_whole(tp: int, pp: int) -> None:
    whole = weights(model())
    stages = stage_bytes(whole, Degrees(tp, pp))
    assert len(stages) == pp
    norms = 2 * 4096 * (2 * 4 + 1)
    assert tp * sum(stages) == whole.bytes + (tp - 1) * norms
