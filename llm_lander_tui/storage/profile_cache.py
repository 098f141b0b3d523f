"""Profiles of models that were fetched before: one file each, shared by all running programs."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote

from llm_lander_tui.models.model import Checkpoint, StoredTensor
from llm_lander_tui.models.profile import Profile

_SCHEMA = 1
"""Raised when the content of a file changes its meaning; files of another number are misses."""
_SUFFIX = ".json.gz"
_LONGEST_NAME = 220
_LARGEST = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Cached:
    """A profile, and how many seconds ago it was fetched."""

    profile: Profile
    age_seconds: float


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A cached profile by its key, without its content."""

    key: str
    age_seconds: float


class ProfileCache:
    """Profiles in the user's cache directory, or in `directory`.

    A file is replaced in one step, so that programs running at once see an old profile or a new
    one and never half of either. A file that cannot be read is a miss. `clock` gives seconds since
    the epoch.
    """

    def __init__(
        self, directory: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._clock = clock

    @property
    def directory(self) -> Path:
        """Where the files are."""
        if self._directory is None:
            from platformdirs import user_cache_path

            self._directory = user_cache_path("llm-lander", appauthor=False) / "profiles"
        return self._directory

    def get(self, key: str) -> Cached | None:
        """The profile stored under `key`, None when there is none that can be read."""
        path = self.path(key)
        try:
            with gzip.open(path) as file:
                raw = file.read(_LARGEST + 1)
            if len(raw) > _LARGEST:
                return None
            stored = json.loads(raw)
            if stored["schema"] != _SCHEMA or stored["key"] != key:
                return None
            age = max(0.0, self._clock() - float(stored["fetched"]))
            return Cached(_profile(stored["profile"]), age)
        except (OSError, EOFError, ValueError, LookupError, TypeError, RecursionError, zlib.error):
            return None

    def put(self, key: str, profile: Profile) -> bool:
        """Store a profile under `key`; False where the directory cannot be written."""
        stored = {
            "schema": _SCHEMA,
            "key": key,
            "fetched": self._clock(),
            "profile": _facts(profile),
        }
        try:
            raw = gzip.compress(json.dumps(stored).encode(), compresslevel=3)
            self.directory.mkdir(parents=True, exist_ok=True)
            draft = self.directory / f"{os.getpid()}-{threading.get_ident()}.tmp"
            try:
                draft.write_bytes(raw)
                draft.replace(self.path(key))
            finally:
                draft.unlink(missing_ok=True)
        except (OSError, ValueError, TypeError):
            return False
        return True

    def entries(self) -> tuple[CacheEntry, ...]:
        """What is stored, the newest first."""
        found = []
        with suppress(OSError):
            for path in self.directory.glob(f"*{_SUFFIX}"):
                with suppress(OSError):
                    name = path.name.removesuffix(_SUFFIX).partition("-")[2]
                    age = max(0.0, self._clock() - path.stat().st_mtime)
                    found.append(CacheEntry(unquote(name), age))
        return tuple(sorted(found, key=lambda entry: entry.age_seconds))

    def path(self, key: str) -> Path:
        """A file name that every file system takes, whatever the key; the hash tells keys apart."""
        digest = sha256(key.encode()).hexdigest()[:16]
        return self.directory / f"{digest}-{quote(key, safe='')[:_LONGEST_NAME]}{_SUFFIX}"


def _facts(profile: Profile) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": profile.name,
        "source": profile.source,
        "config": dict(profile.config),
        "quantization": dict(profile.quantization) if profile.quantization is not None else None,
        "warnings": list(profile.warnings),
        "checkpoint": None,
    }
    stored = profile.checkpoint
    if stored is not None:
        facts["checkpoint"] = {
            "format": stored.format,
            "bytes": stored.bytes,
            "elements": [list(counted) for counted in stored.elements],
            "container": stored.container,
            "tensors": [[t.name, t.type, list(t.shape), t.bytes] for t in stored.tensors],
        }
    return facts


def _profile(facts: dict[str, object]) -> Profile:
    """The profile of stored facts; raises `ValueError`, `TypeError` or `LookupError`."""
    config, quantization = facts["config"], facts["quantization"]
    warnings = facts["warnings"]
    if not isinstance(config, dict) or not isinstance(warnings, list):
        raise TypeError("not a profile")
    if quantization is not None and not isinstance(quantization, dict):
        raise TypeError("not a profile")
    return Profile(
        str(facts["name"]),
        str(facts["source"]),
        config,
        quantization,
        _checkpoint(facts["checkpoint"]),
        tuple(str(warning) for warning in warnings),
    )


def _checkpoint(facts: object) -> Checkpoint | None:
    if facts is None:
        return None
    if not isinstance(facts, dict):
        raise TypeError("not a checkpoint")
    size = facts["bytes"]
    return Checkpoint(
        str(facts["format"]),
        None if size is None else int(size),
        tuple((str(kind), int(count)) for kind, count in facts["elements"]),
        tuple(
            StoredTensor(str(name), str(kind), tuple(int(n) for n in shape), int(length))
            for name, kind, shape, length in facts["tensors"]
        ),
        str(facts["container"]),
    )
