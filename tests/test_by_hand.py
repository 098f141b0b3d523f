"""Whole plans summed by hand: parameters, weights, cache and totals of six models.

The figures of llama.cpp's own allocator for the same cases stand in tests/data; here every sum is
written out, so that a reader can redo it with a pencil.
"""

from __future__ import annotations

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Kind
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.plan import Plan
from llm_lander_tui.planner.scenario import Scenario

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
QWEN = "Qwen/Qwen3-8B"
QWEN_MOE = "Qwen/Qwen3-30B-A3B"
GEMMA = "google/gemma-3-27b-it"
GPT_OSS = "openai/gpt-oss-20b"
DEEPSEEK = "deepseek-ai/DeepSeek-V3"

PARAMETERS = {
    # layer 4096·4096·2 + 4096·1024·2 + 3·4096·14336 + 2·4096 = 218,112,000, x 32
    # + 2·128,256·4096 embedding and head + 4,096 norm
    LLAMA: 32 * 218_112_000 + 2 * 128_256 * 4096 + 4096,
    # layer 4096·4096·2 + 4096·1024·2 + 3·4096·12288 + 2·4096 + 2·128 = 192,946,432, x 36
    QWEN: 36 * 192_946_432 + 2 * 151_936 * 4096 + 4096,
    # layer: q, o 2·2048·4096; k, v 2·2048·512; norms 2·2048 + 2·128; router 2048·128;
    # experts 128·3·2048·768
    QWEN_MOE: 48
    * (2 * 2048 * 4096 + 2 * 2048 * 512 + 2 * 2048 + 256 + 2048 * 128 + 128 * 3 * 2048 * 768)
    + 2 * 151_936 * 2048
    + 2048,
    # MXFP4 or not, a parameter is a parameter: q 2880·4096 + 4096, k and v 2·(2880·512 + 512),
    # o 4096·2880 + 2880, 64 sinks, 2 norms, router 2880·32 + 32,
    # experts 32·(2·2880·2880 + 2·2880 gate and up, 2880·2880 + 2880 down)
    GPT_OSS: 24
    * (
        (2880 * 4096 + 4096)
        + 2 * (2880 * 512 + 512)
        + (4096 * 2880 + 2880)
        + 64
        + 2 * 2880
        + (2880 * 32 + 32)
        + 32 * (3 * 2880 * 2880 + 3 * 2880)
    )
    + 2 * 201_088 * 2880
    + 2880,
}

CACHE_AT_32K = {
    # 2 · 32 layers · 8 heads · 128 · 2 bytes = 131,072 a token
    LLAMA: 32_768 * 131_072,
    # 2 · 36 · 8 · 128 · 2 = 147,456
    QWEN: 32_768 * 147_456,
    # 2 · 48 · 4 · 128 · 2 = 98,304
    QWEN_MOE: 32_768 * 98_304,
    # a token and layer 2·16·128·2 = 8,192; 10 full layers, 52 windows of 1024 + a batch of 512
    GEMMA: 10 * 32_768 * 8192 + 52 * 1536 * 8192,
    # 2·8·64·2 = 2,048; 12 full layers, 12 windows of 128 + 512, rounded up to 768 cells
    GPT_OSS: 12 * 32_768 * 2048 + 12 * 768 * 2048,
    # latent 512 + rope 64, no values: 576·2 = 1,152 a token and layer, 61 layers
    DEEPSEEK: 32_768 * 61 * 1152,
}


def plan(name: str, weights: str, gpus: str, context: int) -> Plan:
    return evaluate(
        Scenario(
            presets.load(name),
            registry.get("llama.cpp"),
            recipes.get(weights),
            kv_format("f16"),
            parse_gpus(gpus),
            context,
            margin_bytes=0,
        )
    )


def allocated(found: Plan, kind: Kind) -> int:
    return sum(a.bytes for d in found.devices for a in d.allocations if a.kind is kind)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    assert presets.load(name).architecture.parameters == PARAMETERS[name]


def test_the_sums_are_the_published_counts():
    assert PARAMETERS[LLAMA] == 8_030_261_248
    assert PARAMETERS[QWEN] == 8_190_735_360
    assert PARAMETERS[QWEN_MOE] == 30_532_122_624
    assert PARAMETERS[GPT_OSS] == 20_914_757_184


@pytest.mark.parametrize("name", CACHE_AT_32K)
def test_cache_of_llama_cpp_at_32k(name):
    found = plan(name, "Q4_K_M", "8x H200", 32_768)
    assert allocated(found, Kind.KV_CACHE) == CACHE_AT_32K[name]


def test_llama_8b_in_16_bits_to_the_byte():
    found = plan(LLAMA, "GGUF-F16", "RTX 4090", 4096)
    # all but the embedding table (it stays on the host) in 2 bytes, 65 norms of 4,096 in 4,
    # and the 64 factors of the scaled rotary embedding in 4
    weights = 2 * (8_030_261_248 - 128_256 * 4096) + 2 * 65 * 4096 + 64 * 4
    assert allocated(found, Kind.WEIGHTS) == weights == 15_010_382_080
    cache = 4096 * 131_072
    assert allocated(found, Kind.KV_CACHE) == cache == 536_870_912
    # llama.cpp's allocator reports 117,450,880 for this graph
    assert allocated(found, Kind.ACTIVATIONS) == pytest.approx(117_450_880, rel=0.002)
    runtime = allocated(found, Kind.RUNTIME)
    assert found.total_bytes == weights + cache + allocated(found, Kind.ACTIVATIONS) + runtime


def test_plain_formats_are_bytes_per_parameter():
    architecture = presets.load(QWEN).architecture
    sizes = {
        name: recipes.get(name).storages(architecture).bytes
        for name in ("FP32", "FP16", "INT8", "INT4")
    }
    count = 8_190_735_360
    assert sizes == {"FP32": 4 * count, "FP16": 2 * count, "INT8": count, "INT4": count // 2}
