"""What vLLM loads beside plain shards: experts in its kernels' tiles, prediction layers."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from llm_lander_tui.engines.vllm.options import Version
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.ranks import Tile
from llm_lander_tui.models.architecture import Architecture

HOPPER_TILE = Tile(256)
"""Triton kernels with Hopper's swizzled layout: 13.47 GiB of gpt-oss-20b, 64.38 of 120b (0.11)."""
MARLIN_TILE = Tile(128, 256)
"""Marlin and TensorRT-LLM kernels (fused_moe/oracle/mxfp4.py); 65.97 GiB of gpt-oss-120b."""


TRITON_SINCE = (0, 11, 0)
"""Since when Triton's kernels are there to be chosen on Hopper (pull request 27523 tells)."""
FP8_SINCE = (8, 9)
"""Compute capability that multiplies FP8; older cards run Marlin's weight-only kernels."""


def tile_of(gpu: Gpu, version: Version) -> Tile:
    """The tile of the MXFP4 kernels that a release of vLLM chooses on a card."""
    hopper = gpu.capability is not None and gpu.capability[0] == 9
    return HOPPER_TILE if hopper and version >= TRITON_SINCE else MARLIN_TILE


def multiplies_fp8(gpu: Gpu) -> bool:
    """Whether a card computes in FP8; one that is not known is taken to."""
    return gpu.capability is None or gpu.capability >= FP8_SINCE


@lru_cache(maxsize=64)
def prediction_layers(architecture: Architecture) -> Architecture:
    """The model's multi-token-prediction layers as a model of their own."""
    return replace(architecture, layers=architecture.mtp, outer=architecture.mtp_outer, mtp=())
