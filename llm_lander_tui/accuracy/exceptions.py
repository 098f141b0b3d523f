"""Every figure that lies beyond what is promised of its quantity, with what is known of the run."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence

from llm_lander_tui.accuracy.layout import WIDTH, address, percent
from llm_lander_tui.accuracy.outcomes import Point
from llm_lander_tui.units import format_bytes

PROMISED = {
    "weights_per_gpu": 0.03,
    "kv_bytes_per_token": 0.005,
    "kv_buffers": 0.005,
    "state_buffers": 0.005,
    "kv_capacity_tokens": 0.15,
    "available_kv": 0.15,
    "max_model_len": 0.15,
    "compute_buffers": 0.20,
    "model_buffers": 0.02,
    "file_size": 0.02,
    "process_total": 0.08,
    "activation_peak": 0.15,
    "cudagraph": 0.15,
}
"""What nine of ten figures of logs are promised to stay within; of working memory, which the
capacity follows from, what is promised of that."""
EXACT = {"compute_buffers": 0.01, "model_buffers": 0.001, "file_size": 0.001}
"""The same for answers of an engine's own allocator; of all other quantities they are to be equal
to one block, which is the rounding of a whole number."""
_OTHERWISE = 0.15
_ROUNDED = 0.25
"""Share of an error from which the rounding of the log is named as a part of it."""
_INDENT = " " * 10


def bound(point: Point) -> float:
    """The error that is promised of a figure."""
    quantity = point.comparison.quantity
    if point.outcome.golden:
        return EXACT.get(quantity, 0.0)
    return PROMISED.get(quantity, _OTHERWISE)


def exceptions(found: Sequence[Point]) -> str:
    """The figures beyond their bound by quantity, the farthest first; "" without any."""
    groups: defaultdict[tuple[str, float], list[Point]] = defaultdict(list)
    totals: defaultdict[tuple[str, float], int] = defaultdict(int)
    for point in found:
        key = point.comparison.quantity, bound(point)
        totals[key] += 1
        if _beyond(point):
            groups[key].append(point)
    if not groups:
        return ""
    lines = ["beyond what is promised (error, record: measured, predicted; source; what is known)"]
    for (quantity, promised), points in sorted(groups.items()):
        count = f"{len(points)} of {totals[quantity, promised]}"
        lines.append(f"  {quantity}, more than {percent(promised)}: {count}")
        for point in sorted(points, key=lambda p: -abs(p.error)):
            lines += _described(point)
    return "\n".join(lines)


def _beyond(point: Point) -> bool:
    c = point.comparison
    if point.outcome.golden and c.quantity not in EXACT:
        return abs(c.predicted - c.measured) > 1
    return abs(c.error) > bound(point)


def _described(point: Point) -> list[str]:
    o, c = point.outcome, point.comparison
    head = (
        f"  {percent(point.error, sign=True):>7} {o.id}: {_run(point)}, {o.model}: "
        f"{figure(c.quantity, c.measured)}, predicted {figure(c.quantity, c.predicted)}"
    )
    known = "; ".join((*_of_the_figure(point), *c.doubts)) or "no reason known"
    more = ([] if o.source == o.engine else [address(o.source)]) + [known]
    return [
        *_wrapped(head, ""),
        *(line for text in more for line in _wrapped(text, _INDENT)),
    ]


def _run(point: Point) -> str:
    """The engine with its version, once where the version names it too."""
    o = point.outcome
    return o.version if o.engine in o.version else f"{o.engine} {o.version}".rstrip()


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()) if first else text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=_INDENT,
        max_lines=3,
        placeholder=" …",
    )


def _of_the_figure(point: Point) -> list[str]:
    """What the figure itself tells: the spread that the plan states, and how coarse the log is."""
    error, found = abs(point.error), []
    if point.comparison.spread:
        within = "within" if error <= point.comparison.spread else "beyond"
        found.append(f"{within} the ±{percent(point.comparison.spread)} that the plan states")
    if point.comparison.rounding >= _ROUNDED * error:
        found.append(f"the log rounds it to ±{percent(point.comparison.rounding)}")
    return found


def figure(quantity: str, value: float) -> str:
    """A figure in the unit of its quantity."""
    if quantity in {"kv_capacity_tokens", "capacity_tokens", "estimated_max_model_len"}:
        return f"{value:,.0f} tokens"
    if quantity == "num_blocks":
        return f"{value:,.0f} blocks"
    if quantity == "kv_bytes_per_token":
        return f"{value:,.0f} B"
    return format_bytes(round(value))
