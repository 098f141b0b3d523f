"""A model file or a placeholder that is not here, planned by what its name says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from llm_lander_tui.errors import UsageError
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.models.gguf_names import quant_label
from llm_lander_tui.models.sources import find_preset
from llm_lander_tui.planner.served import GGUF_DEFAULT

_SEPARATORS = "-._"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model to load, the weight format that its name states, and what has to be said of it.

    `otherwise` is the preset that a file or a quantised repository of the Hub goes by where the Hub
    cannot be reached.
    """

    name: str
    weights: str | None = None
    warnings: tuple[str, ...] = ()
    otherwise: NamedModel | None = None


def by_name(named: str, exists: Callable[[str], bool]) -> NamedModel:
    """The model as named where it can be read, else the preset in the format that the name states.

    `"/models/Qwen3-8B-Q4_K_M.gguf"` without such a file is the preset Qwen/Qwen3-8B in Q4_K_M,
    `"Qwen3-32B-AWQ-4bit-g128"` the preset Qwen/Qwen3-32B in AWQ; a warning says so.
    """
    gguf = named.lower().endswith(".gguf")
    if exists(named) or find_preset(named) is not None:
        return NamedModel(named)
    path = named.startswith((".", "/", "~"))
    tail = named.rstrip("/").rpartition("/")[2]
    if path and (preset := find_preset(tail)) is not None:
        said = f"{named} is not here: planned as {preset}, by its name."
        return NamedModel(preset, warnings=(said,))
    if not gguf and not path and "/" in named:
        repository, _, quant = named.partition(":")
        tail = repository.rpartition("/")[2]
        stem = re.sub("-gguf$", "", tail, flags=re.IGNORECASE)
        quant = quant or (GGUF_DEFAULT if stem != tail else "")
        why = f"{named} could not be read from the Hub"
        return NamedModel(named, otherwise=_by_stem(f"{stem}-{quant}" if quant else stem, why))
    stem = tail[: -len(".gguf")] if gguf else tail
    if gguf and not path and named.count("/") >= 2:
        # owner/name/file.gguf is a file of the Hub, whose header says more than its name.
        why = f"{named} could not be read from the Hub"
        return NamedModel(named, otherwise=_by_stem(stem, why))
    return _by_stem(stem, f"{named} is not here") or NamedModel(named)


def _by_stem(stem: str, why: str) -> NamedModel | None:
    found = _preset_and_format(stem)
    if found is None:
        return None
    preset, weights = found
    return NamedModel(preset, weights, (f"{why}: planned as {preset} in {weights}, by its name.",))


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
