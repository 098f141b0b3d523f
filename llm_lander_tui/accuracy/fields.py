"""Reading a record's fields: absent, null and of the wrong kind are all the same nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LARGEST = 1e18
"""No figure of a log is larger; infinity and not-a-number fail the comparison too."""


def text(record: Mapping[str, object], name: str) -> str | None:
    """A string."""
    value = record.get(name)
    return value if isinstance(value, str) else None


def number(record: Mapping[str, object], name: str) -> float | None:
    """A finite number."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < LARGEST else None


def integer(record: Mapping[str, object], name: str) -> int | None:
    """A whole number."""
    value = number(record, name)
    return None if value is None else round(value)


def numbers(record: Mapping[str, object], name: str) -> dict[str, float]:
    """The numbers of a nested object, by name."""
    nested = record.get(name)
    if not isinstance(nested, Mapping):
        return {}
    found = {key: number(nested, key) for key in nested if isinstance(key, str)}
    return {key: value for key, value in found.items() if value is not None}


def words(record: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The strings of a list."""
    value = record.get(name)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return ()
    return tuple(word for word in value if isinstance(word, str))
