"""What a person set once: kept as TOML in the user's configuration directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from llm_lander_tui.errors import SourceError
from llm_lander_tui.units import Units

APP = "llm-lander"
DARK = "lander-dark"


@dataclass(frozen=True, slots=True)
class Settings:
    """Defaults of the screen; `keys` maps ids of key bindings to other keys."""

    theme: str = DARK
    engine: str = "llama.cpp"
    margin_mib: int = 500
    units: str = Units.BINARY.value
    refresh_seconds: float = 2.0
    keys: Mapping[str, str] = field(default_factory=dict)


def settings_file() -> Path:
    """Where the settings are."""
    from platformdirs import user_config_path

    return user_config_path(APP) / "settings.toml"


def load(path: Path | None = None) -> Settings:
    """The settings; defaults for what is missing or of another type.

    Raises `SourceError` when the file cannot be read as TOML.
    """
    path = path or settings_file()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path, error) from error
    import tomllib

    try:
        return _checked(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: Exception) -> SourceError:
    return SourceError(
        "Settings not read", f"{path}: {error}.", "The defaults are used; mend or delete it."
    )


def _checked(found: Mapping[str, object]) -> Settings:
    checked: dict[str, Any] = {}
    for one in fields(Settings):
        value, usual = found.get(one.name), getattr(Settings(), one.name)
        if one.name == "keys":
            if isinstance(value, dict):
                keys = {str(k): v for k, v in value.items() if isinstance(v, str)}
                checked["keys"] = keys
        elif one.name == "units":
            if value in [units.value for units in Units]:
                checked["units"] = value
        elif isinstance(usual, float) and isinstance(value, int | float):
            checked[one.name] = max(0.2, float(value))
        elif type(value) is type(usual):
            checked[one.name] = value
    return Settings(**checked)


def save(settings: Settings, path: Path | None = None) -> None:
    """Write the settings, in one step. Raises `SourceError` when that cannot be done."""
    import json

    lines = [
        f"{one.name} = {json.dumps(getattr(settings, one.name), ensure_ascii=False)}"
        for one in fields(Settings)
        if one.name != "keys"
    ]
    if settings.keys:
        lines += ["", "[keys]"]
        lines += [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in sorted(settings.keys.items())]
    write_whole(path or settings_file(), "\n".join(lines) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that it is never half written. Raises `SourceError`."""
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        raise SourceError(
            "Not saved", f"{path} could not be written: {error.strerror}.", "Check its directory."
        ) from error
