"""A bounded forward reader over the first bytes of a GGUF file, wherever they lie."""

from __future__ import annotations

import struct
from collections.abc import Callable

from llm_lander_tui.errors import SourceError

ByteRange = Callable[[int, int], bytes]
"""The bytes from a first position to before a last one; fewer where the file ends."""


def damaged(where: str, how: str) -> SourceError:
    """The failure of a file that is not what its name says."""
    return SourceError(
        "Damaged GGUF file",
        f"{where} is not a sound GGUF file: {how}.",
        "Download it again, or choose another file.",
    )


_LARGEST_CHUNK = 8 * 1024**2


class Cursor:
    """Reads forwards in chunks that grow, never beyond `limit` bytes of the file.

    `size` is the size of the file where it is known. Skipped bytes are not fetched.
    """

    def __init__(
        self, read: ByteRange, where: str, *, limit: int, chunk: int, size: int | None = None
    ) -> None:
        self._read = read
        self._where = where
        self._limit = limit
        self._chunk = chunk
        self._size = size
        self._buffer = b""
        self._at = 0
        self._base = 0

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._base + self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises `SourceError` at the end of the file or the limit."""
        if count > len(self._buffer) - self._at:
            self._fill(count)
        start = self._at
        self._at += count
        return self._buffer[start : self._at]

    def skip(self, count: int) -> None:
        """Go on without reading `count` bytes."""
        left = len(self._buffer) - self._at
        if count <= left:
            self._at += count
            return
        self._allow(count)
        self._base, self._at, self._buffer = self.position + count, 0, b""

    def skip_strings(self, count: int, *, big: bool) -> None:
        """Go on past `count` strings, each a 64-bit length and its bytes."""
        unpack = struct.Struct(">Q" if big else "<Q").unpack_from
        buffer, at = self._buffer, self._at
        end = len(buffer)
        for _ in range(count):
            if at + 8 > end:
                self._at = min(at, end)
                self._fill(8)
                buffer, at = self._buffer, self._at
                end = len(buffer)
            at += 8 + unpack(buffer, at)[0]
            if at > end:
                self._at = end
                self.skip(at - end)
                buffer, at = self._buffer, self._at
                end = len(buffer)
        self._at = at

    def _allow(self, count: int) -> None:
        end = self.position + count
        if self._size is not None and end > self._size:
            raise damaged(self._where, "it ends inside its own header (cut off?)")
        if end > self._limit:
            raise damaged(self._where, f"its header claims more than {self._limit // 2**20} MiB")

    def _fill(self, count: int) -> None:
        self._allow(count)
        rest = self._buffer[self._at :]
        first = self._base + len(self._buffer)
        last = min(max(self.position + count, first + self._chunk), self._limit)
        if self._size is not None:
            last = min(last, self._size)
        self._base, self._at = self.position, 0
        self._buffer = rest + self._read(first, last)
        self._chunk = min(2 * self._chunk, max(self._chunk, _LARGEST_CHUNK))
        if len(self._buffer) < count:
            raise damaged(self._where, "it ends inside its own header (cut off?)")
