"""One text that names a model, wherever it comes from."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llm_lander_tui.errors import UsageError
from llm_lander_tui.models.background import Progress, no_progress
from llm_lander_tui.models.model import Model

if TYPE_CHECKING:
    from llm_lander_tui.models.hub import HubSource
    from llm_lander_tui.storage.profile_cache import ProfileCache

FRESH_SECONDS = 7 * 24 * 3600
"""A cached profile younger than this is used without asking the Hub."""

_OLLAMA = "ollama:"
_HUB = re.compile(r"(?:hub|hf):|https?://", re.IGNORECASE)
_PATH = re.compile(r"\.{0,2}[/\\]|~|[A-Za-z]:[/\\]")


def resolve(
    text: str,
    *,
    refresh: bool = False,
    progress: Progress = no_progress,
    cancel: threading.Event | None = None,
    cache: ProfileCache | None = None,
    hub: HubSource | None = None,
) -> Model:
    """The model that `text` names.

    The first of these that fits decides:

    1. `ollama:NAME`: a model of the Ollama server at OLLAMA_HOST.
    2. `hub:owner/name` or a page of the Hub: the Hub, even where a preset has that name.
    3. A path (begins with `/`, `./`, `../`, `~` or a drive, ends with `/` or `.json`, or with
       `.gguf` where the file exists or `owner/name/` is not before it): a GGUF file, a config.json,
       or a directory that holds one of them.
    4. A preset by its full name, or by the part after the owner where only one preset has it;
       upper and lower case are alike.
    5. A directory of that relative name that holds a config.json.
    6. The Hub: `owner/name`, `owner/name:Q4_K_M`, `owner/name/file.gguf`, `owner/name@revision`.

    The Hub stands behind a cache: a profile younger than a week is used as it is (its age is told),
    an older one only when the Hub cannot be reached, with a warning. `refresh` asks the Hub for
    what is cached or a preset. Raises `UsageError`, `SourceError` or `RefusedModel`.
    """
    text = text.strip()
    if not text:
        raise UsageError("No model", "The name of the model is empty.", "Give a name or a path.")
    if text.lower().startswith(_OLLAMA):
        from llm_lander_tui.models.ollama import OllamaSource

        return OllamaSource(cancel=cancel).load(text[len(_OLLAMA) :])
    forced = _HUB.match(text) is not None
    if not forced and is_path(text):
        return local(text)
    preset = None if forced else find_preset(text)
    if preset is not None and not refresh:
        from llm_lander_tui.models import presets

        return presets.load(preset)
    if preset is None and not forced and (Path(text) / "config.json").is_file():
        return local(text)
    from llm_lander_tui.models.hub import HubSource
    from llm_lander_tui.storage.profile_cache import ProfileCache

    name = re.sub(r"^(?:hub|hf):", "", preset or text, flags=re.IGNORECASE)
    source = hub or HubSource(progress=progress, cancel=cancel, near=near_presets(name))
    return cached_load(name, source, cache or ProfileCache(), refresh=refresh)


def cached_load(name: str, hub: HubSource, cache: ProfileCache, *, refresh: bool = False) -> Model:
    """A model of the Hub, by its cached profile where that is fresh or the Hub is out of reach."""
    from llm_lander_tui.models.hub_errors import HubUnreachable
    from llm_lander_tui.models.hub_ref import parse_ref

    key = hub.key(parse_ref(name))
    cached = cache.get(key)
    if cached is not None and not refresh and cached.age_seconds < FRESH_SECONDS:
        return _from_cache(cached.profile.model, cached.age_seconds)
    try:
        profile = hub.profile(name)
    except HubUnreachable as error:
        if cached is None:
            raise
        warning = (
            f"{error.title}: planned on the profile that was fetched {age_text(cached.age_seconds)}"
            " ago."
        )
        return _from_cache(cached.profile.model, cached.age_seconds, warning)
    model = profile.model()
    cache.put(key, profile)
    return model


def local(text: str) -> Model:
    """The model at a path: a .gguf file, a config.json, or a directory that holds one of them."""
    path = Path(text).expanduser()
    if path.suffix.lower() == ".gguf":
        from llm_lander_tui.models.gguf_model import GgufSource

        return GgufSource().load(str(path))
    from llm_lander_tui.models.directory import DirectorySource

    return DirectorySource().load(str(path))


def is_path(text: str) -> bool:
    """Whether `text` is meant as a path rather than as a name."""
    lower = text.lower()
    if _PATH.match(text) or lower.endswith((".json", "/", "\\")):
        return True
    # A GGUF file of the Hub has an owner and a name before it.
    return lower.endswith(".gguf") and (text.count("/") < 2 or Path(text).is_file())


def find_preset(text: str) -> str | None:
    """The preset of that name, or of that name without its owner when it is the only one."""
    from llm_lander_tui.models import presets

    wanted = text.lower()
    names = presets.names()
    for name in names:
        if name.lower() == wanted:
            return name
    tails = [name for name in names if name.rpartition("/")[2].lower() == wanted]
    return tails[0] if len(tails) == 1 else None


def near_presets(text: str) -> tuple[str, ...]:
    """Up to three presets whose names are near `text`, owner left aside."""
    from difflib import get_close_matches

    from llm_lander_tui.models import presets

    by_tail = {name.rpartition("/")[2].lower(): name for name in presets.names()}
    tail = text.rpartition("/")[2].partition(":")[0].lower()
    return tuple(by_tail[match] for match in get_close_matches(tail, by_tail, n=3, cutoff=0.6))


def age_text(seconds: float) -> str:
    """An age for a person: `"3 hours"`, `"12 days"`."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _from_cache(make: Callable[..., Model], age: float, *warnings: str) -> Model:
    return replace(make(age, *warnings), source="cache")
