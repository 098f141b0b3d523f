"""Where the models of records come from: directories of configs, then the presets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from llm_lander_tui.accuracy.fields import text
from llm_lander_tui.accuracy.records import Record
from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.models.directory import DirectorySource
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.stored_head import as_configured, as_published


class ConfigLibrary:
    """Models by config stem ("Qwen__Qwen3-8B"), each read once, failures remembered too.

    They are what the config alone tells, as the golden answers are made of them; `published` adds
    what the repository of a measured run stores besides.
    """

    def __init__(self, directories: Sequence[str] = ()) -> None:
        self._directories = [_directory(d) for d in directories]
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
        if Path(stem).name != stem:
            raise SourceError("No config", f"{stem!r} is no name of a config.")
        for directory in self._directories:
            path = directory / f"{stem}.json"
            if path.is_file():
                return DirectorySource().load(str(path))
        from llm_lander_tui.models.presets import load, names

        name = hub_id(stem)
        if name in names():
            preset = load(name)
            return replace(preset, architecture=as_configured(preset.architecture))
        raise SourceError(
            "No config",
            f"No directory of configs and no preset holds {name}.",
            "Name the directory that does with --configs.",
        )


def _directory(name: str) -> Path:
    found = Path(name).expanduser()
    if not found.is_dir():
        raise SourceError(
            "No such directory",
            f"{name} is no directory of configs.",
            "It holds a file OWNER__NAME.json for each model.",
        )
    return found


def hub_id(stem: str) -> str:
    """The Hub id that a config stem stands for."""
    return stem.replace("__", "/", 1)


def published(record: Record, model: Model) -> Model:
    """The model of a measured run, with what is known of the repository that it was made from."""
    named = text(record, "hf_repo") or text(record, "model") or ""
    if "/" not in named:
        exact = text(record, "config_match") == "exact"
        named = hub_id(text(record, "config") or "") if exact else ""
    return _published(model, named)


def own_config(record: Record, model: Model) -> Model:
    """The preset of the record's own repository where another's config stands in for it.

    Repositories with the same tensors may differ in the length that they are trained for.
    """
    if text(record, "config_match") == "exact":
        return model
    from llm_lander_tui.models.presets import load, names

    named = text(record, "hf_repo") or text(record, "model") or ""
    return load(named) if named in names() else model


@lru_cache(maxsize=256)
def _published(model: Model, name: str) -> Model:
    found = as_published(model.architecture, name)
    return model if found is model.architecture else replace(model, architecture=found)
