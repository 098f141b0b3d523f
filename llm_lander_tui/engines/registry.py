"""The engines by name, in the order that keys step through; each is imported when it is asked."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import cast

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.errors import UsageError

HOMES = {
    "llama.cpp": ("llamacpp", "LLAMACPP"),
    "vllm": ("vllm", "VLLM"),
    "ollama": ("ollama", "OLLAMA"),
    "sglang": ("sglang", "SGLANG"),
    "transformers": ("transformers", "TRANSFORMERS"),
    "tensorrt-llm": ("tensorrt_llm", "TENSORRT_LLM"),
    "tgi": ("tgi", "TGI"),
    "lmdeploy": ("lmdeploy", "LMDEPLOY"),
    "exllamav2": ("exllama", "EXLLAMA"),
    "autogptq": ("autogptq", "AUTOGPTQ"),
    "autoawq": ("autoawq", "AUTOAWQ"),
    "pytorch": ("pytorch", "PYTORCH"),
    "fastchat": ("fastchat", "FASTCHAT"),
}
"""Module and name of each engine by its id, the most used first."""


@cache
def _engine(engine_id: str) -> Engine:
    module, name = HOMES[engine_id]
    return cast("Engine", getattr(import_module(f"llm_lander_tui.engines.{module}"), name))


def engines() -> tuple[Engine, ...]:
    """Every engine, the most used first."""
    return tuple(_engine(engine_id) for engine_id in HOMES)


def get(name: str) -> Engine:
    """The engine of that id, in any case. Raises `UsageError` for an unknown one."""
    wanted = name.lower()
    if wanted in HOMES:
        return _engine(wanted)
    near = get_close_matches(wanted, HOMES, n=3, cutoff=0.4) or list(HOMES)
    raise UsageError(
        "Unknown engine", f"No engine is called {name!r}.", f"Did you mean {', '.join(near)}?"
    )
