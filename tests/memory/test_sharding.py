"""Tensor, pipeline and expert parallel division of weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.formats import BF16
from llm_lander_tui.memory.sharding import (
    kv_heads_per_rank,
    legal_tensor_parallel,
    parallel_problems,
    pipeline_stages,
    rank_weights,
    shard_shape,
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
    assert rank_weights(weights(model()), 2) == (2 * (4 * layer + 2 * embedding + 4096),) * 2


def test_pipeline_puts_embedding_first_and_head_last() -> None:
    architecture = model(layers=5)
    layer = 2 * (218_103_808 + 8192)
    embedding = 2 * 128256 * 4096
    # 5 layers over 2 stages: the last stage is the one that stays short.
    assert rank_weights(weights(architecture), 1, 2) == (
        3 * layer + embedding,
        2 * layer + embedding + 8192,
    )


def test_tied_embedding_is_on_both_ends_of_a_pipeline() -> None:
    tied = weights(model(tied=True))
    assert sum(rank_weights(tied, 1, 2)) == tied.bytes + 2 * 128256 * 4096
    assert rank_weights(tied, 1) == (tied.bytes,)


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [(32, 4, [8, 8, 8, 8]), (61, 2, [31, 30]), (30, 4, [7, 8, 8, 7]), (31, 4, [8, 8, 8, 7])],
)
def test_stages_as_vllm_cuts_them(layers: int, stages: int, sizes: list[int]) -> None:
    assert [len(stage) for stage in pipeline_stages(layers, stages)] == sizes


def test_kv_heads_replicate_below_one_per_rank() -> None:
    assert [kv_heads_per_rank(8, tp) for tp in (1, 2, 8, 16)] == [8, 4, 1, 1]
    projection = Tensor(
        "attn_k", "self_attn.k_proj", Part.ATTENTION, 4 * 128, 2048, Shard.KV_HEADS, kv_heads=4
    )
    assert shard_shape(projection, 8) == (128, 2048, 1)


def test_experts_divide_inside_or_whole() -> None:
    experts = ExpertsMlp(hidden=2048, experts=128, active=8, intermediate=768)
    up = next(t for t in experts.tensors() if t.name == "ffn_up_exps")
    down = next(t for t in experts.tensors() if t.name == "ffn_down_exps")
    assert shard_shape(up, 4) == (192, 2048, 128)
    assert shard_shape(down, 4) == (2048, 192, 128)
    assert shard_shape(up, 4, expert_parallel=True) == (768, 2048, 32)


def test_vocabulary_is_padded_to_64_rows() -> None:
    table = Tensor("token_embd", "", Part.EMBEDDING, 50257, 768, Shard.VOCAB)
    assert shard_shape(table, 1) == (50304, 768, 1)
    assert shard_shape(table, 2) == (25152, 768, 1)


def test_illegal_degree_names_the_legal_ones() -> None:
    architecture = model(heads=40, kv_heads=8)
    assert legal_tensor_parallel(architecture, 40) == (1, 2, 4, 8, 40)
    assert parallel_problems(architecture, 8) == ()
    (problem,) = parallel_problems(architecture, 3)
    assert problem.startswith("40 attention heads do not divide over 3 GPUs")
    assert "1, 2, 4, 8, 40" in problem


@given(tp=st.sampled_from([1, 2, 4, 8]), pp=st.integers(1, 4))
def test_ranks_hold_at_least_the_whole(tp: int, pp: int) -> None:
    whole = weights(model())
    ranks = rank_weights(whole, tp, pp)
    assert len(ranks) == tp * pp
    assert sum(ranks) >= whole.bytes
    norms = 2 * 4096 * (2 * 4 + 1)
    assert sum(ranks) == whole.bytes + (tp - 1) * norms
