"""Bytes and tokens survive the round trip through what people read and write."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.units import (
    GIB,
    MIB,
    Units,
    ceil_div,
    format_bytes,
    format_count,
    format_tokens_short,
    round_up,
)


def read(text: str, units: Units = Units.BINARY) -> float:
    """Bytes of a size as `format_bytes` writes it."""
    figure, unit = text.rsplit(" ", 1)
    return float(figure.replace(",", "")) * next(n for n, sign in units.steps if sign == unit)


@given(st.integers(0, 10**15))
def test_format_bytes_is_read_back_within_its_precision(size):
    assert read(format_bytes(size)) == pytest.approx(size, rel=0.051)


@given(st.integers(GIB, 10**15))
def test_gib_are_read_back_within_half_a_percent(size):
    assert read(format_bytes(size)) == pytest.approx(size, rel=0.0051)


@given(st.integers(-(10**15), -1))
def test_negative_bytes_show_their_sign(size):
    assert format_bytes(size) == "-" + format_bytes(-size)


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_rounding_up(value, multiple):
    assert ceil_div(value, multiple) * multiple == round_up(value, multiple)
    assert 0 <= round_up(value, multiple) - value < multiple


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(0, "0"), (512, "512"), (8192, "8k"), (23552, "23k"), (24000, "23.4k"), (131072, "128k"),
     (33536, "32.7k"), (131000, "127k"), (1048576, "1.0M")],
)  # fmt: skip
def test_tokens_short(tokens, text):
    assert format_tokens_short(tokens) == text


@given(st.integers(0, 10**8))
def test_a_short_token_count_is_never_more_than_there_are(tokens):
    text = format_tokens_short(tokens)
    scale = {"k": 1024, "M": 1024**2}.get(text[-1], 1)
    shown = Fraction(text.rstrip("kM")) * scale
    assert shown <= tokens < shown + scale * (Fraction(1, 10) if "." in text else 1)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (8190735360, "8.19 B"),
        (671026404352, "671 B"),
        (30532122624, "30.5 B"),
        (350000000, "350 M"),
    ],
)
def test_count(count, text):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0 B", "0 B"),
        (1000, "1000 B", "1.0 kB"),
        (500 * MIB, "500 MiB", "524 MB"),
        (GIB, "1.00 GiB", "1.07 GB"),
        (24 * GIB, "24.0 GiB", "25.8 GB"),
        (-(3 * GIB) // 2, "-1.50 GiB", "-1.61 GB"),
        (2000 * GIB, "2,000 GiB", "2,147 GB"),
    ],
)
def test_sizes_in_either_units(size, binary, decimal):
    assert format_bytes(size) == binary
    assert format_bytes(size, Units.DECIMAL) == decimal


@given(st.integers(0, 10**15))
def test_decimal_sizes_are_read_back_within_their_precision(size):
    assert read(format_bytes(size, Units.DECIMAL), Units.DECIMAL) == pytest.approx(size, rel=0.051)
