"""A model file or a placeholder that is not here, planned by what its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.errors import UsageError
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.models.gguf_names import quant_label
from llm_lander_tui.models.sources import find_preset

_SEPARATORS = "-._"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model to load, the weight format that its name states, and what has to be said of it."""

    name: str
    weights: str | None = None
    warnings: tuple[str, ...] = ()


def by_name(named: str, is_file: Callable[[str], bool]) -> NamedModel:
    """The model as named where it can be read, else the preset in the format that the name states.

    `"/models/Qwen3-8B-Q4_K_M.gguf"` without such a file is the preset Qwen/Qwen3-8B in Q4_K_M,
    `"Qwen3-32B-AWQ-4bit-g128"` the preset Qwen/Qwen3-32B in AWQ; a warning says so.
    """
    gguf = named.lower().endswith(".gguf")
    if is_file(named) or find_preset(named) is not None or (not gguf and "/" in named):
        return NamedModel(named)
    if gguf and named.count("/") == 2 and not named.startswith((".", "/", "~")):
        # owner/name/file.gguf is a file of the Hub, whose header says more than its name.
        return NamedModel(named)
    tail = named.rpartition("/")[2]
    stem = tail[: -len(".gguf")] if gguf else tail
    found = _preset_and_format(stem)
    if found is None:
        return NamedModel(named)
    preset, weights = found
    said = f"{named} is not a file here: planned as {preset} in {weights}, by its name."
    return NamedModel(preset, weights, (said,))


def _preset_and_format(stem: str) -> tuple[str, str] | None:
    """The preset with the longest name that begins `stem`, and the format that the rest states."""
    lower = stem.lower()
    by_tail = {name.rpartition("/")[2].lower(): name for name in presets.names()}
    for tail in sorted(by_tail, key=len, reverse=True):
        if lower.startswith(tail) and lower[len(tail) : len(tail) + 1] in set(_SEPARATORS):
            rest = stem[len(tail) + 1 :]
            for text in (rest, quant_label(f"{rest}.gguf")):
                try:
                    return by_tail[tail], recipes.get(text).name
                except UsageError:
                    continue
    return None
