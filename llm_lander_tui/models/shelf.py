"""Where models can be found by a few letters: presets, the cache, files, Ollama and the Hub."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_lander_tui.errors import LanderError
from llm_lander_tui.models.hub_search import HubHit, quant_of
from llm_lander_tui.units import format_bytes

MOST_FILES = 200
GGUF = "GGUF"
QUANTISED = "quantised"
"""The source of hits that are another's model in fewer bits."""
OLLAMA = "Ollama"
GGUF_OF_HUB = "Hub GGUF"
"""The source of hits that are one GGUF model among those of a repository."""

_OF_REPO = re.compile(r"([^/\s:]+/[^/\s:]+):(.*)")


@dataclass(frozen=True, slots=True)
class Hit:
    """A model that can be asked for: the name to resolve, its source, and a word about it.

    `local` hits are read without a network and without a server. `created` is the month in which a
    model came to the Hub ("2025-04"), `quant` the weight format that its name or tags state, `base`
    what it was quantised from, `files` the quantizations of its GGUF files, `bytes` the size of a
    file; each "" or 0 where it is not known.
    """

    name: str
    source: str
    note: str = ""
    local: bool = False
    created: str = ""
    quant: str = ""
    base: str = ""
    files: tuple[str, ...] = ()
    bytes: int = 0

    @property
    def elsewhere(self) -> bool:
        """Whether a server has to be asked what it is."""
        return self.source in {"Hub", QUANTISED, GGUF_OF_HUB, OLLAMA}

    @property
    def holds_files(self) -> bool:
        """Whether it is a repository of which one GGUF file has to be chosen."""
        return self.quant == GGUF and self.source in {"Hub", QUANTISED}

    @property
    def repo(self) -> str:
        """The name without the file: all files of a repository are the same model."""
        of = _OF_REPO.fullmatch(self.name)
        if self.source == GGUF_OF_HUB:
            return of[1] if of else "/".join(self.name.split("/")[:2])
        return self.name


def presets(text: str) -> Iterator[Hit]:
    """Presets whose names hold the text, the best match first."""
    from llm_lander_tui.models import presets as shelf

    for name in shelf.find(text):
        yield Hit(name, "preset", local=True, created=shelf.created(name))


def cached(text: str) -> Iterator[Hit]:
    """Models that were fetched before from the server that is asked now, the newest first."""
    from llm_lander_tui.models.sources import age_text
    from llm_lander_tui.storage.profile_cache import ProfileCache

    words = text.lower().split()
    for entry in ProfileCache().entries():
        name = entry.key.removeprefix(f"{os.environ.get('HF_ENDPOINT', '').rstrip('/')}/")
        if "://" not in name and all(word in name.lower() for word in words):
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
        yield Hit(text, OLLAMA, "ask the server")
    elif (
        gguf_repo(text) is None
        and text.count("/") == 1
        and not text.startswith(("/", ".", "~"))
        and not text.endswith("/")
    ):
        yield Hit(text, "Hub", "fetch by name", quant=quant_of(text, ()))


def hub_name(text: str) -> bool:
    """Whether a text can be `owner/name`."""
    return text.count("/") == 1 and not text.startswith(("/", ".", "~")) and not text.endswith("/")


def ollama() -> tuple[Hit, ...]:
    """The models of the local Ollama server; none when it does not run."""
    from llm_lander_tui.models.ollama import OllamaSource

    try:
        listed = OllamaSource().models()
    except LanderError:
        return ()
    return tuple(
        Hit(f"ollama:{m.name}", OLLAMA, f"{m.parameters} {m.quantization}".strip(), bytes=m.bytes)
        for m in listed
    )


def gguf_repo(text: str) -> tuple[str, str] | None:
    """`owner/name` and what follows in `owner/name:rest`; None where something else is typed."""
    match = _OF_REPO.fullmatch(text.strip())
    named = match is not None and not text.strip().startswith((".", "~"))
    return (match[1], match[2]) if match is not None and named else None


def gguf_files(repo: str, cancel: threading.Event | None = None) -> tuple[Hit, ...]:
    """The GGUF models of a repository, smallest first. Raises `SourceError`."""
    from llm_lander_tui.models.hub import HubSource

    found = HubSource(cancel=cancel).gguf_repo(repo)
    hits = []
    named: set[str] = set()
    for choice in found.choices:
        label = choice.label if choice.label not in named else ""
        named.add(label)
        missing = choice.parts - len(choice.files)
        note = f"{missing} of {choice.parts} parts missing" if missing else choice.name
        hits.append(
            Hit(
                f"{repo}:{label}" if label else f"{repo}/{choice.name}",
                GGUF_OF_HUB,
                f"{format_bytes(choice.bytes)} · {note}",
                quant=GGUF,
                base=found.base,
                files=(choice.label,),
                bytes=choice.bytes,
            )
        )
    return tuple(hits)


def hub(text: str, cancel: threading.Event | None = None) -> tuple[Hit, ...]:
    """Models of the Hub whose names hold the text, most downloaded first. Raises `SourceError`."""
    from llm_lander_tui.models.hub import HubSource

    return tuple(_of_hub(hit, "Hub") for hit in HubSource(cancel=cancel).search(text, limit=20))


def sisters(name: str, cancel: threading.Event | None = None) -> tuple[Hit, ...]:
    """Repositories that were quantised from the model `owner/name`. Raises `SourceError`."""
    from llm_lander_tui.models.hub import HubSource

    found = HubSource(cancel=cancel).quantised_sisters(name, limit=20)
    return tuple(_of_hub(hit, QUANTISED) for hit in found)


def _of_hub(hit: HubHit, source: str) -> Hit:
    words = (f"{hit.downloads:,} downloads", hit.quant, "gated" if hit.gated else "")
    return Hit(
        hit.id,
        source,
        " · ".join(word for word in words if word),
        created=hit.created[:7],
        quant=hit.quant,
        base=hit.base,
        files=hit.files,
    )


def distinct(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Each name once, the first of its hits."""
    found: dict[str, Hit] = {}
    for hit in hits:
        found.setdefault(hit.name.lower(), hit)
    return tuple(found.values())
