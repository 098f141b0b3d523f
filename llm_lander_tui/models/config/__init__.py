"""The one parser of Hugging Face config.json files."""

from __future__ import annotations

from collections.abc import Mapping

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.config.build import build
from llm_lander_tui.models.config.defaults import class_defaults
from llm_lander_tui.models.config.families import FAMILIES
from llm_lander_tui.models.config.fields import Fields, refuse
from llm_lander_tui.models.config.nesting import language_model
from llm_lander_tui.models.config.reading import Reading
from llm_lander_tui.models.config.refusals import refusal
from llm_lander_tui.models.config.unknown import by_shape


def parse_config(config: Mapping[str, object], name: str = "") -> Architecture:
    """The architecture that a config.json describes.

    `name` is the model's, for messages. Raises `RefusedModel` with a sentence saying what the
    model is, when it is not a decoder that can be planned.
    """
    if not isinstance(config, Mapping):
        raise refuse(f"the config of {name or 'the model'} is not a JSON object.")
    reason = refusal(config, name)
    if reason is not None:
        raise reason
    found = language_model(config)
    family, note = FAMILIES.get(found.model_type), found.note
    if family is None:
        family, note = by_shape(found.values, found.model_type)
    fields = Fields(found.values, class_defaults(found.model_type))
    reading = Reading(found.model_type, fields, family, config, nested=found.nested)
    if note:
        reading.notes.append(note)
    return build(reading)
