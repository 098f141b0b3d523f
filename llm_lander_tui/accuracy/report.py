"""The error of predictions as tables: by engine, quantity, model family and version."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from statistics import median

from llm_lander_tui.accuracy.records import Comparison, Skipped

WIDTH = 100
_LABEL = 36
_ENDLESS = "inf"


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


def text_report(outcomes: Sequence[Outcome]) -> str:
    """The tables and what was left out, at most 100 columns wide."""
    found = points(outcomes)
    parts = [_counts(outcomes, found)]
    groups: tuple[tuple[str, Callable[[Point], str]], ...] = (
        ("engine and quantity", lambda p: f"{p.outcome.engine}: {p.comparison.quantity}"),
        ("quantity", lambda p: p.comparison.quantity),
        ("model family", lambda p: p.outcome.family),
        ("version", lambda p: f"{p.outcome.engine} {release(p.outcome.version)}"),
    )
    parts += [_table(title, found, key) for title, key in groups if found]
    skipped = _skipped(outcomes)
    if skipped:
        parts.append(skipped)
    return "\n\n".join(parts)


def json_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """One JSON object per record and quantity, or per skipped record."""
    for o in outcomes:
        if isinstance(o.result, Skipped):
            yield json.dumps({"id": o.id, "skipped": o.result.reason})
            continue
        for c in o.result:
            yield json.dumps(
                {
                    "id": o.id,
                    "engine": o.engine,
                    "model": o.model,
                    "quantity": c.quantity,
                    "measured": c.measured,
                    "predicted": c.predicted,
                    "error": None if c.error == float(_ENDLESS) else c.error,
                    "source": o.source,
                }
            )


def release(version: str) -> str:
    """The part of a version that groups runs: "0.11" of "0.11.2", "b5xxx" of "b5466"."""
    build = re.search(r"\bb(\d)(\d{3})\b", version)
    if build:
        return f"b{build[1]}xxx"
    number = re.search(r"\d+\.\d+", version)
    return number[0] if number else "not stated"


def _counts(outcomes: Sequence[Outcome], found: Sequence[Point]) -> str:
    asked = [o for o in outcomes if o.asked]
    left = sum(isinstance(o.result, Skipped) for o in asked)
    sources = len({o.source for o in asked})
    silent = len(outcomes) - len(asked)
    return (
        f"{len(asked):,} records of {sources:,} sources: {len(asked) - left:,} predicted "
        f"({_share(len(asked) - left, len(asked))}), {left:,} left out"
        f"{f'; {silent:,} more without a quantity to predict' if silent else ''}.\n"
        f"{len(found):,} comparisons. error = predicted / measured - 1; by source, each source "
        "counts once."
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _table(title: str, found: Sequence[Point], key: Callable[[Point], str]) -> str:
    blank = "".ljust(_LABEL)
    lines = [
        f"{blank}{'by record':^32}{'by source':^22}".rstrip(),
        f"{('by ' + title).ljust(_LABEL)}{'n':>6}{'signed':>9}{'median':>9}{'p90':>8}"
        f"{'n':>6}{'median':>9}{'p90':>8}",
    ]
    for name, group in groupby(sorted(found, key=key), key=key):
        s = summary(list(group))
        lines.append(
            f"{_cut(name, _LABEL - 1).ljust(_LABEL)}{s.records:>6}"
            f"{_percent(s.signed, sign=True):>9}"
            f"{_percent(s.middle):>9}{_percent(s.p90):>8}{s.sources:>6}"
            f"{_percent(s.source_middle):>9}{_percent(s.source_p90):>8}"
        )
        lines.append(_worst(s.worst))
    return "\n".join(lines)


def _worst(point: Point) -> str:
    o = point.outcome
    text = f"  worst {_percent(point.error, sign=True)} {o.id}"
    return _cut(text if o.source == o.engine else f"{text} {_address(o.source)}", WIDTH)


def _address(source: str) -> str:
    return source.removeprefix("https://").removeprefix("http://")


def _percent(value: float, *, sign: bool = False) -> str:
    if value == float(_ENDLESS):
        return _ENDLESS
    digits = 2 if abs(value) < 0.1 else 1
    return f"{value:{'+' if sign else ''}.{digits}%}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _skipped(outcomes: Sequence[Outcome]) -> str:
    reasons: defaultdict[str, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        if o.asked and isinstance(o.result, Skipped):
            reasons[o.result.reason].append(o)
    if not reasons:
        return ""
    lines = ["left out"]
    for reason, members in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        engines = Counter(o.engine for o in members)
        who = ", ".join(f"{name} {n}" for name, n in engines.most_common(3))
        lines.append(_cut(f"{len(members):>6}  {reason} ({who}; {members[0].id})", WIDTH))
    return "\n".join(lines)
