"""The error of predictions as tables: by engine, quantity, model family and version."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from llm_lander_tui.accuracy.exceptions import exceptions
from llm_lander_tui.accuracy.layout import ENDLESS, WIDTH, address, cut, percent
from llm_lander_tui.accuracy.outcomes import Outcome, Point, points, summary
from llm_lander_tui.accuracy.records import Skipped

_LABEL = 36
_NAMED = 5
"""Records that a reason for leaving them out is followed by."""


def text_report(outcomes: Sequence[Outcome], *, repeated: int = 0) -> str:
    """The tables and what was left out, at most 100 columns wide.

    `repeated` records were the same as others, and are not among them.
    """
    found = points(outcomes)
    parts = [_counts(outcomes, found, repeated)]
    groups: tuple[tuple[str, Callable[[Point], str]], ...] = (
        ("engine and quantity", lambda p: f"{p.outcome.engine}: {p.comparison.quantity}"),
        ("quantity", lambda p: p.comparison.quantity),
        ("model family", lambda p: p.outcome.family),
        ("version", lambda p: f"{p.outcome.engine} {release(p.outcome.version)}"),
    )
    parts += [_table(title, found, key) for title, key in groups if found]
    beyond = exceptions(found)
    if beyond:
        parts.append(beyond)
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
                    "error": None if c.error == float(ENDLESS) else c.error,
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


def _counts(outcomes: Sequence[Outcome], found: Sequence[Point], repeated: int) -> str:
    asked = [o for o in outcomes if o.asked]
    left = sum(isinstance(o.result, Skipped) for o in asked)
    sources = len({o.source for o in asked})
    silent = len(outcomes) - len(asked)
    again = f"\n{repeated:,} records stand there twice and are counted once." if repeated else ""
    return (
        f"{len(asked):,} records of {sources:,} sources: {len(asked) - left:,} predicted "
        f"({_share(len(asked) - left, len(asked))}), {left:,} left out"
        f"{f'; {silent:,} more without a quantity to predict' if silent else ''}.\n"
        f"{len(found):,} comparisons. error = predicted / measured - 1; by source, each source "
        f"counts once.{again}"
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
            f"{cut(name, _LABEL - 1).ljust(_LABEL)}{s.records:>6}"
            f"{percent(s.signed, sign=True):>9}"
            f"{percent(s.middle):>9}{percent(s.p90):>8}{s.sources:>6}"
            f"{percent(s.source_middle):>9}{percent(s.source_p90):>8}"
        )
        lines.append(_worst(s.worst))
    return "\n".join(lines)


def _worst(point: Point) -> str:
    o = point.outcome
    text = f"  worst {percent(point.error, sign=True)} {o.id}"
    return cut(text if o.source == o.engine else f"{text} {address(o.source)}", WIDTH)


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
        named = ", ".join(o.id for o in members[:_NAMED])
        more = ", …" if len(members) > _NAMED else ""
        lines += textwrap.wrap(
            f"{len(members):>6}  {reason} ({who}: {named}{more})",
            WIDTH,
            subsequent_indent=" " * 8,
        )
    return "\n".join(lines)
