"""GGUF headers: what the format's own writer writes is read, what is damaged ends in a sentence."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress
from math import prod

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_lander_tui.errors import SourceError
from llm_lander_tui.formats import GGML_TYPES
from llm_lander_tui.models import gguf_file
from llm_lander_tui.models.gguf_file import Skipped

STRING, ARRAY = 8, 9
CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Written:
    """GGUF bytes by the published layout, independent of the reader under test."""

    def __init__(self, order: str = "<", version: int = 3) -> None:
        self.order, self.version = order, version
        self.pairs: list[bytes] = []
        self.infos: list[bytes] = []

    def pack(self, code: str, *values) -> bytes:
        return struct.pack(self.order + code, *values)

    def text(self, value: str) -> bytes:
        raw = value.encode()
        return self.pack("Q", len(raw)) + raw

    def value(self, key: str, kind: int, value) -> Written:
        body = self.text(value) if kind == STRING else self.pack(CODES[kind], value)
        self.pairs.append(self.text(key) + self.pack("I", kind) + body)
        return self

    def array(self, key: str, kind: int, values) -> Written:
        head = self.text(key) + self.pack("IIQ", ARRAY, kind, len(values))
        if kind == STRING:
            body = b"".join(self.text(value) for value in values)
        else:
            body = self.pack(f"{len(values)}{CODES[kind]}", *values)
        self.pairs.append(head + body)
        return self

    def tensor(self, name: str, shape, kind: int = 0, offset: int = 0) -> Written:
        self.infos.append(
            self.text(name) + self.pack(f"I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        )
        return self

    def bytes(self, tensors: int | None = None, pairs: int | None = None) -> bytes:
        counts = self.pack(
            "QQ",
            len(self.infos) if tensors is None else tensors,
            len(self.pairs) if pairs is None else pairs,
        )
        version = self.pack("I", self.version)
        return b"GGUF" + version + counts + b"".join(self.pairs) + b"".join(self.infos)


def read(raw: bytes, **options) -> gguf_file.GgufHeader:
    return gguf_file.read_header(lambda first, last: raw[first:last], "test.gguf", **options)


def refused(raw: bytes, **options) -> str:
    with pytest.raises(SourceError) as caught:
        read(raw, **options)
    assert caught.value.title == "Damaged GGUF file"
    assert caught.value.message.endswith(".")
    return caught.value.message


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [2, 3])
def test_reads_values_arrays_and_tensors(order, version):
    written = (
        Written(order, version)
        .value("general.architecture", STRING, "llama")
        .value("llama.block_count", 4, 32)
        .value("llama.rope.freq_base", 6, 500000.0)
        .value("a.flag", 7, True)
        .value("a.negative", 11, -5)
        .array("llama.attention.head_count_kv", 5, [8, 0, 8])
        .array("names", STRING, ["a", "ß"])
        .tensor("token_embd.weight", (256, 1000), 12, 0)
        .tensor("blk.0.attn_norm.weight", (256,), 0, 144_000)
    )
    header = read(written.bytes())
    assert header.version == version
    assert header.metadata == {
        "general.architecture": "llama",
        "llama.block_count": 32,
        "llama.rope.freq_base": 500000.0,
        "a.flag": True,
        "a.negative": -5,
        "llama.attention.head_count_kv": (8, 0, 8),
        "names": ("a", "ß"),
    }
    embedding, norm = header.tensors
    # Q4_K holds 256 elements in 144 bytes: 1,000 rows of one block.
    assert (embedding.type, embedding.shape, embedding.bytes) == ("Q4_K", (1000, 256), 144_000)
    assert (norm.type, norm.shape, norm.bytes) == ("F32", (256,), 1024)
    assert header.tensor_bytes == 145_024
    assert header.header_bytes % 32 == 0
    assert header.file_bytes == header.header_bytes + 145_024


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_any_chunk_size_reads_the_same(chunk):
    written = Written().value("general.architecture", STRING, "llama")
    written.array("tokens", STRING, [f"token{i}" for i in range(5000)])
    written.array("scores", 6, [0.5] * 5000).tensor("t", (32, 4), 8)
    header = read(written.bytes(), chunk=chunk)
    assert header.metadata["tokens"] == Skipped(5000)
    assert header.metadata["scores"] == Skipped(5000)
    assert header.tensors[0].bytes == 4 * 34


def test_vocabulary_is_not_kept_and_long_number_arrays_are_not_fetched():
    written = Written().array("scores", 6, [0.0] * 100_000).tensor("t", (32,), 0)
    raw = written.bytes()
    fetched = 0

    def source(first: int, last: int) -> bytes:
        nonlocal fetched
        fetched += last - first
        return raw[first:last]

    gguf_file.read_header(source, "x.gguf", chunk=256)
    assert fetched < 2000 < len(raw)


def test_agrees_with_the_formats_own_writer(tmp_path):
    gguf = pytest.importorskip("gguf", reason="the gguf package is not installed")
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    path = tmp_path / "x.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_head_count_kv([8, 4])
    writer.add_token_list([f"<{i}>" for i in range(6000)])
    writer.add_custom_alignment(64)
    shapes = {"token_embd.weight": (64, 256), "blk.0.ffn_up.weight": (3, 256), "n": (7,)}
    kinds = {"token_embd.weight": "Q6_K", "blk.0.ffn_up.weight": "IQ4_XS", "n": "F32"}
    for name, shape in shapes.items():
        kind = getattr(gguf.GGMLQuantizationType, kinds[name])
        size, width = gguf.GGML_QUANT_SIZES[kind]
        if kinds[name] == "F32":
            writer.add_tensor(name, np.zeros(shape, dtype=np.float32))
        else:
            raw = np.zeros((*shape[:-1], shape[-1] // size * width), dtype=np.uint8)
            writer.add_tensor(name, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ours, theirs = gguf_file.read_file(path), gguf.GGUFReader(path)
    assert ours.metadata["llama.block_count"] == 2
    assert ours.metadata["llama.attention.head_count_kv"] == (8, 4)
    assert ours.metadata["tokenizer.ggml.tokens"] == Skipped(6000)
    assert [(t.name, t.type, t.bytes) for t in ours.tensors] == [
        (t.name, t.tensor_type.name, int(t.n_bytes)) for t in theirs.tensors
    ]
    assert {t.name: t.shape for t in ours.tensors} == shapes
    assert ours.header_bytes == theirs.data_offset


def test_block_sizes_are_the_gguf_packages():
    gguf = pytest.importorskip("gguf", reason="the gguf package is not installed")
    for kind, (size, width) in gguf.GGML_QUANT_SIZES.items():
        block = GGML_TYPES[kind.value]
        assert (block.name, block.size, block.bytes) == (kind.name, size, width)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "cut off"),
        (b"GG", "cut off"),
        (b"PK\x03\x04" + bytes(100), "letters GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "version 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1), "claims"),
        (Written().bytes(tensors=3), "cut off"),
        (Written().bytes(pairs=3), "cut off"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63), "a key claims"),
        (Written().value("a", 4, 1).value("a", 4, 1).bytes(), "twice"),
        (Written().tensor("t", (4,)).tensor("t", (4,)).bytes(), "twice"),
        (Written().tensor("t", ()).bytes(), "0 dimensions"),
        (Written().tensor("t", (1,) * 5).bytes(), "5 dimensions"),
        (Written().tensor("t", (0, 4)).bytes(), "impossible shape"),
        (Written().tensor("t", (2**40, 2**40)).bytes(), "impossible shape"),
        (Written().tensor("t", (2**63 + 1,)).bytes(), "impossible shape"),
        (Written().tensor("t", (33,), 8).bytes(), "blocks"),
        (Written().tensor("t", (32,), 4242).bytes(), "unknown type 4242"),
        (Written().tensor("t", (32,), 0, 5).bytes(), "wrong place"),
        (Written().tensor("t", (32,), 0, 2**63).bytes(), "wrong place"),
        (Written().value("general.alignment", 4, 0).bytes(), "power of two"),
        (Written().value("general.alignment", 4, 48).bytes(), "power of two"),
        (Written().value("general.alignment", STRING, "8").bytes(), "power of two"),
    ],
)
def test_damage_ends_in_a_sentence(raw, says):
    assert says in refused(raw)


@pytest.mark.parametrize(("kind", "says"), [(ARRAY, "nests an array"), (77, "unknown type 77")])
def test_arrays_of_odd_kinds(kind, says):
    raw = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", ARRAY, kind, 1)
    assert says in refused(raw)


@pytest.mark.parametrize("kind", [STRING, 0, 12])
def test_huge_arrays_cost_neither_memory_nor_time(kind):
    head = struct.pack("<IIQ", ARRAY, kind, 2**62)
    raw = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + head + bytes(10_000)
    tracemalloc.start()
    refused(raw)
    refused(raw, size=len(raw))
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


def test_endless_empty_strings_hit_the_limit():
    head = struct.pack("<IIQ", ARRAY, STRING, 2**22)
    start = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + head

    def endless(first: int, last: int) -> bytes:
        return start[first:last] + bytes(last - max(first, len(start)))

    with pytest.raises(SourceError, match="more than 4 MiB"):
        gguf_file.read_header(endless, "x.gguf", limit=4 * 2**20)


def test_cut_off_download_is_told_with_its_bytes(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(Written().tensor("t", (1024,), 0).bytes() + bytes(100))
    with pytest.raises(SourceError, match="cut off"):
        gguf_file.read_file(path)


def test_missing_file(tmp_path):
    with pytest.raises(SourceError) as caught:
        gguf_file.read_file(tmp_path / "no.gguf")
    assert caught.value.title == "File not readable"


SAMPLE = (
    Written()
    .value("general.architecture", STRING, "llama")
    .value("llama.block_count", 4, 2)
    .array("tokens", STRING, ["a", "b", "c"])
    .array("kv", 5, [1, 2])
    .tensor("token_embd.weight", (256, 10), 12, 0)
    .tensor("output.weight", (32, 10), 8, 1440)
    .bytes()
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=9)), max_size=4
    ),
    st.integers(0, len(SAMPLE)),
    st.booleans(),
)
def test_mutated_headers_are_read_or_refused(edits, end, known_size):
    """Whatever bytes are written over a header: a header, or one typed failure."""
    raw = bytearray(SAMPLE)
    for place, patch in edits:
        raw[place : place + len(patch)] = patch
    raw = bytes(raw[:end]) if end % 3 == 0 else bytes(raw)
    with suppress(SourceError):
        header = read(raw, size=len(raw) if known_size else None)
        assert header.tensor_bytes == sum(t.bytes for t in header.tensors)
        assert all(prod(t.shape) > 0 for t in header.tensors)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_after_the_magic(tail):
    with suppress(SourceError):
        read(b"GGUF\x03\x00\x00\x00" + tail)
