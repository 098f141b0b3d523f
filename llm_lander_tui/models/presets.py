"""Well-known models, offline: the facts of their config.json files, read by the one parser.

`presets.jsonl` holds one model a line, `["owner/name", {config}, "2025-04"]`, with the fields that
the parser and the quantization reader use. A line is parsed only when its model is asked for. The
month is that in which the repository came to the Hub (its `createdAt`, read from the model list
that llmfit 1.1.17 carries, a tool on PyPI); it is left out where that list does not know the model,
and where the Hub only says that the repository is older than its own records (March 2022).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.profile import quantization_of
from llm_lander_tui.models.stored_head import as_published

_MONTH = re.compile(r',"(\d{4}-\d{2})"\]$')


@lru_cache(maxsize=1)
def _lines() -> dict[str, str]:
    """The line of each model, unparsed, by its name."""
    text = resources.files(__package__).joinpath("presets.jsonl").read_text("utf-8")
    return {line[2 : line.index('"', 2)]: line for line in text.splitlines() if line}


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The Hugging Face ids of all presets, sorted without regard to case."""
    return tuple(sorted(_lines(), key=str.lower))


def find(text: str) -> tuple[str, ...]:
    """The presets that `text` names, best match first, without regard to case.

    An id in full, then one by its last part, then by its beginning, then ids that hold all words
    of the text; shorter ids first among equals.
    """
    wanted = text.strip().lower()
    if not wanted:
        return names()
    words = wanted.replace("/", " ").split()
    ranked = []
    for name in names():
        lower = name.lower()
        tail = lower.rpartition("/")[2]
        if lower == wanted:
            rank = 0
        elif tail == wanted:
            rank = 1
        elif tail.startswith(wanted):
            rank = 2
        elif all(word in lower for word in words):
            rank = 3
        else:
            continue
        ranked.append((rank, len(name), name))
    return tuple(name for _, _, name in sorted(ranked))


def created(name: str) -> str:
    """The month in which the preset of that id came to the Hub, "2025-04"; "" where unknown."""
    found = _MONTH.search(_lines().get(name, ""))
    return found[1] if found else ""


def config(name: str) -> dict[str, object]:
    """The config of the preset of that id. Raises `SourceError` when there is none."""
    line = _lines().get(name)
    if line is None:
        raise SourceError(
            "No such preset",
            f"{name!r} is not among the presets.",
            "Search for a part of its name.",
        )
    values: dict[str, object] = json.loads(line)[1]
    return values


def load(name: str) -> Model:
    """The preset of that id. Raises `SourceError` when there is none."""
    values = config(name)
    architecture = as_published(parse_config(values, name), name)
    return Model(name, "preset", architecture, quantization=quantization_of(values))
