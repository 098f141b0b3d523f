"""The one parser of Hugging Face config.json files."""

from __future__ import annotations

from collections.abc import Mapping

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.config.build import build
from llm_lander_tui.models.config.defaults import class_defaults
from llm_lander_tui.models.config.families import FAMILIES
from llm_lander_tui.models.config.fields import Fields, refuse
from llm_lander_tui.models.config.reading import Reading

_NESTED = ("text_config", "llm_config", "language_config")
_INHERITED = ("tie_word_embeddings", "dtype", "torch_dtype", "quantization_config")
_TEXT_TYPES = {
    "gemma3": "gemma3_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
}


def parse_config(config: Mapping[str, object], name: str = "") -> Architecture:
    """The architecture that a config.json describes.

    `name` is the model's, for messages. Raises `RefusedModel` with a sentence saying what the
    model is, when it is not a decoder that can be planned.
    """
    if not isinstance(config, Mapping):
        raise refuse(f"the config of {name or 'the model'} is not a JSON object.")
    values, model_type = _language_model(config)
    family = FAMILIES.get(model_type)
    if family is None:
        raise refuse(f"the model type {model_type!r} is not known.")
    fields = Fields(values, class_defaults(model_type))
    return build(Reading(model_type, fields, family, config))


def _language_model(config: Mapping[str, object]) -> tuple[Mapping[str, object], str]:
    """The language model's part of the config, and its model type."""
    outer_type = config.get("model_type")
    model_type = outer_type if isinstance(outer_type, str) else ""
    for key in _NESTED:
        nested = config.get(key)
        if isinstance(nested, Mapping):
            inner_type = nested.get("model_type")
            inherited = {k: config[k] for k in _INHERITED if k in config and k not in nested}
            found = inner_type if isinstance(inner_type, str) else model_type
            return {**nested, **inherited}, _TEXT_TYPES.get(found, found)
    return config, _TEXT_TYPES.get(model_type, model_type)
