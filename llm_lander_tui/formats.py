"""Number formats: how many bytes a row of weights or of cache takes."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.units import ceil_div


@dataclass(frozen=True, slots=True)
class Block:
    """A block format: `size` elements of a row in `bytes` bytes (ggml types, plain types)."""

    name: str
    size: int
    bytes: int

    def row_bytes(self, elements: int) -> int:
        """Bytes of a row of `elements`, the last block filled up."""
        return ceil_div(elements, self.size) * self.bytes

    @property
    def bits(self) -> float:
        """Bits per element."""
        return 8 * self.bytes / self.size


@dataclass(frozen=True, slots=True)
class KvFormat:
    """The number formats of cached keys and values; most engines take one for both."""

    name: str
    k: Block
    v: Block


F32 = Block("f32", 1, 4)
F16 = Block("f16", 1, 2)
BF16 = Block("bf16", 1, 2)
FP8 = Block("fp8", 1, 1)
INT8 = Block("int8", 1, 1)
INT4 = Block("int4", 2, 1)
Q8_0 = Block("q8_0", 32, 34)
Q5_1 = Block("q5_1", 32, 24)
Q5_0 = Block("q5_0", 32, 22)
Q4_1 = Block("q4_1", 32, 20)
Q4_0 = Block("q4_0", 32, 18)
IQ4_NL = Block("iq4_nl", 32, 18)

KV_BLOCKS = {
    block.name: block
    for block in (F32, F16, BF16, FP8, INT8, INT4, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0, IQ4_NL)
} | {"fp8_e4m3": Block("fp8_e4m3", 1, 1), "fp8_e5m2": Block("fp8_e5m2", 1, 1)}


def kv_format(name: str) -> KvFormat:
    """The KV format of that name: `"q8_0"`, or keys and values apart as `"q8_0/f16"`.

    Raises `KeyError` for an unknown name.
    """
    k, _, v = name.partition("/")
    return KvFormat(name, KV_BLOCKS[k], KV_BLOCKS[v or k])
