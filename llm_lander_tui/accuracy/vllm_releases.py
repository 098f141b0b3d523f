"""Which release of vLLM a log is of, where it says so only by its date."""

from __future__ import annotations

from bisect import bisect_right

_SINCE = (
    ("2023-06-20", "0.1"), ("2023-09-28", "0.2"), ("2024-01-31", "0.3"), ("2024-03-30", "0.4"),
    ("2024-06-11", "0.5"), ("2024-09-04", "0.6"), ("2025-01-27", "0.7"), ("2025-03-19", "0.8"),
    ("2025-05-27", "0.9"), ("2025-07-24", "0.10"), ("2025-10-02", "0.11"), ("2025-12-03", "0.12"),
    ("2025-12-18", "0.13"), ("2026-01-20", "0.14"), ("2026-01-29", "0.15"), ("2026-02-13", "0.16"),
    ("2026-03-07", "0.17"), ("2026-03-20", "0.18"), ("2026-04-03", "0.19"), ("2026-04-27", "0.20"),
    ("2026-05-15", "0.21"), ("2026-06-01", "0.22"), ("2026-06-15", "0.23"), ("2026-07-05", "0.24"),
    ("2026-07-20", "0.25"), ("2026-08-01", "0.26"), ("2026-08-10", "0.27"), ("2026-08-28", "0.28"),
    ("2026-09-10", "0.29"), ("2026-09-20", "0.30"), ("2026-10-03", "0.31"), ("2026-10-20", "0.32"),
    ("2026-11-05", "0.33"),
)  # fmt: skip
"""First days of the releases: as published to 0.20, then within two weeks, by the logs' own dates
and those of the pull requests that they hold."""

_MONTH = len("2025-10")


def release_of(date: str | None) -> str | None:
    """The release that was current on a date ("2025-10-31", "2025-10"); None where none is told."""
    if date is None or len(date) < _MONTH:
        return None
    position = bisect_right(_SINCE, (date, "~"))
    return _SINCE[position - 1][1] if position else None
