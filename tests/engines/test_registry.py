"""The engines by name."""

from __future__ import annotations

import pytest

from llm_lander_tui.engines import registry
from llm_lander_tui.errors import UsageError


def test_every_engine_is_found_by_its_own_id_in_any_case():
    assert [engine.id for engine in registry.engines()] == list(registry.HOMES)
    for engine in registry.engines():
        assert registry.get(engine.id.upper()) is engine


def test_an_unknown_engine_names_those_that_are_near():
    with pytest.raises(UsageError, match=r"No engine is called 'vlm'.*vllm"):
        registry.get("vlm")
