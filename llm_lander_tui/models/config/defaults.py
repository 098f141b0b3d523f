"""What the model classes assume when a config leaves a field out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, object]]:
    text = resources.files(__package__).joinpath("class_defaults.json").read_text("utf-8")
    table: dict[str, dict[str, object]] = json.loads(text)
    return table


def class_defaults(model_type: str) -> Mapping[str, object]:
    """The fields that the class of this model type fills in, by the program's names for them.

    Source: the configuration classes of transformers 5.23, and of the models' own code on the Hub
    for types that the library does not have.
    """
    return _table().get(model_type, {})
