"""What vLLM loads beside plain shards: experts in its kernels' tiles, prediction layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from llm_lander_tui.engines.vllm.options import Version
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.ranks import AS_STORED, Kernels, Tile
from llm_lander_tui.models.architecture import Architecture

HOPPER_TILE = Tile(256)
"""Triton kernels with Hopper's swizzled layout: 13.47 GiB of gpt-oss-20b, 64.38 of 120b (0.11)."""
MARLIN_TILE = Tile(128, 256)
"""Marlin and TensorRT-LLM kernels (fused_moe/oracle/mxfp4.py); 65.97 GiB of gpt-oss-120b."""


TRITON_SINCE = (0, 11, 0)
"""Since when Triton's kernels are there to be chosen on Hopper (pull request 27523 tells)."""
FP8_SINCE = (8, 9)
"""Compute capability that multiplies FP8; older cards run Marlin's weight-only kernels."""


MARLIN_SINCE = (8, 0)
"""Compute capability of Marlin's kernels; older cards run ExLlama's, which read zero points."""


def kernels_of(
    gpus: Sequence[Gpu], version: Version, quantization: Mapping[str, object] | None
) -> Kernels:
    """What the kernels that a release of vLLM chooses on these cards keep of weights.

    `quantization` is the checkpoint's own: GPTQ without symmetry needs its zero points, and one of
    activation order its input order. A card that is not known is taken for one of today's.
    """
    if not gpus:
        return AS_STORED
    stated = quantization or {}
    oldest = min((g.capability for g in gpus if g.capability is not None), default=FP8_SINCE)
    hopper = gpus[0].capability is not None and gpus[0].capability[0] == 9
    return Kernels(
        HOPPER_TILE if hopper and version >= TRITON_SINCE else MARLIN_TILE,
        fp8=oldest >= FP8_SINCE,
        zero_points=oldest < MARLIN_SINCE or stated.get("sym") is False,
        order=stated.get("desc_act") is True,
    )


@lru_cache(maxsize=64)
def prediction_layers(architecture: Architecture) -> Architecture:
    """The model's multi-token-prediction layers as a model of their own."""
    return replace(architecture, layers=architecture.mtp, outer=architecture.mtp_outer, mtp=())
