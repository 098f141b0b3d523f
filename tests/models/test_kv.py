"""Cache rows and recurrent states of every model of the corpus, byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.cache import Compressed, Span, SpanKind
from llm_lander_tui.models.config import parse_config

WINDOWED = (SpanKind.SLIDING, SpanKind.CHUNKED)


def geometry(a: Architecture) -> dict[str, int]:
    """Bytes per token at 16 bits by span, index keys, state elements by kind."""

    def row_bytes(kinds: tuple[SpanKind, ...]) -> int:
        return 2 * sum(n * row.elements for row, n in a.kv_rows if row.span.kind in kinds)

    return {
        "full": row_bytes((SpanKind.FULL,)),
        "sliding": row_bytes(WINDOWED),
        "conv": sum(n * s.conv_channels * s.conv_kernel for s, n in a.states),
        "recurrent": sum(n * s.recurrent_elements for s, n in a.states),
        "state_bytes": a.state_bytes_per_sequence,
        "context": a.context_limit.trained if a.context_limit is not None else 0,
    }


def test_cache_of_the_corpus(
    facts: Callable[[str], dict[str, Any]], architecture: Callable[[str], Architecture]
) -> None:
    rows = facts("kv")
    differing = {}
    for name, row in rows.items():
        found = geometry(architecture(name))
        differences = {k: (v, row[k]) for k, v in found.items() if v != row[k]}
        if differences:
            differing[name] = differences
    assert not differing
    assert len(rows) > 230


def test_index_keys_of_the_corpus(
    facts: Callable[[str], dict[str, Any]], architecture: Callable[[str], Architecture]
) -> None:
    """MiniMax-M3 keeps index keys too, which the table leaves to its notes."""
    for name, row in facts("kv").items():
        a = architecture(name)
        found = 2 * sum(n * kv.indexer_dim for kv, n in a.kv_rows)
        if a.model_type != "minimax_m3":
            assert found == row["indexer"], name


def test_kv_bytes_per_token_leaves_out_cross_attention(
    architecture: Callable[[str], Architecture],
) -> None:
    """Llama-3.2-Vision: 32 of 40 layers hold text, 2·8·128 elements of two bytes each."""
    a = architecture("meta-llama/Llama-3.2-11B-Vision-Instruct")
    assert a.kv_bytes_per_token == 32 * 2 * 8 * 128 * 2 == 131_072
    cross = {row.span: n for row, n in a.kv_rows if row.span.kind is SpanKind.CROSS}
    assert cross == {Span(SpanKind.CROSS, 4 * 1601): 8}


def test_deepseek_v4_grows_by_compressed_rows(
    architecture: Callable[[str], Architecture],
) -> None:
    """21 layers keep (512 + 128) / 4 elements a token, 20 keep 512 / 128: 3,440 in all."""
    a = architecture("deepseek-ai/DeepSeek-V4-Flash")
    grown = [(row.compressed, n) for row, n in a.kv_rows if row.compressed is not None]
    assert grown == [(Compressed(512, 4, 128), 21), (Compressed(512, 128), 20)]
    assert sum(n * (c.dim + c.indexer_dim) // c.ratio for c, n in grown) == 3440


def test_gemma_4_shares_caches(architecture: Callable[[str], Architecture]) -> None:
    """E2B: 15 of 35 layers own a cache, every fifth of them full."""
    a = architecture("google/gemma-4-E2B-it")
    owned = {row.span.kind: n for row, n in a.kv_rows}
    assert owned == {SpanKind.SLIDING: 12, SpanKind.FULL: 3}
    assert sum(1 for layer in a.layers if layer.mixers[0].kv_row is None) == 20


def test_spans_hold_no_more_than_their_size() -> None:
    assert Span().tokens(5000) == 5000
    assert Span(SpanKind.SLIDING, 1024).tokens(5000) == 1024
    assert Span(SpanKind.SLIDING, 1024).tokens(100) == 100
    assert Span(SpanKind.CROSS, 6404).tokens(100) == 6404


def small(**fields: object) -> Architecture:
    """A model of eight layers with the given fields."""
    config: dict[str, object] = {
        "hidden_size": 256, "num_hidden_layers": 8, "num_attention_heads": 8,
        "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000,
        "max_position_embeddings": 4096,
    }  # fmt: skip
    return parse_config(config | fields)


def sliding_layers(a: Architecture) -> list[int]:
    return [
        i
        for i, layer in enumerate(a.layers)
        if (row := layer.mixers[0].kv_row) is not None and row.span.kind in WINDOWED
    ]


def test_windows_that_are_switched_off() -> None:
    """Qwen2 states a window and switches it off; Mistral's null means none."""
    assert sliding_layers(small(model_type="qwen2", sliding_window=512)) == []
    on = small(model_type="qwen2", sliding_window=512, use_sliding_window=True, max_window_layers=6)
    assert sliding_layers(on) == [6, 7]
    assert sliding_layers(small(model_type="mistral", sliding_window=None)) == []
    assert sliding_layers(small(model_type="mistral")) == list(range(8))


def test_patterns_of_windows() -> None:
    """Gemma 2 alternates unsaid, Gemma 3 is full every sixth, EXAONE spells a string."""
    assert sliding_layers(small(model_type="gemma2")) == [0, 2, 4, 6]
    assert sliding_layers(small(model_type="gemma3_text")) == [0, 1, 2, 3, 4, 6, 7]
    exaone = small(model_type="exaone4", sliding_window_pattern="LLLG", sliding_window=128)
    assert sliding_layers(exaone) == [0, 1, 2, 4, 5, 6]
    cohere = small(model_type="cohere2", sliding_window=128)
    assert sliding_layers(cohere) == [0, 1, 2, 4, 5, 6]


def test_one_kv_head_of_multi_query_models() -> None:
    """Falcon-7B's file says 71 KV heads and has one; StarCoder states none."""
    falcon = small(model_type="falcon", multi_query=True, num_kv_heads=8)
    assert falcon.kv_rows[0][0].kv_heads == 1
    newer = small(
        model_type="falcon", multi_query=True, new_decoder_architecture=True,
        num_key_value_heads=None, num_kv_heads=4,
    )  # fmt: skip
    assert newer.kv_rows[0][0].kv_heads == 4
    starcoder = small(model_type="gpt_bigcode", multi_query=True)
    assert starcoder.kv_rows[0][0].kv_heads == 1
