"""Working sets of a serving engine's step: elements per token while a layer's MLP is computed."""

from __future__ import annotations

from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.units import ceil_div


def dense_elements(mlp: DenseMlp, degrees: Degrees) -> int:
    """Of a dense MLP on one rank: gate and up with their product, ff x 3 / TP, or ff x 2 / TP of
    one without a gate (memory_models C.2).
    """
    return ceil_div(mlp.intermediate * (2 + mlp.gated), degrees.feed_forward)


def expert_elements(mlp: ExpertsMlp, degrees: Degrees) -> int:
    """Of the fused expert kernels on one rank: two workspaces for the k experts of a token.

    k x (max(ffe, h) + max(2 ffe, h)); a slice of an expert has ffe / TP (memory_models C.2).
    """
    width = ceil_div(mlp.intermediate, 1 if degrees.whole_experts else degrees.experts)
    return mlp.active * (max(width, mlp.hidden) + max(2 * width, mlp.hidden))
