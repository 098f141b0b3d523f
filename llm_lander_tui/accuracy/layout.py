"""How the report writes figures and addresses in a hundred columns."""

from __future__ import annotations

WIDTH = 100
ENDLESS = "inf"


def address(source: str) -> str:
    """The address of a source without its protocol."""
    return source.removeprefix("https://").removeprefix("http://")


def percent(value: float, *, sign: bool = False) -> str:
    """A share for a person: "+0.25%", "12.7%"; an infinite one as a word."""
    if value == float(ENDLESS):
        return ENDLESS
    digits = 2 if abs(value) < 0.1 else 1
    return f"{value:{'+' if sign else ''}.{digits}%}"


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns."""
    return text if len(text) <= width else text[: width - 1] + "…"
