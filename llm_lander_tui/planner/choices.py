"""What each knob can be turned to, for a model and an engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Engine, Option
from llm_lander_tui.errors import UsageError
from llm_lander_tui.formats import KvFormat, kv_format
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model

T = TypeVar("T")


@lru_cache(maxsize=256)
def weight_formats(model: Model, engine: Engine) -> tuple[Recipe, ...]:
    """The weight formats that the engine runs the model in, the most faithful first."""
    found = [r for r in recipes.offered(model) if engine.runs(r, model) and not _notional(r)]
    return tuple(sorted(found, key=lambda r: -r.bits))


def _notional(recipe: Recipe) -> bool:
    """Whether it is a size per parameter to compare with, and no format that weights come in."""
    return recipe.family == "plain" and recipe.bits < 16


@lru_cache(maxsize=64)
def kv_formats(engine: Engine) -> tuple[KvFormat, ...]:
    """The KV formats of the engine, its default first."""
    return tuple(kv_format(name) for name in engine.kv_formats)


def kv_named(name: str, engine: str | None) -> KvFormat:
    """An engine's KV format by its name, any engine's without one. Raises `UsageError`."""
    asked = registry.engines() if engine is None else (registry.get(engine),)
    offered = {kv.name.lower(): kv for one in asked for kv in kv_formats(one)}
    if name.lower() in offered:
        return offered[name.lower()]
    raise UsageError(
        "Unknown KV format",
        f"{engine or 'No engine'} has {'no' if engine else 'a'} KV cache format {name!r}.",
        f"{'It has' if engine else 'There are'} {', '.join(kv.name for kv in offered.values())}.",
    )


def kv_columns(engine: Engine, current: KvFormat) -> tuple[KvFormat, ...]:
    """The KV formats worth a column: the engine's first of 16, of 8 and of 4 bits, the current one.

    Scales and zero points count: q4_0 takes 4.5 bits, q4_1 takes 5 and is no 4-bit format here.
    """
    shown: dict[int, KvFormat] = {}
    for kv in kv_formats(engine):
        nominal = int(kv_bits(kv))
        if nominal in {16, 8, 4}:
            shown.setdefault(nominal, kv)
    columns = [kv for kv in shown.values() if kv_bits(kv) != kv_bits(current)]
    return tuple(sorted([current, *columns], key=kv_bits, reverse=True))


def kv_steps(engine: Engine, current: KvFormat) -> tuple[KvFormat, ...]:
    """The KV formats that a key steps through: one of each size up to 16 bits, largest first."""
    by_bits: dict[float, KvFormat] = {kv_bits(current): current}
    for kv in kv_formats(engine):
        if kv_bits(kv) <= 16:
            by_bits.setdefault(kv_bits(kv), kv)
    return tuple(by_bits[bits] for bits in sorted(by_bits, reverse=True))


def kv_bits(kv: KvFormat) -> float:
    """Bits per cached element, keys and values averaged."""
    return (kv.k.bits + kv.v.bits) / 2


def nearest_weights(model: Model, engine: Engine, bits: float) -> Recipe | None:
    """The engine's format nearest in bits to `bits`; None when it runs the model in none."""
    formats = weight_formats(model, engine)
    return min(formats, key=lambda r: abs(r.bits - bits), default=None)


def nearest_kv(engine: Engine, kv: KvFormat) -> KvFormat:
    """The engine's own KV format for `kv`: the same one, else the nearest in bits."""
    formats = kv_formats(engine)
    same = [f for f in formats if f.name == kv.name]
    return same[0] if same else min(formats, key=lambda f: abs(kv_bits(f) - kv_bits(kv)))


def step(values: Sequence[T], current: T, by: int) -> T:
    """The value `by` places after `current`, around the end; the first if it is not there."""
    if current not in values:
        return values[0]
    return values[(values.index(current) + by) % len(values)]


def takes_away(option: Option) -> bool:
    """Whether the option is on until its flag ("--no-mmap") is given."""
    return option.flag.startswith("--no-")


def effect(option: Option, value: object) -> str:
    """What holds with a value of an option."""
    return option.otherwise if value is False and option.otherwise else option.description


def value_word(option: Option, value: object) -> str:
    """A value of an option in a word; whether the flag is given where it takes something away."""
    if isinstance(value, bool):
        if takes_away(option):
            return "absent" if value else "given"
        return "on" if value else "off"
    return "auto" if value is None else str(value)
