"""Number formats: how many bytes a row of weights or of cache takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from llm_lander_tui.errors import UsageError
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


GGML_TYPES: Mapping[int, Block] = MappingProxyType(
    {
        0: Block("F32", 1, 4),
        1: Block("F16", 1, 2),
        2: Block("Q4_0", 32, 18),
        3: Block("Q4_1", 32, 20),
        6: Block("Q5_0", 32, 22),
        7: Block("Q5_1", 32, 24),
        8: Block("Q8_0", 32, 34),
        9: Block("Q8_1", 32, 40),
        10: Block("Q2_K", 256, 84),
        11: Block("Q3_K", 256, 110),
        12: Block("Q4_K", 256, 144),
        13: Block("Q5_K", 256, 176),
        14: Block("Q6_K", 256, 210),
        15: Block("Q8_K", 256, 292),
        16: Block("IQ2_XXS", 256, 66),
        17: Block("IQ2_XS", 256, 74),
        18: Block("IQ3_XXS", 256, 98),
        19: Block("IQ1_S", 256, 50),
        20: Block("IQ4_NL", 32, 18),
        21: Block("IQ3_S", 256, 110),
        22: Block("IQ2_S", 256, 82),
        23: Block("IQ4_XS", 256, 136),
        24: Block("I8", 1, 1),
        25: Block("I16", 1, 2),
        26: Block("I32", 1, 4),
        27: Block("I64", 1, 8),
        28: Block("F64", 1, 8),
        29: Block("IQ1_M", 256, 56),
        30: Block("BF16", 1, 2),
        34: Block("TQ1_0", 256, 54),
        35: Block("TQ2_0", 256, 66),
        39: Block("MXFP4", 32, 17),
        40: Block("NVFP4", 64, 36),
        41: Block("Q1_0", 128, 18),
        42: Block("Q2_0", 64, 18),
    }
)
"""ggml's tensor types by their id in a GGUF file (ggml.h `enum ggml_type`, gguf-py constants)."""

GGML_TYPE_BY_NAME: Mapping[str, Block] = MappingProxyType(
    {block.name: block for block in GGML_TYPES.values()}
)
"""The same by name: "Q4_K"."""

_FILE_TYPE_NAMES = (
    "F32", "F16", "Q4_0", "Q4_1", "", "", "", "Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M",
    "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S",
    "IQ3_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ3_M", "IQ2_S", "IQ2_M", "IQ4_XS", "IQ1_M",
    "BF16", "", "", "", "TQ1_0", "TQ2_0", "MXFP4_MOE", "NVFP4", "Q1_0", "Q2_0",
)  # fmt: skip

GGUF_FILE_TYPES: Mapping[int, str] = MappingProxyType(
    {number: name for number, name in enumerate(_FILE_TYPE_NAMES) if name}
)
"""`general.file_type` of a GGUF file by name (llama.h `enum llama_ftype`)."""


def _cache_block(ggml_name: str) -> Block:
    block = GGML_TYPE_BY_NAME[ggml_name]
    return Block(ggml_name.lower(), block.size, block.bytes)


F32 = _cache_block("F32")
F16 = _cache_block("F16")
BF16 = _cache_block("BF16")
FP8 = Block("fp8", 1, 1)
INT8 = Block("int8", 1, 1)
INT4 = Block("int4", 2, 1)

KV_BLOCKS: Mapping[str, Block] = MappingProxyType(
    {
        block.name: block
        for block in (
            F32,
            F16,
            BF16,
            FP8,
            Block("fp8_e4m3", 1, 1),
            Block("fp8_e5m2", 1, 1),
            INT8,
            INT4,
            *map(_cache_block, ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL")),
            # Sixteen 4-bit elements and their FP8 scale (vLLM; memory_models B).
            Block("nvfp4", 16, 9),
        )
    }
)
"""Cache formats by the name that the command line takes."""


def _kv_block(name: str) -> Block:
    block = KV_BLOCKS.get(name.lower())
    if block is None:
        near = get_close_matches(name.lower(), KV_BLOCKS, 3) or list(KV_BLOCKS)
        raise UsageError(
            "Unknown KV format", f"There is no KV cache format {name!r}.", f"Try {', '.join(near)}."
        )
    return block


def kv_format(name: str) -> KvFormat:
    """The KV format of that name: `"q8_0"`, or keys and values apart as `"q8_0/f16"`.

    Raises `UsageError` for an unknown name.
    """
    k, _, v = name.partition("/")
    return KvFormat(name.lower(), _kv_block(k), _kv_block(v or k))
