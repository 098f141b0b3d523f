"""Where the models of records come from: directories of configs, then the presets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.models.directory import DirectorySource
from llm_lander_tui.models.model import Model


class ConfigLibrary:
    """Models by config stem ("Qwen__Qwen3-8B"), each read once, failures remembered too."""

    def __init__(self, directories: Sequence[str] = ()) -> None:
        self._directories = [Path(d).expanduser() for d in directories]
        self._found: dict[str, Model | LanderError] = {}

    def __call__(self, stem: str) -> Model:
        """The model of that stem. Raises `LanderError` when there is none that can be planned."""
        if stem not in self._found:
            try:
                self._found[stem] = self._load(stem)
            except LanderError as error:
                self._found[stem] = error
        found = self._found[stem]
        if isinstance(found, LanderError):
            raise found
        return found

    def _load(self, stem: str) -> Model:
        for directory in self._directories:
            path = directory / f"{stem}.json"
            if path.is_file():
                return DirectorySource().load(str(path))
        from llm_lander_tui.models.presets import load, names

        name = stem.replace("__", "/", 1)
        if name in names():
            return load(name)
        raise SourceError(
            "No config",
            f"No directory of configs and no preset holds {name}.",
            "Name the directory that does with --configs.",
        )
