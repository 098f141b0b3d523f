"""Bytes and tokens as people read them; inside the program bytes are `int`."""

from __future__ import annotations

from enum import Enum

KIB = 1024
MIB = 1024**2
GIB = 1024**3


def mib(size: int) -> float:
    """MiB of `size` bytes."""
    return size / MIB


def ceil_div(numerator: int, denominator: int) -> int:
    """The quotient of two integers, rounded up."""
    return -(-numerator // denominator)


def round_up(value: int, multiple: int) -> int:
    """`value` rounded up to a multiple of `multiple`."""
    return ceil_div(value, multiple) * multiple


class Units(Enum):
    """What sizes are written in: GiB = 1024³ bytes as drivers count, or GB = 1000³ as disks do."""

    BINARY = "binary"
    DECIMAL = "decimal"

    @property
    def steps(self) -> tuple[tuple[int, str], ...]:
        """Sizes of the units and their signs, the smallest first."""
        if self is Units.BINARY:
            return (1, "B"), (KIB, "KiB"), (MIB, "MiB"), (GIB, "GiB")
        return (1, "B"), (10**3, "kB"), (10**6, "MB"), (10**9, "GB")

    @property
    def large(self) -> tuple[int, str]:
        """The largest unit, that axes and columns are in."""
        return self.steps[-1]


def format_bytes(size: int, units: Units = Units.BINARY) -> str:
    """`size` bytes for a person: `"7.5 MiB"`, `"812 MiB"`, `"1.34 GiB"`, `"23.5 GiB"`."""
    sign, size = ("-", -size) if size < 0 else ("", size)
    unit, suffix = max((step for step in units.steps if step[0] <= size), default=units.steps[0])
    if unit == 1:
        return f"{sign}{size} B"
    value = size / unit
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 or unit < units.large[0] else 2
    return f"{sign}{value:,.{digits}f} {suffix}"


def format_tokens(tokens: int) -> str:
    """A token count for a person: `"23,552"`."""
    return f"{tokens:,}"


def format_tokens_short(tokens: int) -> str:
    """A token count in few columns: `"512"`, `"23.5k"`, `"128k"`, `"1.0M"` (k = 1024).

    Rounded towards zero: a context that is asked for as it is written here is never beyond it.
    """
    if abs(tokens) < KIB:
        return str(tokens)
    if abs(tokens) < 1000 * KIB:
        tenths = abs(tokens) * 10 // KIB
        text = f"{tenths / 10:.1f}k" if tenths < 1000 and tokens % KIB else f"{tenths // 10}k"
    else:
        text = f"{abs(tokens) * 10 // MIB / 10:.1f}M"
    return f"-{text}" if tokens < 0 else text


def format_count(count: int) -> str:
    """A parameter count for a person: `"8.19 B"`, `"671 B"`, `"350 M"`."""
    for scale, suffix in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= scale:
            value = count / scale
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{digits}f} {suffix}"
    return str(count)
