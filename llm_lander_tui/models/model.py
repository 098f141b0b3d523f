"""A model that was asked for: its architecture, and what is known of its stored weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_lander_tui.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor as a file header lists it: name, storage type ("Q4_K", "BF16"), shape, bytes.

    `shape` is in memory order of the framework, rows first; `bytes` is the data alone.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is stored for a model, from headers and not from the weights.

    `format` is the name of the weight format it is in (see `formats`), `elements` the stored
    elements by data type ({"BF16": 8190735360}), `tensors` every tensor where headers were read.
    `bytes` is the tensor data in all, None when only counts are known. `container` is the kind of
    file, "gguf" or "safetensors".
    """

    format: str
    bytes: int | None = None
    elements: tuple[tuple[str, int], ...] = ()
    tensors: tuple[StoredTensor, ...] = ()
    container: str = "safetensors"


@dataclass(frozen=True, eq=False)
class Model:
    """A model by name. Compared by identity, like its architecture.

    `name` is what engines are started with: a Hub id, a preset's id, or the path of a local model.
    `source` says where it came from: "preset", "hub", "cache", "directory", "gguf", "ollama",
    "manual". `quantization` is the checkpoint's own quantization_config (empty: none), from which
    `formats` reads a recipe. `age_seconds` is how old a cached profile is.
    """

    name: str
    source: str
    architecture: Architecture
    checkpoint: Checkpoint | None = None
    quantization: Mapping[str, object] | None = None
    age_seconds: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name for a person: of a local model without the way to it."""
        if self.source in {"directory", "gguf"}:
            return self.name.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or self.name
        return self.name
