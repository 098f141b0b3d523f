"""The fields of a quantization_config, read with the reason when they cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llm_lander_tui.errors import SourceError
from llm_lander_tui.memory.module_names import NO_MODULES, Modules, modules

Values = Mapping[str, object]


def unreadable(why: str) -> SourceError:
    """The failure of a config that no recipe can be read from."""
    return SourceError(
        "Unknown quantisation",
        f"The checkpoint's own weight format cannot be counted: {why}.",
        "Choose another weight format, or plan from the files' headers.",
    )


def integer(values: Values, *names: str, default: int | None = None) -> int:
    """The first of these fields that is a number. Raises `SourceError` when none is."""
    for name in names:
        found = values.get(name)
        if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < 2**31:
            return int(found)
    if default is None:
        raise unreadable(f"it states no {names[0]}")
    return default


def flag(values: Values, *names: str) -> bool:
    """Whether one of these fields is true."""
    return any(values.get(name) is True for name in names)


def listed(values: Values, *names: str) -> Modules:
    """The modules that the first of these fields lists."""
    for name in names:
        found = values.get(name)
        if isinstance(found, Iterable) and not isinstance(found, str | Mapping):
            return modules(str(entry) for entry in found)
    return NO_MODULES


def mapping(values: Values, name: str) -> Values:
    """A field that is an object; empty when it is not there."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def group_label(group: int) -> str:
    """A group size in a format's name; -1 is a whole column."""
    return f"g{group}" if group > 0 else "g-1"


def width(values: Values, *names: str, default: int | None = None) -> int:
    """Bits of a weight, from the first of these fields. Raises `SourceError` unless 1 to 16."""
    bits = integer(values, *names, default=default)
    if not 1 <= bits <= 16:
        raise unreadable(f"{bits} bits a weight make no sense")
    return bits


def block_shape(values: Values, name: str) -> tuple[int, int] | None:
    """A field with the rows and columns that share a scale; None when it is no such pair."""
    stated = values.get(name)
    if not isinstance(stated, list | tuple) or len(stated) != 2:
        return None
    pair = [n for n in stated if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    return (pair[0], pair[1]) if len(pair) == 2 else None
