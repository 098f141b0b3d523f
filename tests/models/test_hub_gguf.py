"""GGUF repositories on the Hub: files listed, headers read by range requests of a few MB."""

from __future__ import annotations

import struct

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models.gguf_names import choose, gguf_choices, quant_label
from llm_lander_tui.models.hub import HubSource

MIB = 2**20
PLAIN = {
    "llama.block_count": 1,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.context_length": 2048,
}
SHAPES = {
    "token_embd.weight": (64, 1000),
    "output_norm.weight": (64,),
    "blk.0.attn_norm.weight": (64,),
    "blk.0.attn_q.weight": (64, 64),
    "blk.0.attn_k.weight": (64, 32),
    "blk.0.attn_v.weight": (64, 32),
    "blk.0.attn_output.weight": (64, 64),
    "blk.0.ffn_norm.weight": (64,),
    "blk.0.ffn_gate.weight": (64, 128),
    "blk.0.ffn_up.weight": (64, 128),
    "blk.0.ffn_down.weight": (128, 64),
}
# 1000·64 embedding; q and o 2·64·64, k and v 2·32·64, MLP 3·64·128, three norms of 64.
PARAMETERS = 64_000 + 8_192 + 4_096 + 24_576 + 192


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf_bytes(shapes=SHAPES, numbers=PLAIN, vocabulary=0, kind=8) -> bytes:
    """A GGUF header (Q8_0 matrices) with `vocabulary` tokens, and a megabyte after it."""
    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("llama")] if numbers else []
    pairs += [text(key) + struct.pack("<II", 4, value) for key, value in numbers.items()]
    if vocabulary:
        tokens = b"".join(text(f"token{i:06}") for i in range(vocabulary))
        head = struct.pack("<IIQ", 9, 8, vocabulary)
        pairs.append(text("tokenizer.ggml.tokens") + head + tokens)
    infos, end = [], 0
    for name, shape in shapes.items():
        of = kind if len(shape) > 1 else 0
        elements = shape[0] * (shape[1] if len(shape) > 1 else 1)
        infos.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, of, end))
        end += elements * 34 // 32 if of else elements * 4
        end += -end % 32
    counts = struct.pack("<IQQ", 3, len(infos), len(pairs))
    return b"GGUF" + counts + b"".join(pairs) + b"".join(infos) + bytes(MIB)


@pytest.fixture
def source(hub):
    return HubSource(endpoint=hub.url, deadline=10)


def test_one_file_by_its_header(hub, source):
    hub.add("o/m-GGUF", {"m-Q8_0.gguf": gguf_bytes(), "mmproj-m.gguf": b"GGUF"})
    model = source.load("o/m-GGUF")
    assert model.architecture.parameters == PARAMETERS
    assert model.checkpoint.format == "Q8_0"
    # 34 bytes for 32 elements of the matrices, four for each of the 192 elements of the norms.
    assert model.checkpoint.bytes == (PARAMETERS - 192) // 32 * 34 + 4 * 192
    assert model.warnings == ()


def test_a_large_vocabulary_takes_chunks_and_no_weights(hub, source):
    raw = gguf_bytes(vocabulary=200_000) + bytes(40 * MIB)
    hub.add("o/m-GGUF", {"m-Q8_0.gguf": raw})
    model = source.load("o/m-GGUF")
    assert model.architecture.vocab_size == 1000
    ranges = [r.headers["range"] for r in hub.requests if r.path.endswith(".gguf")]
    assert ranges[0] == f"bytes=0-{2 * MIB - 1}"
    assert len(ranges) == 2
    assert hub.sent < 7 * MIB


def test_progress_counts_the_megabytes(hub):
    hub.add("o/m-GGUF", {"m-Q8_0.gguf": gguf_bytes(vocabulary=200_000) + bytes(8 * MIB)})
    told = []
    HubSource(endpoint=hub.url, progress=lambda text, _: told.append(text)).load("o/m-GGUF")
    assert told[1:3] == [
        "Reading the header of m-Q8_0.gguf (0 MiB so far)",
        "Reading the header of m-Q8_0.gguf (2 MiB so far)",
    ]


def test_a_server_that_ignores_ranges(hub, source):
    hub.ranges = False
    hub.add("o/m-GGUF", {"m-Q8_0.gguf": gguf_bytes(vocabulary=200_000)})
    assert source.load("o/m-GGUF").architecture.parameters == PARAMETERS


