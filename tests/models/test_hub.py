"""Models by id, through the real Hub client against a real HTTP server on loopback."""

from __future__ import annotations

import pytest

from llm_lander_tui.models.hub import HubSource

# By hand, for the small Llama of conftest: embedding and head 2 · 1000·64 = 128,000; a layer has
# q and o 2 · 64·64 = 8,192, k and v 2 · 64·32 = 4,096, the MLP 3 · 64·128 = 24,576 and two norms
# 128, in all 36,992; two layers and the last norm: 128,000 + 73,984 + 64 = 202,048.
PARAMETERS = 202_048


@pytest.fixture
def source(hub):
    return HubSource(endpoint=hub.url, deadline=5)


def test_plain_checkpoint(hub, source, llama_config):
    hub.add(
        "org/small",
        {"config.json": llama_config, "model.safetensors": b""},
        info={"safetensors": {"parameters": {"BF16": PARAMETERS}, "total": PARAMETERS}},
    )
    model = source.load("org/small")
    assert model.architecture.parameters == PARAMETERS
    assert model.checkpoint.elements == (("BF16", PARAMETERS),)
    assert model.checkpoint.bytes == 2 * PARAMETERS
    assert model.checkpoint.format == "BF16"
    assert model.source == "hub"
    assert model.quantization is None
    assert sorted(r.path for r in hub.requests) == [
        "/api/models/org/small",
        "/org/small/resolve/main/config.json",
    ]


def test_quantised_checkpoint_in_one_file(hub, source, llama_config, safetensors_file):
    quantization = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    tensors = (
        ("model.embed_tokens.weight", "F16", (1000, 64)),
        ("model.layers.0.mlp.up_proj.qweight", "I32", (8, 128)),
    )
    hub.add(
        "org/small-GPTQ",
        {
            "config.json": llama_config | {"quantization_config": quantization},
            "model.safetensors": safetensors_file(*tensors),
        },
        info={"safetensors": {"parameters": {"I32": 8192, "F16": 64000}, "total": 72192}},
    )
    model = source.load("org/small-GPTQ")
    assert model.quantization == quantization
    assert model.checkpoint.format == "gptq"
    # 1000·64 FP16 elements and 8·128 packed words: 128,000 + 4,096 bytes.
    assert model.checkpoint.bytes == 132_096
    assert [(t.name, t.type, t.shape, t.bytes) for t in model.checkpoint.tensors] == [
        ("model.embed_tokens.weight", "F16", (1000, 64), 128_000),
        ("model.layers.0.mlp.up_proj.qweight", "I32", (8, 128), 4_096),
    ]
