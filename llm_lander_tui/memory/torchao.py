"""torchao's configs as recipes, by the names of the library and of its benchmarks."""

from __future__ import annotations

import re

from llm_lander_tui.errors import UsageError
from llm_lander_tui.memory import methods
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.memory.module_names import NO_MODULES, Modules
from llm_lander_tui.memory.storage import ScaledStorage


def torchao(kind: str, group: int, kept: Modules = NO_MODULES) -> LinearRecipe:
    """The recipe of a torchao config class ("Int4WeightOnlyConfig") or its short name ("int4wo").

    `group` is the group size of 4-bit and smaller weights. Raises `UsageError` for an unknown one.
    """
    text = kind.lower().replace("_", "")
    if "float8" in text or "mxfp8" in text:
        storage = methods.FP8_TENSOR if "pertensor" in text else methods.FP8_CHANNEL
        label, bits = "float8", 8
    elif "int8" in text and "int4" not in text:
        storage, label, bits = methods.INT8_CHANNEL, "int8", 8
    elif match := re.search(r"(?:int|w|uintx-?|codebook-?)([2-7])", text):
        bits = int(match[1])
        # A 16-bit scale and zero point a group.
        storage, label = methods.hqq(bits, group), f"int{bits}-g{group}"
    elif "fp6" in text or "fpx" in text:
        storage, label, bits = ScaledStorage("fp6", 6, 2, block_rows=1), "fp6", 6
    else:
        raise UsageError(
            "Unknown weight format",
            f"There is no torchao format {kind!r} that can be counted.",
            "Try torchao-int4wo-64, torchao-int8wo or torchao-float8wo.",
        )
    return LinearRecipe(f"torchao-{label}", "torchao", bits, storage, storage, kept=kept)
