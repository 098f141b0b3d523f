"""Transformers against hand-made sums and published peaks."""

from __future__ import annotations

import pytest

from llm_lander_tui.engines.base import Kind
from llm_lander_tui.engines.exllama import EXLLAMA, ExLlamaOptions
from llm_lander_tui.engines.torch_rules import Cache, even_layers, place_layers
from llm_lander_tui.engines.transformers import TRANSFORMERS, TransformersOptions
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.models import presets
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB

A100 = Gpu(0, "A100", 80 * GIB, 0, 80 * GIB, compute_capability=(8, 0))


def footprint(name: str, weights: str, options: TransformersOptions, gpus: int = 1, kv="bf16"):
    return TRANSFORMERS.footprint(
        Scenario(
            presets.load(name),
            TRANSFORMERS,
            recipes.get(weights),
            kv_format(kv),
            (A100,) * gpus,
            4096,
            options=options,
        )
    )


def benchmark(prompt: int, release: str = "4.46") -> tuple[int, TransformersOptions]:
    """The Qwen benchmark: a prompt, then 2,048 tokens, with FlashAttention-2."""
    options = TransformersOptions(Attention.FLASH, max_new_tokens=2048, release=release)
    return prompt + 2048, options


@pytest.mark.parametrize(
    ("name", "weights", "prompt", "gpus", "gib"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "BF16", 30720, 1, 2.34),
        ("Qwen/Qwen2.5-7B", "BF16", 14336, 1, 16.91),
        ("Qwen/Qwen2.5-14B", "BF16", 30720, 1, 36.85),
        ("Qwen/Qwen2.5-32B", "BF16", 6144, 1, 63.72),
        ("Qwen/Qwen2.5-72B", "BF16", 30720, 3, 164.79),
        ("Qwen/Qwen2.5-32B", "GPTQ-8bit-g128", 14336, 1, 39.28),
        ("Qwen/Qwen2.5-7B", "GPTQ-4bit-g128", 30720, 1, 11.11),
        ("Qwen/Qwen2.5-14B", "AWQ-4bit-g128", 14336, 1, 13.67),
    ],
)
def test_the_published_peaks_of_qwen2_5(name, weights, prompt, gpus, gib):
    # QwenLM/Qwen3 docs/source/benchmark/speed_benchmark.rst at a912d23, Transformers 4.46.
    context, options = benchmark(prompt)
    found = sum(footprint(name, weights, options, gpus).allocated(context, 1))
    assert found / GIB == pytest.approx(gib, rel=0.01)


def test_the_peak_of_a_prompt_by_hand():
    # Qwen2.5-32B, 30,720 tokens in: weights 32,763,876,352 x 2 B; cache 64 layers x 8 heads x 128
    # x 2 x 2 B = 256 KiB a token; gate, up, product and 4 streams of 5,120 (the fourth is the input
    # embedding), cos and sin of 128, 32 B of indices; 8.125 MiB for cuBLAS.
    tokens = 30720
    context, options = benchmark(tokens)
    per_token = 2 * (3 * 27648 + 4 * 5120 + 2 * 128) + 32
    expected = 65_527_752_704 + tokens * (256 * 1024 + per_token) + 8320 * 1024
    (found,) = footprint("Qwen/Qwen2.5-32B", "BF16", options).allocated(context, 1)
    assert found == pytest.approx(expected, abs=16 * MIB)  # blocks of k and v weights


def test_logits_of_the_whole_prompt_are_the_peak_of_old_releases():
    # 6 bytes x 151,936 x 30,720 tokens are 26.1 GiB; the published peak is 27.61 GiB.
    context, options = benchmark(30720, "4.40")
    (found,) = footprint("Qwen/Qwen2-0.5B-Instruct", "BF16", options).allocated(context, 1)
    assert found / GIB == pytest.approx(27.61, rel=0.005)


def test_eager_attention_grows_with_the_square_of_the_prompt():
    eager = footprint(
        "meta-llama/Llama-3.1-8B-Instruct", "BF16", TransformersOptions(Attention.EAGER)
    )
    fused = footprint("meta-llama/Llama-3.1-8B-Instruct", "BF16", TransformersOptions())
    more = eager.allocated(32768, 1)[0] - fused.allocated(32768, 1)[0]
    assert more > 32 * 8 * 32768**2 * 0.9


def test_a_sliding_layer_keeps_the_whole_prompt_until_the_next_step():
    model = "google/gemma-3-27b-it"
    found = footprint(model, "BF16", TransformersOptions(max_new_tokens=1))
    cached = {a.kind: a.bytes for a in found.allocations(32768, 1)}[Kind.KV_CACHE]
    # 10 full layers x 32,768 and 52 x 1,023 tokens of 16 heads x 128 x 2 x 2 B.
    assert cached == (10 * 32768 + 52 * 1023) * 8192
    whole = 62 * 32767 * 8192
    assert found.allocated(32768, 1)[0] > found.kept(32768, 1)[0] + whole - cached


