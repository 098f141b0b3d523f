"""Parameters of every model of the corpus, by part, against transformers on the meta device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from llm_lander_tui.models import presets
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.summary import mtp_parameters, parts

EXCEPTIONS = {
    "PaddlePaddle/PaddleOCR-VL": "the config states an untied head, which the class ignores in "
    "this old flat form; the totals of published copies are untied",
    "Qwen/Qwen2.5-Omni-AWQ": "the row counts talker and speech decoder; engines load the "
    "thinker alone, 8,931,813,888 parameters",
    "OpenGVLab/InternVL2-2B": "the row counts the language model alone; with the tower the total "
    "is the published 2,205,754,368",
    "OpenGVLab/InternVL2-4B": "the same: published 4,146,855,936",
    "stepfun-ai/Step-3.7-Flash": "the class ignores the stated vocabulary of 128,896 in a flat "
    "config and takes its own 128,815",
    "stepfun-ai/Step-3.7-Flash-FP8": "the same",
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": "the total is equal; the row counts the forget "
    "gates of the linear mixers as MLP by their name",
}
"""Rows that this program means to differ from, and why."""
SHARE = 0.97

Facts = Callable[[str], dict[str, Any]]


def counted(architecture: Architecture) -> dict[str, int]:
    return {
        "parameters": architecture.parameters,
        "active": architecture.active_parameters,
        **parts(architecture),
    }


def test_parts_of_the_corpus(facts: Facts, architecture: Callable[[str], Architecture]) -> None:
    rows = facts("parameters")
    differing = {}
    for name, row in rows.items():
        found = counted(architecture(name))
        differences = {k: (v, row[k]) for k, v in found.items() if v != row[k]}
        if differences:
            differing[name] = differences
    unexpected = {name: d for name, d in differing.items() if name not in EXCEPTIONS}
    assert not unexpected
    real = [n for n, row in rows.items() if row["kind"] != "reconstructed"]
    equal = [n for n in real if n not in differing]
    assert len(equal) >= SHARE * len(real)
    assert len(rows) > 220


def test_totals_of_the_corpus(facts: Facts, architecture: Callable[[str], Architecture]) -> None:
    rows = facts("parameter_totals")
    found = {name: architecture(name).parameters for name in rows}
    assert found == rows


def test_published_totals_hold_mtp_layers(
    facts: Facts, architecture: Callable[[str], Architecture]
) -> None:
    """A checkpoint with MTP layers holds the model, these layers and the score corrections."""
    for name, published in facts("published_with_mtp").items():
        a = architecture(name)
        layers = (*a.layers, *a.mtp)
        buffers = sum(t.elements for layer in layers for t in layer.tensors() if t.buffer)
        assert a.parameters + mtp_parameters(a) + buffers == published, name


def test_the_thinker_of_an_omni_model(architecture: Callable[[str], Architecture]) -> None:
    """transformers 5.23 builds Qwen2.5-Omni's thinker with 8,931,813,888 parameters."""
    assert architecture("Qwen/Qwen2.5-Omni-AWQ").parameters == 8_931_813_888


SMALL_VIT: dict[str, object] = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 448,
    "patch_size": 14, "norm_type": "layer_norm", "qk_normalization": False, "qkv_bias": True,
}  # fmt: skip
LARGE_VIT: dict[str, object] = {
    "hidden_size": 3200, "intermediate_size": 12_800, "num_hidden_layers": 45, "image_size": 448,
    "patch_size": 14, "norm_type": "rms_norm", "qk_normalization": True, "qkv_bias": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("language_model", "vision", "published"),
    [
        ("Qwen/Qwen3-8B", SMALL_VIT, 8_528_318_464),
        ("Qwen/Qwen3-14B", SMALL_VIT, 15_119_523_840),
        ("Qwen/Qwen3-30B-A3B", SMALL_VIT, 30_848_730_112),
        ("Qwen/Qwen3-32B", LARGE_VIT, 38_390_405_504),
        ("Qwen/Qwen3-235B-A22B", LARGE_VIT, 240_699_370_368),
    ],
)
def test_internvl_3_5_as_published(
    language_model: str, vision: dict[str, object], published: int
) -> None:
    """InternVL3.5 is a Qwen3 behind InternViT; totals of OpenGVLab's repositories on the Hub."""
    config = {
        "model_type": "internvl_chat",
        "llm_config": presets.config(language_model),
        "vision_config": vision,
    }
    assert parse_config(config).parameters == published


def test_parts_add_up(facts: Facts, architecture: Callable[[str], Architecture]) -> None:
    for name in facts("parameters"):
        a = architecture(name)
        assert sum(a.parts.values()) == a.parameters
        assert sum(parts(a).values()) == a.parameters
        assert 0 < a.active_parameters <= a.parameters


def test_equal_layers_are_one_object(
    facts: Facts, architecture: Callable[[str], Architecture]
) -> None:
    for name in facts("parameters"):
        a = architecture(name)
        assert len({id(layer) for layer in a.layers}) == len(set(a.layers))
        assert dict(a.layer_groups) == dict(Counter(a.layers))


def test_llama_3_1_8b_by_hand(architecture: Callable[[str], Architecture]) -> None:
    """2·4096·4096 + 2·4096·1024 + 3·4096·14336 + 2·4096 a layer; 2·128256·4096 + 4096 outside."""
    a = architecture("meta-llama/Llama-3.1-8B-Instruct")
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096
    assert sum(t.elements for t in a.layers[0].tensors()) == layer == 218_112_000
    assert a.parameters == 32 * layer + 2 * 128_256 * 4096 + 4096 == 8_030_261_248


@pytest.mark.parametrize("name", ["deepseek-ai/DeepSeek-V3", "openai/gpt-oss-20b", "Qwen/Qwen3-8B"])
def test_every_linear_tensor_is_named(
    name: str, architecture: Callable[[str], Architecture]
) -> None:
    a = architecture(name)
    for tensor in (*a.outer, *(t for layer, _ in a.layer_groups for t in layer.tensors())):
        assert tensor.name
        assert tensor.module
        assert tensor.elements > 0


def test_prequantised_and_plain_configs_count_alike() -> None:
    """A packed checkpoint has the parameters of the model that it was made from."""
    plain: dict[str, object] = {
        "model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 4, "vocab_size": 1000,
        "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 3072,
        "tie_word_embeddings": True,
    }  # fmt: skip
    packed = plain | {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    assert parse_config(packed).parameters == parse_config(plain).parameters
