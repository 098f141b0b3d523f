"""The facts that a model comes in with, as fetched: cached as they are, made into a `Model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.crosscheck import disagreement
from llm_lander_tui.models.model import Checkpoint, Model
from llm_lander_tui.models.stored_head import with_stored_head


@dataclass(frozen=True, eq=False)
class Profile:
    """A model's config.json (or the same derived from GGUF metadata) and its stored weights.

    `quantization` is the checkpoint's own quantization_config, wherever it was stated.
    """

    name: str
    source: str
    config: Mapping[str, object]
    quantization: Mapping[str, object] | None = None
    checkpoint: Checkpoint | None = None
    warnings: tuple[str, ...] = ()

    def model(self, age_seconds: float | None = None, *more_warnings: str) -> Model:
        """The model, its architecture parsed and held against what is stored.

        Raises `RefusedModel`.
        """
        architecture = with_stored_head(parse_config(self.config, self.name), self.checkpoint)
        checked = (
            disagreement(self.checkpoint, architecture, self.quantization)
            if self.checkpoint is not None
            else ()
        )
        return Model(
            self.name,
            self.source,
            architecture,
            self.checkpoint,
            self.quantization,
            age_seconds,
            (*self.warnings, *checked, *more_warnings),
        )


def quantization_of(config: Mapping[str, object]) -> Mapping[str, object] | None:
    """The quantization_config of a config.json, at the top or in its text model.

    The number format of experts that DeepSeek-V4 states beside it comes with it.
    """
    places = [config, *(config.get(key) for key in ("text_config", "llm_config"))]
    for place in places:
        if isinstance(place, Mapping):
            for key in ("quantization_config", "compression_config", "quantization"):
                found = place.get(key)
                if isinstance(found, Mapping) and found:
                    experts = place.get("expert_dtype")
                    return {**found, "expert_dtype": experts} if experts else found
    return None


def modelopt_quantization(found: object) -> Mapping[str, object] | None:
    """The quantization_config that an hf_quant_config.json amounts to."""
    if not isinstance(found, Mapping):
        return None
    stated = found.get("quantization")
    if not isinstance(stated, Mapping) or not stated.get("quant_algo"):
        return None
    return {"quant_method": "modelopt", **stated}
