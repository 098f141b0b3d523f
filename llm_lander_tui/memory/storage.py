"""How quantised matrices are laid out in memory: packed values, scales, zero points."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from llm_lander_tui.units import ceil_div


@dataclass(frozen=True, slots=True)
class ScaledStorage:
    """Packed values of `bits` bits, one scale for each block of `block_rows` x `block_columns`.

    A block size of 0 spans the whole matrix in that direction: (1, 0) is a scale per output
    channel, (0, 0) one per tensor. `zero_bits` are packed per block into 32-bit words along the
    output features (GPTQ, AWQ); `per_column`, `per_row` and `per_matrix` are further bytes per
    input feature (g_idx), per output feature and per matrix (global scales).
    Layouts: memory_models A.2.
    """

    name: str
    bits: float
    scale_bytes: int = 0
    block_rows: int = 0
    block_columns: int = 0
    zero_bits: int = 0
    per_column: int = 0
    per_row: int = 0
    per_matrix: int = 0

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """Bytes of `rows` x `columns` elements, with scales and zero points."""
        tall = ceil_div(rows, self.block_rows) if self.block_rows else 1
        wide = ceil_div(columns, self.block_columns) if self.block_columns else 1
        return (
            ceil(rows * columns * self.bits / 8)
            + tall * wide * self.scale_bytes
            + self.zero_point_bytes(rows, columns)
            + columns * self.per_column
            + rows * self.per_row
            + self.per_matrix
        )

    def zero_point_bytes(self, rows: int, columns: int) -> int:
        """Bytes of the zero points of `rows` x `columns` elements, packed into 32-bit words."""
        wide = ceil_div(columns, self.block_columns) if self.block_columns else 1
        return wide * 4 * ceil_div(rows * self.zero_bits, 32)


@dataclass(frozen=True, slots=True)
class FlatStorage:
    """4-bit values of a flattened matrix in blocks with one absmax each (bitsandbytes).

    With `nested` the absmax values are 8-bit themselves, in blocks of 256 that share a FP32 one,
    beside their offset and the two code tables (Dettmers et al., QLoRA, 2023).
    """

    name: str
    block: int = 64
    nested: bool = False

    def matrix_bytes(self, rows: int, columns: int) -> int:
        """Bytes of `rows` x `columns` elements, with absmax values and code tables."""
        elements = rows * columns
        blocks = ceil_div(elements, self.block)
        code_table = 16 * 4
        if not self.nested:
            return ceil_div(elements, 2) + 4 * blocks + code_table
        nested_table = 256 * 4
        return (
            ceil_div(elements, 2) + blocks + 4 * ceil_div(blocks, 256) + 4 + code_table
            + nested_table
        )  # fmt: skip
