"""How faithful weight formats are to the released weights, where sizes alone would mislead."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import log

from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.weights import Recipe

PERPLEXITY_RISE = {
    "Q2_K": 3.5199, "Q3_K_S": 1.6321, "Q3_K_M": 0.6569, "Q3_K_L": 0.5562, "Q4_0": 0.4685,
    "Q4_1": 0.4511, "Q4_K_S": 0.2689, "Q4_K_M": 0.1754, "Q5_0": 0.1316, "Q5_1": 0.1062,
    "Q5_K_S": 0.1049, "Q5_K_M": 0.0569, "Q6_K": 0.0217, "Q8_0": 0.0026,
}  # fmt: skip
"""Perplexity on WikiText-2 above that of 16 bits, Llama-3-8B: the list of formats that llama.cpp's
`llama-quantize --help` prints (tools/quantize/quantize.cpp)."""
_LEGACY = frozenset({"Q4_0", "Q4_1", "Q5_0", "Q5_1"})
"""Formats of one scale for 32 weights alike, which lose more than K-quants of their size."""


@lru_cache(maxsize=256)
def faithful_bits(recipe: Recipe) -> float:
    """Bits per weight at which K-quants are as faithful; the format's own without a figure for it.

    Between two K-quants the perplexity's rise goes exponentially with the bits.
    """
    if recipe.family != "gguf" or recipe.name not in _LEGACY:
        return recipe.bits
    rise = PERPLEXITY_RISE[recipe.name]
    measured = [(PERPLEXITY_RISE[n], recipes.get(n).bits) for n in PERPLEXITY_RISE.keys() - _LEGACY]
    for (worse, fewer), (better, more) in pairwise(sorted(measured, reverse=True)):
        if worse >= rise >= better:
            return fewer + (more - fewer) * log(worse / rise) / log(worse / better)
    return recipe.bits
