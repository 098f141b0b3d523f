"""The last minutes of each card's utilisation, as a line of braille."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from llm_lander_tui.gpus.fleet import key

if TYPE_CHECKING:
    from llm_lander_tui.gpus.gpu import Gpu

LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
"""Dots of a braille cell's left and right column, filled from below to height 0 … 4."""


class History:
    """Utilisation by card; a point is the greatest of `readings_per_point` readings.

    A line that moves on at every reading would be sent over the wire at every reading: points are
    gathered first.
    """

    def __init__(self, points: int = 96, readings_per_point: int = 5) -> None:
        self._points = points
        self._per_point = readings_per_point
        self._values: dict[str, deque[int]] = {}
        self._gathered: dict[str, int] = {}
        self._count = 0

    def add(self, gpus: Iterable[Gpu]) -> None:
        """Take a reading in."""
        for gpu in gpus:
            percent = gpu.utilisation_percent or 0
            name = key(gpu)
            self._gathered[name] = max(percent, self._gathered.get(name, 0))
        self._count += 1
        if self._count % self._per_point == 0:
            for name, percent in self._gathered.items():
                self._values.setdefault(name, deque(maxlen=self._points)).append(percent)
            self._gathered.clear()

    def line(self, gpu: Gpu, width: int) -> str:
        """`width` cells, two points a cell, the latest at the right."""
        values = list(self._values.get(key(gpu), ()))[-2 * width :]
        heights = [0] * (2 * width - len(values)) + [min(4, -(-v * 4 // 100)) for v in values]
        pairs = zip(heights[::2], heights[1::2], strict=True)
        return "".join(chr(0x2800 + LEFT[a] + RIGHT[b]) if a or b else " " for a, b in pairs)
