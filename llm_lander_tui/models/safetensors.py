"""Headers of safetensors files: every stored tensor, and none of the weights.

A file begins with eight bytes that hold the length of a JSON header (little endian), which names
each tensor with its type, its shape and the range of its bytes after the header.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models.model import Checkpoint, StoredTensor

PREFIX = 8
LONGEST_HEADER = 100_000_000
"""The format's own limit, in bytes."""

BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8,
    "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64,
}  # fmt: skip
"""Bits of an element by the format's own type names."""

_PLAIN = {"F64": "FP64", "F32": "FP32", "F16": "FP16", "BF16": "BF16"}


def damaged(where: str, how: str) -> SourceError:
    """The failure of a file that is not what its name says."""
    return SourceError(
        "Damaged safetensors file",
        f"{where} is not a sound safetensors file: {how}.",
        "Download it again, or plan the model by its config.json alone.",
    )


def header_length(prefix: bytes, where: str) -> int:
    """The length in bytes of the JSON header, from the file's first eight bytes."""
    if len(prefix) < PREFIX:
        raise damaged(where, "it is shorter than its own prefix")
    length = int.from_bytes(prefix[:PREFIX], "little")
    if not 2 <= length <= LONGEST_HEADER:
        raise damaged(where, f"its header claims {length:,} bytes")
    return length


def parse_header(raw: bytes, where: str) -> tuple[StoredTensor, ...]:
    """The tensors that the JSON header `raw` lists. Raises `SourceError`."""
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise damaged(where, "its header is not valid JSON") from error
    return tensors_of(header, where)


def tensors_of(header: object, where: str) -> tuple[StoredTensor, ...]:
    """The tensors of a decoded header, in its order. Raises `SourceError`."""
    if not isinstance(header, Mapping):
        raise damaged(where, "its header is not an object")
    return tuple(
        _tensor(str(name), entry, where) for name, entry in header.items() if name != "__metadata__"
    )


def read_file(path: Path) -> tuple[StoredTensor, ...]:
    """The tensors of a local file, from its header alone. Raises `SourceError`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = header_length(file.read(PREFIX), path.name)
            if length > size - PREFIX:
                raise damaged(path.name, "it ends inside its own header")
            tensors = parse_header(file.read(length), path.name)
    except OSError as error:
        raise SourceError(
            "File not readable",
            f"{path} could not be read ({error.strerror or error}).",
            "Check the path and its permissions.",
        ) from error
    if sum(tensor.bytes for tensor in tensors) > size - PREFIX - length:
        raise damaged(path.name, "it is shorter than the tensors that it lists (cut off?)")
    return tensors


def checkpoint(
    tensors: Iterable[StoredTensor], quantization: Mapping[str, object] | None
) -> Checkpoint:
    """The checkpoint that these tensors make up."""
    kept = tuple(tensors)
    elements: Counter[str] = Counter()
    for tensor in kept:
        elements[tensor.type] += prod(tensor.shape)
    counted = tuple(elements.most_common())
    return Checkpoint(
        format_label(counted, quantization),
        sum(tensor.bytes for tensor in kept),
        counted,
        kept,
    )


def format_label(
    elements: Iterable[tuple[str, int]], quantization: Mapping[str, object] | None
) -> str:
    """The checkpoint's weight format: its quantization method, else its most frequent type."""
    if quantization:
        method = quantization.get("quant_method") or quantization.get("quant_algo") or "quantized"
        return str(method)
    most = max(elements, key=lambda counted: counted[1], default=("unknown", 0))[0]
    return _PLAIN.get(most, most)


def _tensor(name: str, entry: object, where: str) -> StoredTensor:
    if not isinstance(entry, Mapping):
        raise damaged(where, f"the entry of {name[:80]!r} is not an object")
    kind = entry.get("dtype")
    shape, offsets = _counts(entry.get("shape")), _counts(entry.get("data_offsets"))
    if not isinstance(kind, str) or shape is None or offsets is None or len(offsets) != 2:
        raise damaged(where, f"the entry of {name[:80]!r} lacks its type, shape or place")
    size = offsets[1] - offsets[0]
    bits = BITS.get(kind)
    if size < 0 or (bits is not None and size * 8 != prod(shape) * bits):
        raise damaged(where, f"shape and size of {name[:80]!r} contradict each other")
    return StoredTensor(name, kind, shape, size)


def _counts(value: object) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(item) is int and item >= 0 for item in value):
        return tuple(value)
    return None
