"""vLLM's paging, held to vLLM's own planner and to sums by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.vllm import predict
from llm_lander_tui.engines.vllm.kv_planner import (
    CacheKind,
    KvPlan,
    LayerCache,
    PagingRules,
    group_layers,
)
from llm_lander_tui.engines.vllm.layer_caches import CacheSettings, cache_groups, layer_caches
from llm_lander_tui.formats import kv_format
from llm_lander_tui.models import presets
from llm_lander_tui.units import GIB

DATA = Path(__file__).parents[1] / "data" / "vllm_planner.json"
RULES = PagingRules(in_flight=16384)
LIBRARY = ConfigLibrary()


def plan(name: str, kv: str = "bf16", tp: int = 1, rules: PagingRules = RULES) -> KvPlan:
    architecture = presets.load(name).architecture
    groups = cache_groups(architecture, CacheSettings(kv_format(kv), tp), rules)
    return KvPlan(groups, range(len(architecture.layers)), rules)


def full(page: int, block_size: int = 16) -> LayerCache:
    return LayerCache(CacheKind.FULL, block_size, page)


def window(page: int, span: int, block_size: int = 16) -> LayerCache:
    return LayerCache(CacheKind.SLIDING, block_size, page, span)


def answers() -> list[tuple[str, list[object]]]:
    data = json.loads(DATA.read_text("utf-8"))
    return [(config, row) for config, rows in data["answers"].items() for row in rows]


def test_every_answer_of_vllms_own_planner() -> None:
    columns = json.loads(DATA.read_text("utf-8"))["columns"]
    misses = []
    count = 0
    for config, row in answers():
        record = dict(zip(columns, row, strict=True)) | {
            "config": config, "async_scheduling": True, "prefix_caching": False,
        }  # fmt: skip
        compared = predict(record, LIBRARY)
        assert isinstance(compared, list), compared
        assert compared
        count += len(compared)
        misses += [(config, row, c) for c in compared if c.predicted != c.measured]
    assert count == 528 * 2 + 48
    assert misses == []


def test_groups_and_block_sizes_of_vllms_own_planner() -> None:
    for config, (tp, kv, _available, length, tokens, blocks, groups, size, *_) in answers():
        if blocks is None:
            continue
        found = plan(config.replace("__", "/", 1), kv, tp, PagingRules(2 * tokens))
        assert (len(found.groups), found.block_size) == (groups, size), (config, tp, kv, length)


def test_llama_blocks_of_a_published_log() -> None:
    # 32 layers x 16 tokens x 8 heads x (128 + 128) x 2 bytes = 2,097,152 bytes a block.
    found = plan("meta-llama/Llama-3.1-8B-Instruct")
    assert found.block_bytes == 2_097_152
    available = round(58.11 * GIB)
    assert found.num_blocks(available) == 29_752
    assert found.capacity_tokens(29_751 * 2_097_152, 8192) == 476_016


def test_gemma_pads_its_windows_to_the_full_layers() -> None:
    # 10 full and 52 sliding layers: 6 groups of windows with 10 layers, the last ones padded.
    found = plan("google/gemma-3-27b-it")
    assert len(found.groups) == 7
    assert found.block_bytes == 10 * 16 * 16 * 256 * 2 == 1_310_720
    assert found.num_blocks(round(19.53 * GIB)) == 15_998
    # 32,768 tokens: 2,048 blocks and 6 windows of ceil((1,023 + 16,384) / 16) + 1 = 1,089.
    assert found.blocks(32768) == 2048 + 6 * 1089
    # One block is held back: 1,310,720 x 8,583 bytes.
    assert found.needed(32768) == 1_310_720 * (2048 + 6 * 1089 + 1)


def test_attention_blocks_grow_until_a_state_fits() -> None:
    # Qwen3-Next: state 3 x 8,192 x 2 + 32 x 128 x 128 x 2 = 1,097,728 bytes; a token of attention
    # takes 2 x 2 x 256 x 2 = 2,048, so 536.0 tokens, rounded up to 16: 544.
    found = plan("Qwen/Qwen3-Next-80B-A3B-Instruct")
    assert found.block_size == 544
    assert len(found.groups) == 4
    assert found.block_bytes == 12 * 544 * 2048
    assert found.blocks(544) == 1 + 3
    caching = CacheSettings(kv_format("bf16"), prefix_caching=True, speculative_tokens=2)
    states = [
        cache
        for _, cache in layer_caches(
            presets.load("Qwen/Qwen3-Next-80B-A3B-Instruct").architecture, caching
        )
        if cache.kind is CacheKind.STATE
    ]
    assert {cache.span for cache in states} == {1 + 2 + 1}


def test_latent_cache_is_whole_on_every_rank() -> None:
    found = [plan("deepseek-ai/DeepSeek-V3", tp=tp) for tp in (1, 8)]
    assert {p.block_bytes for p in found} == {61 * 64 * 576 * 2}
    assert found[0].block_size == 64


def test_compressed_caches_pack_their_pages() -> None:
    # DeepSeek-V4-Flash in FP8, pages rounded to 576: 21 layers with 64 rows of 584 (37,440) and
    # 64 indexer rows of 132 (8,640), 20 layers with 2 rows (1,728) make the widest block.
    found = plan("deepseek-ai/DeepSeek-V4-Flash", "fp8")
    assert found.block_bytes == 21 * 37_440 + 20 * 1_728 + 21 * 8_640 == 1_002_240
    # 262,144 tokens: 1,024 blocks of 256, two groups of windows (128) with 259 of 64, the open
    # groups of ratio 4 in 4,099 blocks of 4 and of ratio 128 in 2,065 blocks of 8.
    assert found.blocks(262144) == 1024 + 2 * 259 + 4099 + 2065


def test_kinds_with_similar_counts_take_the_larger_group() -> None:
    caches = [(i, full(100)) for i in range(13)] + [(20 + i, window(100, 128)) for i in range(12)]
    groups = group_layers(caches, RULES)
    assert [len(group.layers) for group in groups] == [13, 12]
    assert KvPlan(groups, range(40), RULES).block_bytes == 1300


def test_unequal_pages_are_made_equal() -> None:
    caches = [(0, full(100)), (1, window(200, 64)), (2, window(150, 32))]
    groups = group_layers(caches, RULES)
    assert [(g.cache.block_size, g.cache.page_bytes) for g in groups] == [
        (32, 200),
        (16, 200),
        (16, 200),
    ]


def test_stages_of_a_pipeline_share_the_groups() -> None:
    caches = [(i, full(100)) for i in range(6)]
    groups = group_layers(caches, RULES)
    plans = [KvPlan(groups, stage, RULES) for stage in (range(4), range(4, 6))]
    assert [p.block_bytes for p in plans] == [400, 200]


def test_without_the_hybrid_manager_windows_keep_every_token() -> None:
    rules = PagingRules(8192, hybrid=False)
    groups = group_layers([(0, full(100)), (1, window(100, 128))], rules)
    assert len(groups) == 1
    assert KvPlan(groups, range(2), rules).blocks(1600) == 100


def test_older_releases_print_blocks_by_group() -> None:
    rules = PagingRules(8192, null_block=False, tokens_per_request=False)
    found = plan("google/gemma-3-27b-it", rules=rules)
    # 36,560 tokens of a 0.19 log: 15,997 blocks // 7 groups x 16.
    assert found.capacity_tokens(15_997 * found.block_bytes, 8192) == 36_560


def test_a_model_without_cache_needs_none() -> None:
    empty = KvPlan((), range(0), RULES)
    assert (empty.needed(4096, 3), empty.num_blocks(10**9)) == (0, 1)


CACHES = st.builds(
    LayerCache,
    kind=st.sampled_from([CacheKind.FULL, CacheKind.SLIDING, CacheKind.CHUNKED]),
    block_size=st.just(16),
    page_bytes=st.sampled_from([4096, 8192]),
    span=st.sampled_from([128, 1024]),
)


@given(
    st.lists(CACHES, min_size=1, max_size=12),
    st.integers(1, 5000),
    st.integers(0, 5000),
    st.integers(1, 8),
)
def test_need_grows_with_length_and_requests(
    caches: list[LayerCache], length: int, more: int, requests: int
) -> None:
    rules = PagingRules(in_flight=512)
    found = KvPlan(group_layers(list(enumerate(caches)), rules), range(len(caches)), rules)
    assert found.needed(length + more, requests) >= found.needed(length, requests)
    assert found.needed(length, requests + 1) >= found.needed(length, requests)


@given(st.lists(CACHES, min_size=1, max_size=6), st.integers(0, 4_000_000))
def test_estimated_length_is_the_last_that_fits(caches: list[LayerCache], available: int) -> None:
    rules = PagingRules(in_flight=64)
    found = KvPlan(group_layers(list(enumerate(caches)), rules), range(len(caches)), rules)
    best = found.estimated_max_model_len(available, 400)
    assert best == max((n for n in range(1, 401) if found.fits(available, n)), default=0)


@pytest.mark.parametrize(
    ("kv", "tp", "token_bytes"),
    [("bf16", 1, 98_304), ("bf16", 4, 24_576), ("bf16", 8, 24_576), ("fp8", 2, 24_576)],
)
def test_kv_heads_are_replicated_below_one_per_rank(kv: str, tp: int, token_bytes: int) -> None:
    # Qwen3-30B-A3B: 48 layers x 4 heads x 256 elements; no rank holds less than one head.
    assert plan("Qwen/Qwen3-30B-A3B", kv, tp).block_bytes == 16 * token_bytes
