"""The engines by name, in the order that keys step through."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

from llm_lander_tui.engines.base import Engine
from llm_lander_tui.errors import UsageError


@cache
def engines() -> tuple[Engine, ...]:
    """Every engine, the most used first."""
    from llm_lander_tui.engines.autoawq import AUTOAWQ
    from llm_lander_tui.engines.autogptq import AUTOGPTQ
    from llm_lander_tui.engines.exllama import EXLLAMA
    from llm_lander_tui.engines.fastchat import FASTCHAT
    from llm_lander_tui.engines.llamacpp import LLAMACPP
    from llm_lander_tui.engines.lmdeploy import LMDEPLOY
    from llm_lander_tui.engines.ollama import OLLAMA
    from llm_lander_tui.engines.pytorch import PYTORCH
    from llm_lander_tui.engines.sglang import SGLANG
    from llm_lander_tui.engines.tensorrt_llm import TENSORRT_LLM
    from llm_lander_tui.engines.tgi import TGI
    from llm_lander_tui.engines.transformers import TRANSFORMERS
    from llm_lander_tui.engines.vllm import VLLM

    return (
        LLAMACPP,
        VLLM,
        OLLAMA,
        SGLANG,
        TRANSFORMERS,
        TENSORRT_LLM,
        TGI,
        LMDEPLOY,
        EXLLAMA,
        AUTOGPTQ,
        AUTOAWQ,
        PYTORCH,
        FASTCHAT,
    )


def get(name: str) -> Engine:
    """The engine of that id, in any case. Raises `UsageError` for an unknown one."""
    wanted = name.lower()
    by_id = {engine.id.lower(): engine for engine in engines()}
    if wanted in by_id:
        return by_id[wanted]
    near = get_close_matches(wanted, by_id, n=3, cutoff=0.4) or list(by_id)
    raise UsageError(
        "Unknown engine", f"No engine is called {name!r}.", f"Did you mean {', '.join(near)}?"
    )