def test_a_static_cache_is_allocated_at_once():
    name = "meta-llama/Llama-3.1-8B-Instruct"
    static = footprint(name, "BF16", TransformersOptions(cache=Cache.STATIC, max_new_tokens=4000))
    assert static.allocated(4096, 1)[0] - static.kept(4096, 1)[0] < 100 * MIB


def test_bitsandbytes_leaves_fused_experts_at_16_bits():
    name = "Qwen/Qwen3-30B-A3B"
    five = footprint(name, "NF4", TransformersOptions())
    four = footprint(name, "NF4", TransformersOptions(release="4.51"))
    assert five.kept(1, 1)[0] > 2 * four.kept(1, 1)[0]
    assert any("16 bits" in note for note in five.notes)
    assert not four.notes


def test_latent_attention_caches_every_head_before_release_5():
    name = "deepseek-ai/DeepSeek-V3"
    caches = [
        next(
            a.bytes
            for a in footprint(name, "FP8-block", TransformersOptions(release=r)).allocations(1, 1)
            if a.kind is Kind.KV_CACHE
        )
        for r in ("5", "4.51")
    ]
    assert caches == [61 * 576 * 2, 61 * 128 * (192 + 128) * 2]


def test_a_quantised_cache_counts_its_scales():
    name = "meta-llama/Llama-3.1-8B-Instruct"
    found = footprint(name, "BF16", TransformersOptions(), kv="int4")
    (cached,) = (a.bytes for a in found.allocations(1024, 1) if a.kind is Kind.KV_CACHE)
    # half a byte an element, and 4 bytes for 64 of them.
    assert cached == 1024 * 32 * (2048 // 2 + 4 * 2048 // 64)


def test_a_prompt_in_chunks_works_on_one_chunk_at_a_time():
    asked = Scenario(
        presets.load("meta-llama/Llama-3.1-8B-Instruct"),
        EXLLAMA,
        recipes.get("EXL2-4.0bpw"),
        kv_format("f16"),
        (A100,),
        4096,
        options=ExLlamaOptions(max_input_len=2048),
    )
    footprint = EXLLAMA.footprint(asked)
    working = [footprint.allocated(n, 1)[0] - footprint.kept(n, 1)[0] for n in (1024, 2048, 32768)]
    assert working[0] < working[1] == working[2]


@pytest.mark.parametrize(
    ("name", "kv", "token"),
    [
        # Qwen3-8B: 36 layers x 8 heads x 128, keys and values; 8 bits and a 16-bit scale for 32.
        ("Qwen/Qwen3-8B", "f16", 36 * 2 * 1024 * 2),
        ("Qwen/Qwen3-8B", "int8", 36 * 2 * (1024 + 1024 // 32 * 2)),
        ("Qwen/Qwen3-8B", "fp8", 36 * 2 * (1024 + 1024 // 32 * 2)),
        # DeepSeek-V2-Lite: 27 layers of 512 + 64: 1152, 672 and 416 bytes (exllamav3 cache/mla.py).
        ("deepseek-ai/DeepSeek-V2-Lite", "f16", 27 * 1152),
        ("deepseek-ai/DeepSeek-V2-Lite", "fp8", 27 * 672),
        ("deepseek-ai/DeepSeek-V2-Lite", "int4", 27 * 416),
    ],
)
def test_exllamav3_caches_pages_with_scales(name, kv, token):
    asked = Scenario(
        presets.load(name), EXLLAMA, recipes.get("EXL3-4bpw"), kv_format(kv), (A100,), 5000
    )
    footprint = EXLLAMA.footprint(asked)
    (cache,) = (a for a in footprint.allocations(5000, 1) if a.kind is Kind.KV_CACHE)
    # 5,000 tokens are 20 pages of 256.
    assert cache.bytes == 5120 * token
    started = EXLLAMA.command(asked, 5000)
    assert f"-cs 5120{' -cq 8' if kv in {'int8', 'fp8'} else ''}" in started
    assert any("no FP8 cache" in note for note in footprint.notes) == (kv == "fp8")


def test_layers_are_placed_as_accelerate_balances_them():
    # 10 layers of 10, 5 before, 5 after: an even share is 110 // 2 + 12 = 67, less 5 is 6 layers.
    assert place_layers([10] * 10, 5, 5, [1000, 1000]) == (range(6), range(6, 10))
    # A small first card takes what fits it.
    assert place_layers([10] * 10, 5, 5, [30, 1000]) == (range(2), range(2, 10))
    assert place_layers([10] * 4, 0, 0, [100]) == (range(4),)
    assert even_layers(80, 3) == (range(27), range(27, 54), range(54, 80))
