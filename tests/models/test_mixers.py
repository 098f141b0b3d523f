"""The kinds by hand: parameters, state and work, each sum written out."""

from __future__ import annotations

import pytest

from llm_lander_tui.models import presets
from llm_lander_tui.models.attention import GroupedAttention, Indexer, LatentAttention
from llm_lander_tui.models.cache import RecurrentState, Span, SpanKind, StateKind
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.linear_attention import GatedDeltaNet, Mamba2, ShortConv
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part


def elements(part: DenseMlp | ExpertsMlp | GroupedAttention | GatedDeltaNet | Mamba2) -> int:
    return sum(t.elements for t in part.tensors())


def test_grouped_attention_work() -> None:
    """Scores and values: 2·32·128 each for every token that is seen."""
    full = GroupedAttention(4096, 32, 8, 128, 128)
    assert full.core_flops(1000) == 2 * 32 * (128 + 128) * 1000
    window = GroupedAttention(4096, 32, 8, 128, 128, Span(SpanKind.SLIDING, 100))
    assert window.core_flops(1000) == window.core_flops(100) == 2 * 32 * 256 * 100


def test_a_layer_without_a_cache_of_its_own() -> None:
    """Gemma 4: neither key nor value projection, no key norm; Gemma 3n keeps none either."""
    reader = GroupedAttention(1536, 8, 1, 256, 256, owns_cache=False)
    assert reader.kv_row is None
    assert [t.name for t in reader.tensors()] == ["attn_q", "attn_output"]


def test_latent_attention() -> None:
    """DeepSeek-V3: one row of 512 + 64; 2·128 heads·(2·512 + 64) a token that is seen."""
    latent = LatentAttention(7168, 128, 1536, 512, 128, 64, 128)
    assert (latent.kv_row.k_dim, latent.kv_row.v_dim) == (576, 0)
    assert latent.core_flops(1000) == 2 * 128 * (2 * 512 + 64) * 1000
    q = 7168 * 1536 + 1536 + 1536 * 128 * 192
    kv = 7168 * 576 + 512 + 512 * 128 * 256
    assert sum(t.elements for t in latent.tensors()) == q + kv + 128 * 128 * 7168


def test_an_indexer_bounds_the_work() -> None:
    """DeepSeek-V3.2 scores all tokens with 64 heads of 128 and attends to 2,048 of them."""
    sparse = LatentAttention(7168, 128, 1536, 512, 128, 64, 128, Indexer(64, 128, 2048))
    dense = LatentAttention(7168, 128, 1536, 512, 128, 64, 128)
    assert sparse.kv_row.indexer_dim == 128
    assert sparse.core_flops(100_000) == 2 * 64 * 128 * 100_000 + dense.core_flops(2048)


def test_gated_delta_net() -> None:
    """Qwen3-Next: h·12,288 + h·64 in, 8,192·4 convolved, three vectors, 4,096·h out."""
    net = GatedDeltaNet(2048, 16, 32, 128, 128, 4)
    assert net.state == RecurrentState(StateKind.GATED_DELTA_NET, 8192, 4, 32 * 128 * 128, 32)
    inputs = 2048 * (2 * 16 * 128 + 2 * 32 * 128) + 2048 * 64
    assert elements(net) == inputs + 8192 * 4 + 32 + 32 + 128 + 4096 * 2048
    assert net.core_flops(10) == net.core_flops(10**6)


def test_mamba_2() -> None:
    """Granite 4 tiny: 1536·(2·3072 + 2·128 + 48) in, 3,328·5 convolved, 3·48, 3072, 3072·1536."""
    mamba = Mamba2(1536, 3072, 128, 1, 48, 4)
    state = mamba.state
    assert (state.kind, state.conv_channels, state.conv_kernel) == (StateKind.MAMBA2, 3328, 4)
    assert (state.recurrent_elements, state.recurrent_heads) == (3072 * 128, 48)
    assert elements(mamba) == 1536 * 6448 + 3328 * 5 + 3 * 48 + 3072 + 3072 * 1536


def test_short_convolution_keeps_its_last_inputs() -> None:
    assert ShortConv(2048, 3).state == RecurrentState(StateKind.SHORT_CONV, 2048, 3, 0)


def test_feed_forward() -> None:
    """Three matrices with a gate, two without; fused or apart the same."""
    assert elements(DenseMlp(4096, 14_336)) == 3 * 4096 * 14_336
    assert elements(DenseMlp(4096, 14_336, fused=True)) == 3 * 4096 * 14_336
    assert elements(DenseMlp(4096, 16_384, gated=False, bias=True)) == (
        2 * 4096 * 16_384 + 16_384 + 4096
    )


def test_experts_that_a_token_uses() -> None:
    """DeepSeek-V3: a router of 256·h, 8 of 256 experts and one shared; the correction is none."""
    moe = ExpertsMlp(7168, 256, 8, 2048, 2048, score_correction=True)
    one = 3 * 7168 * 2048
    assert sum(t.parameters for t in moe.tensors()) == 256 * 7168 + 257 * one
    assert elements(moe) == 256 * 7168 + 257 * one + 256
    assert moe.active_elements == 256 * 7168 + 9 * one


def test_a_latent_space_of_experts() -> None:
    """Nemotron 3 Super: experts of 1024 → 2688 → 1024 behind 4096·1024 in and out."""
    moe = ExpertsMlp(4096, 512, 22, 2688, 5376, gated=False, latent=1024)
    routed, shared, ways = 2 * 1024 * 2688, 2 * 4096 * 5376, 2 * 4096 * 1024
    assert elements(moe) == 512 * 4096 + 512 * routed + shared + ways
    assert moe.active_elements == 512 * 4096 + 22 * routed + shared + ways


@pytest.mark.parametrize(
    "name", ["openai-community/gpt2", "bigscience/bloom", "mosaicml/mpt-7b", "ai21labs/Jamba-v0.1",
             "nvidia/NVIDIA-Nemotron-Nano-12B-v2", "state-spaces/mamba-2.8b-hf"]
)  # fmt: skip
def test_models_without_rotary_embedding_have_no_table(name: str) -> None:
    assert presets.load(name).architecture.rope == ()


def test_rotary_table_covers_the_rotated_part() -> None:
    """DeepSeek-V3 rotates 64 of each head for 163,840 positions."""
    (table,) = presets.load("deepseek-ai/DeepSeek-V3").architecture.rope
    assert (table.positions, table.dim) == (163_840, 64)


def test_norms_and_heads_count_where_they_belong() -> None:
    """Qwen3: two norms of h and two of head_dim a layer, one of h at the end."""
    a = parse_config({
        "model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 3, "vocab_size": 500,
        "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 2048,
        "head_dim": 128, "tie_word_embeddings": False,
    })  # fmt: skip
    assert a.parts[Part.NORM] == 3 * (2 * 1024 + 2 * 128) + 1024
    assert a.parts[Part.ATTENTION] == 3 * (2 * 1024 * 1024 + 2 * 1024 * 512)
    assert a.parts[Part.LM_HEAD] == a.parts[Part.EMBEDDING] == 500 * 1024
