"""Where models can be found by a few letters: presets, the cache, files, Ollama and the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_lander_tui.errors import LanderError

MOST_FILES = 200
QUANTISED = "quantised"
"""The source of hits that are another's model in fewer bits."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A model that can be asked for: the name to resolve, its source, and a word about it.

    `local` hits are read without a network.
    """

    name: str
    source: str
    note: str = ""
    local: bool = False


def presets(text: str) -> Iterator[Hit]:
    """Presets whose names hold the text, the best match first."""
    from llm_lander_tui.models import presets as shelf

    for name in shelf.find(text):
        yield Hit(name, "preset", local=True)


def cached(text: str) -> Iterator[Hit]:
    """Models that were fetched before, the newest first."""
    from llm_lander_tui.models.sources import age_text
    from llm_lander_tui.storage.profile_cache import ProfileCache

    words = text.lower().split()
    for entry in ProfileCache().entries():
        name = entry.key.partition("@")[0]
        if all(word in name.lower() for word in words):
            note = f"fetched {age_text(entry.age_seconds)} ago"
            yield Hit(name, "cache", note, local=True)


def files(text: str) -> Iterator[Hit]:
    """GGUF files and model directories at the path that is being typed."""
    if not text.startswith(("/", "./", "../", "~")):
        return
    path = Path(text).expanduser()
    folder, start = (path, "") if text.endswith("/") else (path.parent, path.name.lower())
    try:
        found = sorted(folder.iterdir())[:MOST_FILES]
    except OSError:
        return
    for entry in found:
        if entry.name.startswith(".") or not entry.name.lower().startswith(start):
            continue
        if entry.suffix.lower() == ".gguf":
            yield Hit(str(entry), "GGUF file", local=True)
        elif entry.is_dir():
            holds = (entry / "config.json").is_file()
            yield Hit(
                str(entry) + ("" if holds else "/"), "directory" if holds else "folder", local=holds
            )


def typed(text: str) -> Iterator[Hit]:
    """What was typed, taken as a name."""
    text = text.strip()
    if text.lower().startswith("ollama:") and len(text) > len("ollama:"):
        yield Hit(text, "Ollama", "ask the server")
    elif text.count("/") == 1 and not text.startswith(("/", ".", "~")) and not text.endswith("/"):
        yield Hit(text, "Hub", "fetch by name")


def ollama() -> tuple[Hit, ...]:
    """The models of the local Ollama server; none when it does not run."""
    from llm_lander_tui.models.ollama import OllamaSource

    try:
        listed = OllamaSource().models()
    except LanderError:
        return ()
    return tuple(
        Hit(f"ollama:{m.name}", "Ollama", f"{m.parameters} {m.quantization}".strip())
        for m in listed
    )


def hub(text: str) -> tuple[Hit, ...]:
    """Models of the Hub whose names hold the text, most downloaded first. Raises `SourceError`."""
    from llm_lander_tui.models.hub import HubSource

    return tuple(
        Hit(hit.id, "Hub", f"{hit.downloads:,} downloads {hit.quant}".strip())
        for hit in HubSource().search(text, limit=20)
    )


def sisters(name: str) -> tuple[Hit, ...]:
    """Repositories that were quantised from the model `owner/name`. Raises `SourceError`."""
    from llm_lander_tui.models.hub import HubSource

    return tuple(
        Hit(hit.id, QUANTISED, f"{hit.downloads:,} downloads {hit.quant}".strip())
        for hit in HubSource().quantised_sisters(name, limit=20)
    )


def distinct(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Each name once, the first of its hits."""
    found: dict[str, Hit] = {}
    for hit in hits:
        found.setdefault(hit.name.lower(), hit)
    return tuple(found.values())
