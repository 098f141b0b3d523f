"""The table of families: one line for what a model type is made of."""

from __future__ import annotations

from llm_lander_tui.models.config.families_attention import ATTENTION
from llm_lander_tui.models.config.families_early import EARLY
from llm_lander_tui.models.config.families_hybrid import HYBRID
from llm_lander_tui.models.config.family import Family

FAMILIES: dict[str, Family] = ATTENTION | HYBRID | EARLY
"""Families by the model type of the language model."""
