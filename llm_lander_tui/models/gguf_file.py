"""Headers of GGUF files (versions 2 and 3): metadata and tensor list, none of the weights.

Written to the published layout: magic, version, counts, key-value pairs, tensor infos; every
length in the file is checked before it is believed, so that a hostile file costs neither memory
nor time.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from llm_lander_tui.errors import SourceError
from llm_lander_tui.formats import GGML_TYPES
from llm_lander_tui.models.gguf_cursor import ByteRange, Cursor, damaged
from llm_lander_tui.models.model import StoredTensor
from llm_lander_tui.units import ceil_div, round_up

MAGIC = b"GGUF"
LOCAL_LIMIT = 256 * 1024**2
"""No header in use is near this many bytes (vocabularies of 256k tokens take 12 MB)."""

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_MOST_KEYS = 1 << 16
_MOST_TENSORS = 1 << 17
_MOST_STRINGS = 1 << 22
_LONGEST_KEY = 1 << 16
_LONGEST_TEXT = 1 << 16
"""Longer strings (chat templates, embedded tokenizers) are passed over."""
_LONGEST_ARRAY = 1 << 12
"""Longer arrays (vocabularies) are passed over; per-layer arrays are far shorter."""
_MOST_DIMENSIONS = 4
_MOST_ELEMENTS = 1 << 48


@dataclass(frozen=True, slots=True)
class Skipped:
    """A value that was passed over: a long string or array, of which only the length is kept."""

    length: int


@dataclass(frozen=True, eq=False)
class GgufHeader:
    """The header of one file. Arrays of the metadata are tuples.

    `header_bytes` is where the tensor data begin; `tensor_bytes` is the tensor data alone, and
    `file_bytes` what a whole file of this header has at least.
    """

    version: int
    metadata: Mapping[str, object]
    tensors: tuple[StoredTensor, ...]
    header_bytes: int
    tensor_bytes: int
    file_bytes: int


def read_file(path: Path) -> GgufHeader:
    """The header of a local file. Raises `SourceError`."""
    try:
        size = path.stat().st_size
        with path.open("rb", buffering=0) as file:

            def read(first: int, last: int) -> bytes:
                file.seek(first)
                return file.read(last - first)

            header = read_header(read, path.name, size=size, chunk=1 << 18)
    except OSError as error:
        raise SourceError(
            "File not readable",
            f"{path} could not be read ({error.strerror or error}).",
            "Check the path and its permissions.",
        ) from error
    if header.tensors and size < header.file_bytes:
        raise damaged(
            path.name,
            f"it has {size:,} of the {header.file_bytes:,} bytes that it lists (cut off?)",
        )
    return header


def read_header(
    read: ByteRange,
    where: str,
    *,
    size: int | None = None,
    limit: int = LOCAL_LIMIT,
    chunk: int = 1 << 20,
) -> GgufHeader:
    """The header of a file that `read` gives byte ranges of, in requests of at least `chunk` bytes.

    `where` names the file in failures, `size` is its size if known, `limit` the bytes that the
    header may take. Raises `SourceError`.
    """
    cursor = Cursor(read, where, limit=limit, chunk=chunk, size=size)
    return _Parser(cursor, where).header()


class _Parser:
    def __init__(self, cursor: Cursor, where: str) -> None:
        self._cursor = cursor
        self._where = where
        self._big = False
        self._strings = 0

    def header(self) -> GgufHeader:
        if self._cursor.take(4) != MAGIC:
            raise damaged(self._where, "it does not begin with the letters GGUF")
        raw = self._cursor.take(4)
        version = int.from_bytes(raw, "little")
        if version & 0xFFFF == 0:
            self._big, version = True, int.from_bytes(raw, "big")
        if version not in {2, 3}:
            raise damaged(self._where, f"its version {version} is none that is read here (2 or 3)")
        tensors, keys = self._number("Q"), self._number("Q")
        if tensors > _MOST_TENSORS or keys > _MOST_KEYS:
            raise damaged(self._where, f"it claims {tensors:,} tensors and {keys:,} keys")
        metadata = self._metadata(keys)
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            raise damaged(self._where, f"its alignment {alignment!r} is no power of two")
        found, data_bytes = self._tensors(tensors, alignment)
        begin = round_up(self._cursor.position, alignment)
        return GgufHeader(
            version, metadata, found, begin, sum(t.bytes for t in found), begin + data_bytes
        )

    def _metadata(self, count: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for _ in range(count):
            key = self._text(_LONGEST_KEY, "a key")
            if key in found:
                raise damaged(self._where, f"it names the key {key[:80]!r} twice")
            found[key] = self._value(self._number("I"))
        return found

    def _value(self, kind: int) -> object:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        return self._number(self._code(kind))

    def _array(self) -> object:
        kind, count = self._number("I"), self._number("Q")
        if kind == _ARRAY:
            raise damaged(self._where, "it nests an array in an array")
        if kind == _STRING:
            self._strings += count
            if self._strings > _MOST_STRINGS:
                raise damaged(self._where, f"it claims {self._strings:,} strings")
            if count > _LONGEST_ARRAY:
                self._cursor.skip_strings(count, big=self._big)
                return Skipped(count)
            return tuple(self._string() for _ in range(count))
        code = self._code(kind)
        width = struct.calcsize(f"={code}")
        if count > _LONGEST_ARRAY:
            self._cursor.skip(count * width)
            return Skipped(count)
        order = ">" if self._big else "<"
        return struct.unpack(f"{order}{count}{code}", self._cursor.take(count * width))

    def _tensors(self, count: int, alignment: int) -> tuple[tuple[StoredTensor, ...], int]:
        """The tensors, and the end of the last one's data."""
        found: dict[str, StoredTensor] = {}
        end = 0
        for _ in range(count):
            name = self._text(_LONGEST_KEY, "a tensor name")
            if name in found:
                raise damaged(self._where, f"it lists the tensor {name[:80]!r} twice")
            dimensions = self._number("I")
            if not 1 <= dimensions <= _MOST_DIMENSIONS:
                raise damaged(self._where, f"{name[:80]!r} has {dimensions} dimensions")
            shape = tuple(self._number("Q") for _ in range(dimensions))
            kind, offset = self._number("I"), self._number("Q")
            tensor = self._tensor(name, shape, kind)
            if offset % alignment or offset > _MOST_ELEMENTS:
                raise damaged(self._where, f"the data of {name[:80]!r} lie at a wrong place")
            end = max(end, offset + tensor.bytes)
            found[name] = tensor
        return tuple(found.values()), end

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int) -> StoredTensor:
        block = GGML_TYPES.get(kind)
        if block is None:
            raise damaged(self._where, f"{name[:80]!r} is of the unknown type {kind}")
        if min(shape) < 1 or prod(shape) > _MOST_ELEMENTS:
            raise damaged(self._where, f"{name[:80]!r} has the impossible shape {shape}")
        if shape[0] % block.size:
            raise damaged(self._where, f"a row of {name[:80]!r} is no whole number of blocks")
        size = ceil_div(shape[0], block.size) * block.bytes * prod(shape[1:])
        return StoredTensor(name, block.name.upper(), tuple(reversed(shape)), size)

    def _string(self) -> str | Skipped:
        length = self._number("Q")
        if length > _LONGEST_TEXT:
            self._cursor.skip(length)
            return Skipped(length)
        return self._cursor.take(length).decode("utf-8", "replace")

    def _text(self, longest: int, what: str) -> str:
        length = self._number("Q")
        if length > longest:
            raise damaged(self._where, f"{what} claims {length:,} bytes")
        return self._cursor.take(length).decode("utf-8", "replace")

    def _code(self, kind: int) -> str:
        code = _SCALARS.get(kind)
        if code is None:
            raise damaged(self._where, f"it holds a value of the unknown type {kind}")
        return code

    def _number(self, code: str) -> int:
        raw = self._cursor.take(struct.calcsize(f"={code}"))
        (value,) = struct.unpack(f"{'>' if self._big else '<'}{code}", raw)
        number: int = value
        return number
