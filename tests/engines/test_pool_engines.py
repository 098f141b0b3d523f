"""The budget rules of SGLang, TensorRT-LLM, TGI and LMDeploy, by hand and against logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.base import Kind
from llm_lander_tui.engines.lmdeploy import LMDEPLOY, LmDeployOptions
from llm_lander_tui.engines.sglang import (
    SGLANG,
    SglangOptions,
    chunk_size,
    graph_batch,
    static_fraction,
)
from llm_lander_tui.engines.sglang_memory import decode_sizes, prefill_sizes
from llm_lander_tui.engines.tensorrt_llm import TENSORRT_LLM, TensorRtOptions
from llm_lander_tui.engines.tgi import TGI, TgiOptions
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
H100 = catalog.hypothetical(catalog.find("H100 SXM5 80GB"), 0)


def scenario(engine, name=LLAMA, weights="BF16", kv="bf16", gpus=(H100,), options=None):
    return Scenario(
        presets.load(name),
        engine,
        recipes.get(weights),
        kv_format(kv),
        gpus,
        4096,
        margin_bytes=0,
        tensor_parallel=len(gpus),
        options=options,
    )


def reserved(footprint) -> int:
    kinds = (Kind.RESERVED, Kind.ACTIVATIONS, Kind.GRAPHS)
    return sum(a.bytes for a in footprint.allocations(1, 1) if a.kind in kinds)


H200 = catalog.hypothetical(catalog.find("H200 SXM 141GB"), 0)


def automatic(name=LLAMA, gpus=(H100,), weights="BF16", **options):
    return static_fraction(
        scenario(SGLANG, name, weights, gpus=gpus), replace(SglangOptions(), **options)
    )


def test_sglang_keeps_a_part_for_steps_graphs_and_prompts():
    # H100, 81,559 MiB: 512 + 1.5 x 8192 + 128 + 2 x 256 + 8 x 58 prompt lengths = 13,904;
    # 1 - 13904 / 81559 = 0.830. A log of 2026-08 with 78.5 GiB free has 49.33 after the weights,
    # and 2 x 17.99 of cache: 1 - (49.33 - 35.98) / 78.5 = 0.830.
    fraction, why = automatic()
    assert fraction == 0.830
    assert "13,904 MB" in why


@pytest.mark.parametrize(
    ("fraction", "more"),
    [
        # Without graphs 512 + 12288 + 128 = 12,928.
        (0.841, {"disable_cuda_graph": True}),
        # A step of 2,048: 512 + 3072 + 128 + 512 + 8 x 42 = 4,560, below the 10,240 of large cards.
        (0.874, {"chunked_prefill_size": 2048}),
        # Gemma 3 has a vision tower: no graphs of prompts, 13,440 kept; 0.95 of 0.83521.
        (0.793, {"name": "google/gemma-3-27b-it"}),
        # MLA on 8 H200 of 143,771 MiB: 512 + 12288 + 1024 + 2 x 512 + 1536 = 16,384.
        (0.886, {"name": "deepseek-ai/DeepSeek-V3", "gpus": (H200,) * 8, "weights": "FP8-block"}),
        # 8 groups of DP attention on them: 4.5 x 512 x 8 = 18,432 more.
        (
            0.758,
            {
                "name": "deepseek-ai/DeepSeek-V3",
                "gpus": (H200,) * 8,
                "weights": "FP8-block",
                "data_parallel": 8,
                "dp_attention": True,
            },
        ),
        # 2 groups on 2 H100: 512 + 12288 + 256 + 512 + 8 x 58 + 3 x 256 x 2 = 15,568.
        (0.809, {"gpus": (H100,) * 2, "data_parallel": 2, "dp_attention": True}),
        # Kimi's linear attention and DeepSeek-V4 have no graphs of prompts.
        (0.835, {"name": "moonshotai/Kimi-Linear-48B-A3B-Instruct"}),
        (0.835, {"name": "deepseek-ai/DeepSeek-V4-Flash"}),
    ],
)
def test_sglang_chooses_the_fraction(fraction, more):
    assert automatic(**more)[0] == fraction


def test_sglang_captures_no_prompts_over_stages():
    # 512 + 12288 + 256 + 512 = 13,568 of 81,559.
    asked = replace(scenario(SGLANG, gpus=(H100,) * 2), tensor_parallel=1, pipeline_parallel=2)
    assert static_fraction(asked, SglangOptions())[0] == 0.834


def test_sglang_captures_batches_in_growing_steps():
    # 1, 2, 4 and 8; 10 is added to them.
    assert [decode_sizes(n) for n in (0, 1, 8, 10)] == [0, 1, 4, 5]
    # As a log lists them: 1, 2, 4, 8, 12, 31 from 16 to 256 by 8, 16 more to 512 by 16.
    assert (decode_sizes(256), decode_sizes(512)) == (36, 52)
    # 8 + 14 + 8 + 8 + 4 up to 2,048, 12 instead of 4 up to 4,096, then one every 512.
    assert [prefill_sizes(n) for n in (2048, 4096, 8192)] == [42, 50, 58]
    assert prefill_sizes(-1) == 0


def test_sglang_graphs_of_eight_sequences():
    # Logs of Llama-3.1-8B and Qwen3-0.6B print 0.11 GiB for the 4 sizes up to 8 sequences.
    card = Gpu(0, "card", 16_376 * MIB, used_bytes=0, free_bytes=16_376 * MIB)
    options = SglangOptions(cuda_graph_max_bs=8)
    asked = replace(scenario(SGLANG, gpus=(card,), options=options), pipeline_parallel=1)
    graphs = SGLANG.footprint(asked).rules.graphs
    # 4 x 26 MiB, and 42 prompt lengths up to 2,048 tokens at 8 MiB.
    assert graphs.bytes == (4 * 26 + 42 * 8) * MIB
    decoding = graphs.bytes - 42 * 8 * MIB
    assert decoding / GIB == pytest.approx(0.11, rel=0.1)
    assert "4 batch sizes up to 8 at 26 MiB: 104 MiB" in graphs.why


@pytest.mark.parametrize(("kv", "gpus", "index"), [
    ("bf16", (H100,) * 8, 2), ("fp8_e4m3", (H100,) * 8, 1), ("fp8_e5m2", (H100,) * 8, 2),
    ("fp8_e4m3", (catalog.hypothetical(catalog.find("B200"), 0),) * 8, 2),
])  # fmt: skip
def test_sglang_caches_the_index_keys_of_block_sparse_attention(kv, gpus, index):
    # MiniMax-M3: 60 layers of 4 heads of 128, one on each of 8 ranks; 57 of them sparse, with one
    # head of index keys of 128 that every rank keeps whole.
    footprint = SGLANG.footprint(scenario(SGLANG, "MiniMaxAI/MiniMax-M3", kv=kv, gpus=gpus))
    size = 2 if kv == "bf16" else 1
    assert footprint.bytes_per_token(0) == 60 * 2 * 128 * size + 57 * 128 * index


def test_sglang_gives_weights_and_cache_the_fraction_of_what_is_free():
    footprint = SGLANG.footprint(scenario(SGLANG, options=SglangOptions(mem_fraction_static=0.5)))
    outside = sum(
        a.bytes
        for a in footprint.allocations(1, 1)
        if a.kind is Kind.RUNTIME and "segments" not in a.why
    )
    assert reserved(footprint) == round(0.5 * (H100.free_bytes - outside))


@pytest.mark.parametrize(
    ("name", "gpus", "gib"),
    [(LLAMA, 1, 15.02), ("Qwen/Qwen3-8B", 1, 15.28), ("Qwen/Qwen3-14B", 4, 7.08)],
)
def test_sglang_prints_what_its_weights_take_from_the_driver(name, gpus, gib):
    # Start-up logs of 2025 and 2026; two decimals are printed.
    footprint = SGLANG.footprint(scenario(SGLANG, name, gpus=(H100,) * gpus))
    assert footprint.weight_bytes(0) / GIB == pytest.approx(gib, abs=0.006)


def test_sglang_pools_a_share_of_tokens_for_window_layers():
    footprint = SGLANG.footprint(scenario(SGLANG, "openai/gpt-oss-20b", "MXFP4"))
    (cached,) = (a.bytes for a in footprint.allocations(10_000, 1) if a.kind is Kind.KV_CACHE)
    # 12 full layers, and 12 of windows with 0.8 of the tokens; 8 heads x 64 x 2 x 2 B.
    assert cached == 12 * 2048 * (10_000 + 8_000)


def test_tensorrt_llm_takes_a_fraction_of_what_is_left():
    # NVIDIA/TensorRT-LLM issue 6294: 860,320 tokens at a fraction of 0.8, 23,552 tokens and 4,096
    # sequences a step, FP8 weights and cache.
    options = TensorRtOptions(0.8, max_num_tokens=23552, max_batch_size=4096)
    footprint = TENSORRT_LLM.footprint(
        scenario(TENSORRT_LLM, weights="FP8", kv="fp8", options=options)
    )
    assert footprint.bytes_per_token(0) == 65536
    assert footprint.pool_tokens(0) == pytest.approx(860_320, rel=0.03)


def test_tensorrt_llm_pads_mxfp4_experts_to_128_on_both_sides():
    # 63.52 GiB in a log of gpt-oss-120b.
    footprint = TENSORRT_LLM.footprint(scenario(TENSORRT_LLM, "openai/gpt-oss-120b", "MXFP4"))
    assert footprint.weight_bytes(0) / GIB == pytest.approx(63.52, abs=0.3)


def test_tgi_leaves_a_tenth_of_the_card_free():
    footprint = TGI.footprint(scenario(TGI, options=TgiOptions(cuda_memory_fraction=0.8)))
    kept = sum(a.bytes for a in footprint.allocations(1, 1) if a.kind is Kind.RESERVED)
    assert kept == round((1 - 0.8 * 0.9) * H100.total_bytes)


def test_lmdeploy_takes_a_fraction_of_what_the_weights_leave():
    options = LmDeployOptions(cache_max_entry_count=0.5)
    footprint = LMDEPLOY.footprint(scenario(LMDEPLOY, options=options))
    fixed = sum(
        a.bytes for a in footprint.allocations(1, 1) if a.kind in (Kind.WEIGHTS, Kind.RUNTIME)
    )
    assert reserved(footprint) == round(0.5 * (H100.free_bytes - fixed))


def test_lmdeploy_counts_scales_of_an_integer_cache():
    footprint = LMDEPLOY.footprint(scenario(LMDEPLOY, kv="int8"))
    # 32 layers x 8 heads x (128 + 4) bytes, keys and values.
    assert footprint.bytes_per_token(0) == 32 * 8 * (128 + 4) * 2


def test_a_latent_cache_is_on_every_rank():
    name = "deepseek-ai/DeepSeek-V3"
    footprint = SGLANG.footprint(scenario(SGLANG, name, "FP8-block", gpus=(H100,) * 8))
    assert [footprint.bytes_per_token(i) for i in range(8)] == [70272] * 8


def test_fewer_kv_heads_than_ranks_are_replicated():
    name = "Qwen/Qwen3-30B-A3B"
    footprint = SGLANG.footprint(scenario(SGLANG, name, gpus=(H100,) * 8))
    # 4 KV heads on 8 ranks: one head of 128 on each of them.
    assert footprint.bytes_per_token(0) == 48 * 128 * 2 * 2


def test_the_users_margin_is_the_least_that_stays_free():
    asked = scenario(TENSORRT_LLM, options=TensorRtOptions(free_gpu_memory_fraction=1.0))
    without = TENSORRT_LLM.footprint(asked).needed(1, 1)[0]
    margin = TENSORRT_LLM.footprint(replace(asked, margin_bytes=700 * MIB)).needed(1, 1)[0]
    assert margin - without == 700 * MIB


def test_a_card_that_others_use_leaves_a_smaller_pool():
    busy = Gpu(0, "H100", H100.total_bytes, 20 * GIB, H100.total_bytes - 20 * GIB, spec=H100.spec)
    free = SGLANG.footprint(scenario(SGLANG)).pool_tokens(0)
    left = SGLANG.footprint(scenario(SGLANG, gpus=(busy,))).pool_tokens(0)
    assert left < free


@pytest.mark.parametrize(
    ("engine", "options", "flag"),
    [
        (SGLANG, SglangOptions(expert_parallel=True), "--ep-size 8"),
        (TENSORRT_LLM, TensorRtOptions(expert_parallel=True), "--ep_size 8"),
    ],
)
def test_whole_experts_may_go_where_their_parts_may_not(engine, options, flag):
    # 128 experts of 768: 96 columns a rank split a block of 128, 16 whole experts do not.
    name, cards = "Qwen/Qwen3-30B-A3B", (H100,) * 8
    parts = scenario(engine, name, "FP8-block", gpus=cards)
    whole = replace(parts, options=options)
    assert engine.footprint(parts).problems
    assert not engine.footprint(whole).problems
    assert flag in engine.command(whole, 4096)


def test_whole_experts_have_their_whole_width():
    # Mixtral on two ranks, 8,192 tokens: 2 experts of max(14336, 4096) + max(28672, 4096) whole,
    # max(7168, 4096) + max(14336, 4096) in halves, at 16 bits.
    name = "mistralai/Mixtral-8x7B-Instruct-v0.1"
    whole, halves = (
        TENSORRT_LLM.footprint(
            scenario(
                TENSORRT_LLM, name, gpus=(H100,) * 2, options=TensorRtOptions(expert_parallel=e)
            )
        ).rules.activations.bytes
        for e in (True, False)
    )
    assert whole - halves == 2 * 8192 * 2 * (14336 + 28672 - 7168 - 14336)


def test_an_mlp_without_a_gate_has_two_matrices_of_width():
    # Falcon-7B, 4,096 tokens at 16 bits: 2 x 18,176 and three times the 4,544 of the stream.
    footprint = TGI.footprint(scenario(TGI, "tiiuae/falcon-7b"))
    assert footprint.rules.activations.bytes == 2 * 4096 * (2 * 18_176 + 3 * 4544)


def test_sglang_sorts_cards_by_gib():
    # An RTX 4000 Ada of 20,475 MiB is below 20 x 1,024, one of 20,481 is not.
    found = {}
    for mib in (20_475, 20_481, 40_960, 81_559, 143_771, 183_359):
        gpu = Gpu(0, "card", mib * MIB, used_bytes=0, free_bytes=mib * MIB)
        one, four = scenario(SGLANG, gpus=(gpu,)), scenario(SGLANG, gpus=(gpu,) * 4)
        batches = [graph_batch(asked, SglangOptions()) for asked in (one, four)]
        found[mib] = (chunk_size(one, SglangOptions()), *batches)
    assert found == {
        20_475: (2048, 8, 8),
        20_481: (4096, 48, 160),
        40_960: (4096, 32, 160),
        81_559: (8192, 256, 512),
        143_771: (8192, 256, 512),
        183_359: (16384, 512, 512),
    }
