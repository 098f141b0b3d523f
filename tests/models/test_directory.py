"""Local directories: config.json and the headers of the safetensors files."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.errors import RefusedModel, SourceError
from llm_lander_tui.models import safetensors
from llm_lander_tui.models.directory import DirectorySource


def put(folder, **files):
    for name, body in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())


def load(path):
    return DirectorySource().load(str(path))


def test_one_file(tmp_path, llama_config, safetensors_file):
    raw = safetensors_file(("a", "BF16", (10, 3)), ("b", "F32", (5,)), data=True)
    put(tmp_path, config__json=llama_config, model__safetensors=raw)
    model = load(tmp_path)
    assert model.name == str(tmp_path)
    assert model.title == tmp_path.name
    assert model.source == "directory"
    assert model.checkpoint.bytes == 60 + 20
    assert model.checkpoint.elements == (("BF16", 30), ("F32", 5))
    assert model.checkpoint.format == "BF16"
    assert "may be wrong" in model.warnings[0]


def test_shards_by_the_index(tmp_path, llama_config, safetensors_file):
    put(tmp_path, config__json=llama_config)
    weights = {"a": "x1.safetensors", "b": "x2.safetensors"}
    put(tmp_path, model__safetensors__index__json={"weight_map": weights})
    put(tmp_path, x1__safetensors=safetensors_file(("a", "F16", (10,)), data=True))
    put(tmp_path, stray__safetensors=safetensors_file(("s", "F16", (10,)), data=True))
    model = load(tmp_path)
    assert model.checkpoint is None
    assert "1 of 2 weight files are missing, x2.safetensors first" in model.warnings[0]
    put(tmp_path, x2__safetensors=safetensors_file(("b", "F16", (7,)), data=True))
    assert load(tmp_path).checkpoint.bytes == 34


def test_quantization_of_config_and_of_modelopt(tmp_path, llama_config):
    put(tmp_path, hf_quant_config__json={"quantization": {"quant_algo": "FP8"}})
    put(tmp_path, config__json=llama_config)
    assert load(tmp_path).quantization == {"quant_method": "modelopt", "quant_algo": "FP8"}
    stated = {"quant_method": "awq", "bits": 4}
    put(tmp_path, config__json=llama_config | {"quantization_config": stated})
    assert load(tmp_path).quantization == stated


def test_path_of_a_config_alone(tmp_path, llama_config):
    put(tmp_path, config__json=llama_config)
    model = load(tmp_path / "config.json")
    assert model.name == str(tmp_path)
    assert model.checkpoint is None
    put(tmp_path, mine__json=llama_config)
    assert load(tmp_path / "mine.json").title == "mine.json"


def test_adapter_names_its_base(tmp_path):
    put(tmp_path, adapter_config__json={"base_model_name_or_path": "Qwen/Qwen3-8B"})
    for path in (tmp_path, tmp_path / "adapter_config.json"):
        with pytest.raises(RefusedModel, match="Qwen/Qwen3-8B"):
            load(path)


def test_empty_directory(tmp_path):
    with pytest.raises(RefusedModel, match=r"neither a config\.json nor"):
        load(tmp_path)


def test_gguf_file_in_a_directory_is_found(tmp_path):
    put(tmp_path, x__gguf=b"not one")
    with pytest.raises(SourceError, match="letters GGUF"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("body", "title"),
    [(b"{", "Broken file"), (b"[]", "Broken file"), (b"[" * 99_999, "Broken file"),
     (b"\xff\xfe", "Broken file")],
)  # fmt: skip
def test_broken_config(tmp_path, body, title):
    put(tmp_path, config__json=body)
    with pytest.raises(SourceError) as caught:
        load(tmp_path)
    assert caught.value.title == title


def test_missing_path(tmp_path):
    with pytest.raises(SourceError) as caught:
        load(tmp_path / "no" / "config.json")
    assert caught.value.title == "File not readable"


def entry(**changes):
    return json.dumps({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]} | changes})


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "shorter than its own prefix"),
        (struct.pack("<Q", 2**63), "claims"),
        (struct.pack("<Q", 1), "claims"),
        (struct.pack("<Q", 500) + b"{}", "ends inside its own header"),
        (struct.pack("<Q", 4) + b"nope", "not valid JSON"),
        (struct.pack("<Q", 50_000) + b"[" * 50_000, "not valid JSON"),
        (struct.pack("<Q", 2) + b"[]", "not an object"),
    ],
)
def test_damaged_file(tmp_path, llama_config, raw, says):
    put(tmp_path, config__json=llama_config, model__safetensors=raw)
    with pytest.raises(SourceError, match=says) as caught:
        load(tmp_path)
    assert caught.value.title == "Damaged safetensors file"


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": None}, {"dtype": 3}, {"shape": None}, {"shape": [-1]}, {"shape": [1.5]},
        {"shape": [True]}, {"data_offsets": [0]}, {"data_offsets": [4, 0]},
        {"data_offsets": [0, 5]}, {"data_offsets": "04"}, {"shape": [3]},
    ],
)  # fmt: skip
def test_damaged_entry(changes):
    with pytest.raises(SourceError):
        safetensors.parse_header(entry(**changes).encode(), "x")


def test_unknown_type_is_kept_by_its_bytes():
    (found,) = safetensors.parse_header(entry(dtype="F5_NEW").encode(), "x")
    assert (found.type, found.bytes) == ("F5_NEW", 4)


def test_cut_off_file(tmp_path, llama_config, safetensors_file):
    raw = safetensors_file(("a", "BF16", (100,)), data=True)[:-1]
    put(tmp_path, config__json=llama_config, model__safetensors=raw)
    with pytest.raises(SourceError, match="cut off"):
        load(tmp_path)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["a", "dtype", "shape", "data_offsets"]), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_any_json_header_is_read_or_refused(header):
    try:
        found = safetensors.tensors_of(header, "x")
    except SourceError:
        return
    assert all(tensor.bytes >= 0 for tensor in found)
