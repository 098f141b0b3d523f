"""The quantisation methods of Hugging Face checkpoints as storages, by their parameters."""

from __future__ import annotations

from llm_lander_tui.formats import GGML_TYPE_BY_NAME
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.memory.storage import FlatStorage, ScaledStorage
from llm_lander_tui.memory.weights import BlockStorage, Storage


def gptq(bits: int, group: int) -> ScaledStorage:
    """GPTQ: FP16 scales and packed zero points by group (-1: by column), int32 g_idx."""
    columns = max(0, group)
    return ScaledStorage(f"gptq{bits}", bits, 2, 1, columns, zero_bits=bits, per_column=4)


def awq(bits: int, group: int) -> ScaledStorage:
    """AWQ: FP16 scales and packed zero points by group."""
    columns = max(0, group)
    return ScaledStorage(f"awq{bits}", bits, 2, 1, columns, zero_bits=bits)


def packed_int(bits: int, group: int, *, symmetric: bool = True, ordered: bool = False) -> Storage:
    """compressed-tensors pack-quantized: 16-bit scales by group, the shape as two int64.

    `ordered` adds the int32 group index of activation ordering.
    """
    return ScaledStorage(
        f"int{bits}", bits, 2, 1, max(group, 0), 0 if symmetric else bits,
        per_column=4 if ordered else 0, per_matrix=16,
    )  # fmt: skip


FP8_TENSOR = ScaledStorage("fp8", 8, 4, per_matrix=4)
"""One FP32 weight scale and one input scale a matrix."""
FP8_CHANNEL = ScaledStorage("fp8", 8, 4, block_rows=1)
"""One FP32 scale per output channel; activations are scaled at run time."""
INT8_CHANNEL = ScaledStorage("int8", 8, 4, block_rows=1)
"""W8A8 and LLM.int8: one FP32 scale per output channel."""
NVFP4 = ScaledStorage("nvfp4", 4, 1, 1, 16, per_matrix=8)
"""An FP8 scale for 16 values, FP32 global and input scales a matrix."""
MXFP4 = BlockStorage(GGML_TYPE_BY_NAME["MXFP4"])
"""An E8M0 scale for 32 values."""
BITNET = ScaledStorage("bitnet", 2, 2)
"""Four ternary values a byte, one scale a matrix."""
MXFP8 = ScaledStorage("mxfp8", 8, 1, 1, 32)
"""An E8M0 scale for 32 FP8 values."""
NF4 = FlatStorage("nf4")
NF4_NESTED = FlatStorage("nf4", nested=True)
FP4 = FlatStorage("fp4")
FP4_NESTED = FlatStorage("fp4", nested=True)


def fp8_block(rows: int = 128, columns: int = 128) -> ScaledStorage:
    """FP8 with an FP32 scale a block (DeepSeek-V3)."""
    return ScaledStorage("fp8", 8, 4, rows, columns)


def hqq(bits: int, group: int) -> ScaledStorage:
    """HQQ: FP16 scale and zero point by group."""
    return ScaledStorage(f"hqq{bits}", bits, 4, 1, max(0, group))


def exl2(bits: float) -> ScaledStorage:
    """EXL2: `bits` a weight on average, scales included."""
    return ScaledStorage("exl2", bits)


def exl3(bits: float) -> ScaledStorage:
    """EXL3: a trellis of `bits` a weight, FP16 sign-and-scale vectors along both sides."""
    return ScaledStorage("exl3", bits, per_column=2, per_row=2)


def uniform(name: str, family: str, bits: float, storage: Storage) -> LinearRecipe:
    """All linear layers of decoder layers in one storage, the head at 16 bits."""
    return LinearRecipe(name, family, bits, storage, storage)