def test_the_preferred_quantization_and_what_else_there_is(hub, source):
    files = {f"m-{label}.gguf": gguf_bytes() for label in ("Q8_0", "Q4_K_M", "IQ2_XXS")}
    hub.add("o/m-GGUF", files)
    model = source.load("o/m-GGUF")
    assert model.checkpoint.format == "Q4_K_M"
    assert model.checkpoint.container == "gguf"
    assert model.name == "o/m-GGUF:Q4_K_M"
    assert "Q8_0" in model.warnings[0]
    assert [c.label for c in source.gguf_repo("o/m-GGUF").choices] == [
        "IQ2_XXS",
        "Q4_K_M",
        "Q8_0",
    ]


@pytest.mark.parametrize(
    "name",
    ["o/m-GGUF:q8_0", "o/m-GGUF/m-Q8_0.gguf", "https://hf.co/o/m-GGUF/blob/main/m-Q8_0.gguf"],
)
def test_one_is_picked_by_quantization_or_file(hub, source, name):
    hub.add("o/m-GGUF", {f"m-{label}.gguf": gguf_bytes() for label in ("Q8_0", "Q4_K_M")})
    assert source.load(name).checkpoint.format == "Q8_0"


@pytest.mark.parametrize("name", ["o/m-GGUF:Q9_X", "o/m-GGUF/other.gguf"])
def test_a_choice_that_is_not_there_lists_what_is(hub, source, name):
    hub.add("o/m-GGUF", {"m-Q8_0.gguf": gguf_bytes()})
    with pytest.raises(SourceError) as caught:
        source.load(name)
    assert caught.value.title == "No such GGUF file"
    assert "Q8_0" in caught.value.remedy


def test_split_files_are_summed(hub, source):
    names = list(SHAPES)
    first = gguf_bytes({n: SHAPES[n] for n in names[:4]})
    second = gguf_bytes({n: SHAPES[n] for n in names[4:]}, numbers={})
    hub.add(
        "o/m-GGUF",
        {
            "Q8_0/m-Q8_0-00001-of-00002.gguf": first,
            "Q8_0/m-Q8_0-00002-of-00002.gguf": second,
            "BF16/m-BF16-00001-of-00002.gguf": first,
        },
    )
    model = source.load("o/m-GGUF:Q8_0")
    assert model.architecture.parameters == PARAMETERS
    assert len(model.checkpoint.tensors) == len(SHAPES)
    with pytest.raises(SourceError, match="1 of the 2 parts"):
        source.load("o/m-GGUF:BF16")


def test_damaged_file_on_the_hub(hub, source):
    hub.add("o/m-GGUF", {"m-Q8_0.gguf": gguf_bytes()[:300]})
    with pytest.raises(SourceError) as caught:
        source.load("o/m-GGUF")
    assert caught.value.title == "Damaged GGUF file"


def test_safetensors_come_first_where_both_are(hub, source, llama_config):
    hub.add(
        "o/both",
        {"config.json": llama_config, "model.safetensors": b"", "m-Q8_0.gguf": gguf_bytes()},
        info={"safetensors": {"parameters": {"BF16": 10}}},
    )
    assert source.load("o/both").checkpoint.format == "BF16"
    assert source.load("o/both:Q8_0").checkpoint.format == "Q8_0"


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-8B-UD-IQ1_S.gguf", "UD-IQ1_S"),
        ("UD-Q2_K_XL/DeepSeek-R1-UD-Q2_K_XL-00001-of-00005.gguf", "UD-Q2_K_XL"),
        ("Q5_K_S/model-00001-of-00002.gguf", "Q5_K_S"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("gpt-oss-20b-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("llama-2-7b.Q4_0.gguf", "Q4_0"),
        ("gemma-3-27b-it-BF16.gguf", "BF16"),
        ("phi-2-fp16.gguf", "F16"),
        ("model.f32.gguf", "F32"),
        ("bitnet-TQ2_0.gguf", "TQ2_0"),
        ("ggml-model-i2_s.gguf", ""),
        ("model.gguf", ""),
        ("Q8Bert-7B.gguf", ""),
    ],
)
def test_label_of_a_file_name(path, label):
    assert quant_label(path) == label


def test_choices_leave_out_what_is_no_model():
    sizes = {"a-Q4_K_M.gguf": 5, "mmproj-F16.gguf": 1, "a.imatrix.gguf": 1, "README.md": 1,
             "sub/mmproj-BF16.gguf": 2, "b-Q8_0.gguf": 9}  # fmt: skip
    choices = gguf_choices(sizes)
    assert [(c.name, c.bytes) for c in choices] == [("a-Q4_K_M.gguf", 5), ("b-Q8_0.gguf", 9)]
    assert choose(choices).label == "Q4_K_M"
    assert choose(()) is None
