"""GGUF metadata as a config.json, so that GGUF models go through the one parser."""

from __future__ import annotations

from collections.abc import Sequence

from llm_lander_tui.models.gguf_file import GgufHeader
from llm_lander_tui.models.profile import Profile


def gguf_profile(
    name: str,
    source: str,
    headers: Sequence[GgufHeader],
    label: str = "",
    warnings: tuple[str, ...] = (),
) -> Profile:
    """The profile of a model from the headers of its parts, the first with the metadata."""
    raise NotImplementedError
