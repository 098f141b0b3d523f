"""Which layers of a long stack the allocator has to see."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

LONGEST_PERIOD = 12
"""Layers of the longest pattern that is looked for."""
SETTLING = 4
"""Layers after which allocations repeat, where the pattern is shorter than half of that."""


def essential(kinds: Sequence[Hashable]) -> Iterator[int]:
    """Positions to keep of a stack of layers of these kinds, in order.

    The largest even number of repetitions of a pattern is left out of the middle: even, because the
    residual stream may change places with its sum in every layer or in every pattern.
    """
    count = len(kinds)
    first, dropped = _repetitions(kinds)
    return (i for i in range(count) if not first <= i < first + dropped)


def _repetitions(kinds: Sequence[Hashable]) -> tuple[int, int]:
    """Where the layers to leave out begin, and how many they are."""
    count = len(kinds)
    best = (count, 0)
    for period in range(1, min(LONGEST_PERIOD, count) + 1):
        start = count - period
        while start and kinds[start - 1] == kinds[start - 1 + period]:
            start -= 1
        step = 2 * period
        settled = start + max(SETTLING, step)
        # The last layer stays, since it ends the graph.
        dropped = max(0, (count - 1 - settled) // step * step)
        if dropped > best[1]:
            best = (settled, dropped)
    return best
