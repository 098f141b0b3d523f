"""Cache formats as logs and forks write them."""

from __future__ import annotations

from llm_lander_tui.errors import UsageError
from llm_lander_tui.formats import GGML_TYPE_BY_NAME, KV_BLOCKS, Block, KvFormat

_WRITTEN = {
    "fp16": "f16", "float16": "f16", "half": "f16", "bfloat16": "bf16", "fp32": "f32",
    "float32": "f32", "float": "f32", "fp8_e4m3fn": "fp8_e4m3",
}  # fmt: skip

_FORKS = {
    block.name: block
    for block in (
        # ik_llama.cpp, ggml-common.h: 32 values of 6 bits and a 16-bit scale.
        Block("q6_0", 32, 26),
        # llama-cpp-turboquant, ggml-common.h: 128 values and a 16-bit norm.
        Block("turbo2", 128, 34),
        Block("turbo3", 128, 50),
        Block("turbo4", 128, 66),
    )
}
"""Blocks of caches that only forks of llama.cpp have."""


def logged_kv_format(name: str) -> KvFormat:
    """The format of a cache: "bfloat16", "q8_0/q4_0", "k=q8_0/v=q1_0", "fp8_ds_mla".

    Raises `UsageError` for one that is not known.
    """
    k, _, v = name.lower().partition("/")
    keys, values = _block(k.removeprefix("k=")), _block((v or k).removeprefix("v="))
    return KvFormat(keys.name if keys == values else f"{keys.name}/{values.name}", keys, values)


def _block(name: str) -> Block:
    written = _WRITTEN.get(name, name)
    found = KV_BLOCKS.get(written) or _FORKS.get(written) or GGML_TYPE_BY_NAME.get(written.upper())
    if found is not None:
        return found
    if written.startswith("fp8"):
        return KV_BLOCKS["fp8"]
    raise UsageError("Unknown KV format", f"unknown cache format {name!r}")
