"""What became of the records, and the statistics of their errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from llm_lander_tui.accuracy.records import Comparison, Skipped


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record: comparisons, or the reason why there are none."""

    id: str
    engine: str
    version: str
    model: str
    family: str
    source: str
    asked: bool
    """Whether the record has a quantity that its launch options tell."""
    result: tuple[Comparison, ...] | Skipped
    golden: bool = False
    """An answer of the engine's own planner or allocator, not a figure of a log."""


@dataclass(frozen=True, slots=True)
class Point:
    """One comparison with the record that it belongs to."""

    outcome: Outcome
    comparison: Comparison

    @property
    def error(self) -> float:
        return self.comparison.error


@dataclass(frozen=True, slots=True)
class Summary:
    """The errors of a group: signed median, median and 90th percentile of the absolute ones.

    The second pair counts every source once, with the median of its own absolute errors, so that
    one sweep does not outweigh the rest.
    """

    records: int
    signed: float
    middle: float
    p90: float
    sources: int
    source_middle: float
    source_p90: float
    worst: Point


def points(outcomes: Sequence[Outcome]) -> list[Point]:
    """Every comparison of every record."""
    return [Point(o, c) for o in outcomes if not isinstance(o.result, Skipped) for c in o.result]


def summary(group: Sequence[Point]) -> Summary:
    """The errors of a group that is not empty."""
    size = sorted(abs(p.error) for p in group)
    by_source: defaultdict[str, list[float]] = defaultdict(list)
    for p in group:
        by_source[p.outcome.source].append(abs(p.error))
    sources = sorted(median(errors) for errors in by_source.values())
    return Summary(
        len(group),
        median(p.error for p in group),
        median(size),
        percentile(size, 90),
        len(sources),
        median(sources),
        percentile(sources, 90),
        max(group, key=lambda p: abs(p.error)),
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of values in ascending order."""
    return ordered[ceil(len(ordered) * percent / 100) - 1]
