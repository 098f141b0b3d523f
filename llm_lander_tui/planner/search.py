"""The inverse: the largest argument for which a monotone question still answers yes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

CONTEXT_SEARCH = 1 << 20
"""Tokens that the search reaches at least, whatever the model's own limit."""
CONCURRENCY_SEARCH = 1 << 16
"""Sequences that the search reaches."""


def largest(fits: Callable[[int], bool], upper: int) -> int | None:
    """The largest n in 0 … `upper` with `fits(n)`, None when not even 0 fits.

    `fits` must be monotone: once False, False for every larger n.
    """
    first_false = bisect_left(range(upper + 1), True, key=lambda n: not fits(n))
    return first_false - 1 if first_false else None
