"""Models by id, through the real Hub client against a real HTTP server on loopback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from llm_lander_tui.models.hub import HubSource
from llm_lander_tui.models.hub_ref import parse_ref
from llm_lander_tui.models.hub_search import quant_of

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


def test_sharded_quantised_checkpoint_takes_one_request_for_all_headers(
    hub, source, llama_config, safetensors_file
):
    hub.add(
        "org/small-FP8",
        {
            "config.json": llama_config | {"quantization_config": {"quant_method": "fp8"}},
            "model.safetensors.index.json": {"weight_map": {}},
            "model-00001-of-00002.safetensors": safetensors_file(("a", "F8_E4M3", (64, 64))),
            "model-00002-of-00002.safetensors": safetensors_file(("b", "BF16", (10,))),
        },
    )
    model = source.load("org/small-FP8")
    assert model.checkpoint.elements == (("F8_E4M3", 4096), ("BF16", 10))
    assert model.checkpoint.bytes == 4096 + 20
    assert len(hub.requests) == 3


def test_servers_without_that_request_are_asked_for_each_header(
    hub, source, llama_config, safetensors_file
):
    """Mirrors know the files alone; a long header takes a second range."""
    many = [(f"model.layers.{i}.mlp.experts.weight", "U8", (3, 5)) for i in range(3000)]
    hub.add(
        "org/small-awq",
        {
            "config.json": llama_config | {"quantization_config": {"quant_method": "awq"}},
            "model.safetensors.index.json": {"weight_map": {}},
            "model-00001-of-00002.safetensors": safetensors_file(*many),
            "model-00002-of-00002.safetensors": safetensors_file(("b", "F16", (10,))),
        },
    )

    def fault(handler, path):
        if "safetensors-metadata" in path:
            handler.refuse(404, "", "Not here")
            return True
        return False

    hub.fault = fault
    model = source.load("org/small-awq")
    assert len(model.checkpoint.tensors) == 3001
    assert model.checkpoint.bytes == 3000 * 15 + 20
    ranges = [r.headers.get("range") for r in hub.requests if r.path.endswith(".safetensors")]
    assert len(ranges) == 3
    assert all(ranges)


def test_unreadable_headers_leave_the_files_sizes_and_say_so(hub, source, llama_config):
    hub.add(
        "org/odd",
        {
            "config.json": llama_config | {"quantization_config": {"quant_method": "gptq"}},
            "model.safetensors": b"\xff" * 400,
        },
        sizes={"model.safetensors": 123_456},
    )
    model = source.load("org/odd")
    assert model.checkpoint.bytes == 123_456
    assert "could not be read" in model.warnings[0]


def test_a_count_that_the_config_does_not_explain_is_said(hub, source, llama_config):
    for stored, said in ((PARAMETERS, 0), (PARAMETERS + 64_000, 1), (2 * PARAMETERS, 1)):
        hub.add(
            "org/small",
            {"config.json": llama_config, "model.safetensors": b""},
            info={"safetensors": {"parameters": {"BF16": stored}}},
        )
        warnings = source.load("org/small").warnings
        assert len([w for w in warnings if "may be wrong" in w]) == said


def test_a_tied_head_may_be_stored_twice(hub, source, llama_config):
    tied = llama_config | {"tie_word_embeddings": True}
    for stored in (PARAMETERS - 64_000, PARAMETERS):
        hub.add(
            "org/tied",
            {"config.json": tied, "model.safetensors": b""},
            info={"safetensors": {"parameters": {"F16": stored}}},
        )
        assert source.load("org/tied").warnings == ()


def test_modelopt_states_its_quantization_in_a_file_of_its_own(
    hub, source, llama_config, safetensors_file
):
    stated = {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": ["lm_head"]}
    hub.add(
        "nvidia/small-NVFP4",
        {
            "config.json": llama_config,
            "hf_quant_config.json": {"producer": {}, "quantization": stated},
            "model.safetensors": safetensors_file(("a", "U8", (4, 4))),
        },
    )
    model = source.load("nvidia/small-NVFP4")
    assert model.quantization == {"quant_method": "modelopt", **stated}
    assert model.checkpoint.bytes == 16


def test_weights_of_another_kind_are_said(hub, source, llama_config):
    hub.add("org/old", {"config.json": llama_config, "pytorch_model.bin": b"x"})
    model = source.load("org/old")
    assert model.checkpoint is None
    assert "not safetensors" in model.warnings[0]


def test_renamed_repository_is_said(hub, source, llama_config):
    hub.add("org/old-name", {"config.json": llama_config}, info={"id": "org/new-name"})
    assert "org/new-name" in source.load("org/old-name").warnings[0]


def test_revision_is_asked_for(hub, source, llama_config):
    hub.add("org/small", {"config.json": llama_config})
    source.load("org/small@v1.5")
    assert sorted(r.path for r in hub.requests) == [
        "/api/models/org/small/revision/v1.5",
        "/org/small/resolve/v1.5/config.json",
    ]


def test_endpoint_of_the_environment(hub, monkeypatch, llama_config):
    hub.add("org/small", {"config.json": llama_config})
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
    assert HubSource().load("org/small").architecture.parameters == PARAMETERS


def test_progress_is_told(hub, llama_config):
    hub.add("org/small", {"config.json": llama_config})
    told = []
    HubSource(endpoint=hub.url, progress=lambda text, part: told.append((text, part))).load(
        "org/small"
    )
    assert told[0] == ("Asking the Hub for org/small", 0.0)
    assert told[-1][1] == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Qwen/Qwen3-8B", ("Qwen/Qwen3-8B", None, None, "main")),
        (" gpt2 ", ("gpt2", None, None, "main")),
        ("a/b-GGUF:Q4_K_M", ("a/b-GGUF", None, "Q4_K_M", "main")),
        ("a/b/x/y-Q8_0.gguf", ("a/b", "x/y-Q8_0.gguf", None, "main")),
        ("a/b@v1", ("a/b", None, None, "v1")),
        ("https://huggingface.co/a/b", ("a/b", None, None, "main")),
        ("hf.co/a/b:IQ2_M", ("a/b", None, "IQ2_M", "main")),
        ("https://huggingface.co/a/b/tree/main", ("a/b", None, None, "main")),
        ("https://huggingface.co/a/b/blob/main/x.gguf", ("a/b", "x.gguf", None, "main")),
    ],
)
def test_references(text, expected):
    ref = parse_ref(text)
    assert (ref.repo, ref.file, ref.quant, ref.revision) == expected
    assert parse_ref(str(ref)) == ref


def hit(name, downloads, created, tags=(), **rest):
    return {"id": name, "downloads": downloads, "likes": 3, "createdAt": created,
            "lastModified": created, "tags": list(tags), **rest}  # fmt: skip


def test_search_by_words(hub, source):
    hub.found = [
        hit("a/Qwen3-8B-GGUF", 10, "2026-01-01T00:00:00.000Z", ["gguf"]),
        hit("a/Qwen3-8B", 90, "2025-04-27T00:00:00.000Z"),
        hit("a/Qwen3-8B-AWQ", 50, "2025-05-27T00:00:00.000Z", gated="auto"),
        hit("a/Qwen3-Image", 99, "2025-05-27T00:00:00.000Z", pipeline_tag="text-to-image"),
    ]
    found = source.search("qwen3 8b", limit=5)
    assert [(h.id, h.quant, h.downloads) for h in found] == [
        ("a/Qwen3-8B", "", 90), ("a/Qwen3-8B-AWQ", "AWQ", 50), ("a/Qwen3-8B-GGUF", "GGUF", 10),
    ]  # fmt: skip
    assert found[1].gated
    assert found[0].created == "2025-04-27"
    query = hub.requests[-1].query
    assert query["search"] == ["qwen3 8b"]
    assert query["sort"] == ["downloads"]
    assert query["limit"] == ["5"]
    assert source.search("qwen3", order="newest")[0].created == "2026-01-01"
    assert hub.requests[-1].query["sort"] == ["createdAt"]


def test_quantised_sisters(hub, source):
    hub.found = [hit("b/x-FP8", 1, ""), hit("b/x-GGUF", 2, "", ["gguf"])]
    found = source.quantised_sisters("Qwen/Qwen3-8B")
    assert [h.quant for h in found] == ["GGUF", "FP8"]
    assert hub.requests[-1].query["filter"] == ["base_model:quantized:Qwen/Qwen3-8B"]


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("a/Llama-3-8B-bnb-4bit", [], "bitsandbytes"),
        ("a/x-w4a16", ["compressed-tensors"], "W4A16"),
        ("a/x", ["compressed-tensors"], "compressed-tensors"),
        ("a/x-NVFP4", [], "NVFP4"),
        ("a/x-4bit", ["mlx"], "MLX"),
        ("a/x-Instruct", ["safetensors"], ""),
    ],
)
def test_quantization_of_a_repository_by_name_and_tags(name, tags, expected):
    assert quant_of(name, tags) == expected


def test_stored_login_is_sent(hub, monkeypatch, tmp_path, llama_config):
    from huggingface_hub import constants

    (tmp_path / "token").write_text("hf_good\n")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    hub.add("org/small", {"config.json": llama_config})
    HubSource(endpoint=hub.url).load("org/small")
    assert {r.headers.get("authorization") for r in hub.requests} == {"Bearer hf_good"}
    hub.requests.clear()
    HubSource(endpoint=hub.url, token=False).load("org/small")
    assert {r.headers.get("authorization") for r in hub.requests} == {None}


def test_storage_of_another_host_gets_the_range_and_no_token(hub, llama_config, safetensors_file):
    """The Hub sends file requests on to its storage by a signed address."""
    quantised = llama_config | {"quantization_config": {"quant_method": "awq"}}
    hub.add(
        "org/small",
        {"config.json": quantised, "model.safetensors": safetensors_file(("a", "I32", (8,)))},
    )

    def fault(handler, path):
        if path.endswith(".safetensors") and handler.headers["Host"].startswith("127."):
            elsewhere = hub.url.replace("127.0.0.1", "localhost")
            handler.answer(302, Location=f"{elsewhere}{path}")
            return True
        return False

    hub.fault = fault
    model = HubSource(endpoint=hub.url, token="hf_good").load("org/small")
    assert model.checkpoint.bytes == 32
    last = hub.requests[-1].headers
    assert last["host"].startswith("localhost")
    assert last["range"].startswith("bytes=0-")
    assert "authorization" not in last


def test_hosts_that_are_asked(hub, llama_config):
    """Nothing but the endpoint is connected to, from import to answer."""
    program = (
        "import socket, sys\n"
        "asked = []\n"
        "real = socket.getaddrinfo\n"
        "socket.getaddrinfo = lambda host, *a, **k: (asked.append(host), real(host, *a, **k))[1]\n"
        "from llm_lander_tui.models.hub import HubSource\n"
        "HubSource().load('org/small')\n"
        "print(*sorted({h.decode() if isinstance(h, bytes) else h for h in asked}))\n"
    )
    hub.add("org/small", {"config.json": llama_config})
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_good"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["127.0.0.1"]
    assert done.stderr == ""
