"""Damaged configs: whatever a field holds, the answer is an architecture or one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_lander_tui.errors import LanderError
from llm_lander_tui.models import presets
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.summary import pattern, summary

FAMILIES = (
    "ai21labs/Jamba-v0.1", "allenai/OLMo-2-1124-7B", "apple/none", "bigscience/bloom",
    "CohereLabs/c4ai-command-a-03-2025", "deepseek-ai/DeepSeek-V2-Lite",
    "deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-V4-Flash", "google/gemma-3-27b-it",
    "google/gemma-4-26B-A4B", "google/gemma-4-E2B-it", "LiquidAI/LFM2-1.2B",
    "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.2-11B-Vision-Instruct",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct", "MiniMaxAI/MiniMax-M1-40k",
    "MiniMaxAI/MiniMax-M3", "moonshotai/Kimi-K2.5", "moonshotai/Kimi-K3", "mosaicml/mpt-7b",
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5", "nvidia/NVIDIA-Nemotron-Nano-12B-v2",
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", "openai-community/gpt2", "openai/gpt-oss-20b",
    "poolside/Laguna-S-2.1-FP8", "Qwen/Qwen2-Audio-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen3.5-35B-A3B", "stepfun-ai/Step-3.5-Flash",
    "tencent/Hunyuan-A13B-Instruct", "tiiuae/falcon-40b", "XiaomiMiMo/MiMo-V2-Flash",
    "zai-org/GLM-4.1V-9B", "zai-org/GLM-5.2", "zai-org/chatglm3-6b",
)  # fmt: skip
CONFIGS = [presets.config(name) for name in FAMILIES if name in presets.names()]
ABSENT = object()
LONG = [1] * 10**6
JUNK = st.one_of(
    st.sampled_from([
        ABSENT, None, True, False, "", "x", "auto", -1, 0, 1, 2, 3, 1.5, 10**9, 10**30, -(10**30),
        float("nan"), float("inf"), [], LONG, [None], ["full_attention"], [-1], [{}], {}, {"a": 1},
        "9" * 10**5,
    ]),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(min_value=-2, max_value=300), max_size=70),
    st.lists(st.sampled_from(["full_attention", "sliding_attention", "mamba", "moe", "x"]),
             max_size=70),
)  # fmt: skip


def paths(config: dict[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to every field, nested ones too."""
    for key, value in config.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


def put(config: dict[str, object], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        inner = config.get(key)
        if not isinstance(inner, dict):
            return
        config = inner
    if value is ABSENT:
        config.pop(path[-1], None)
    else:
        config[path[-1]] = value


def answered(config: object) -> None:
    """Everything that is asked of an architecture, when there is one."""
    with suppress(LanderError):
        a = parse_config(config, "org/model")  # type: ignore[arg-type]
        assert a.parameters > 0
        json.dumps(summary(Model("org/model", "hub", a)))
        assert sum(n for *_, n in pattern(a)) == len(a.layers)
        for layer, _ in a.layer_groups:
            assert all(t.elements >= 0 for t in layer.tensors())
            assert all(mixer.core_flops(1000) >= 0 for mixer in layer.mixers)
        assert all(row.elements > 0 for row, _ in a.kv_rows)
        assert all(state.recurrent_elements >= 0 for state, _ in a.states)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(st.sampled_from(CONFIGS), st.data())
def test_mutated_configs(config: dict[str, object], data: st.DataObject) -> None:
    mutated: dict[str, object] = json.loads(json.dumps(config))
    ways = list(paths(mutated))
    for _ in range(data.draw(st.integers(1, 4))):
        put(mutated, data.draw(st.sampled_from(ways)), data.draw(JUNK))
    answered(mutated)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_anything_that_json_can_hold(value: object) -> None:
    answered(value)


def test_deep_nesting_ends() -> None:
    config: dict[str, object] = {"model_type": "llama"}
    for _ in range(5000):
        config = {"text_config": config}
    answered(config)
