"""What vLLM loads beside plain shards: experts in its kernels' tiles, prediction layers."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.ranks import Tile
from llm_lander_tui.models.architecture import Architecture

HOPPER_TILE = Tile(256)
"""Triton kernels with Hopper's swizzled layout: 13.47 GiB of gpt-oss-20b, 64.38 of 120b (0.11)."""
MARLIN_TILE = Tile(128, 256)
"""Marlin and TensorRT-LLM kernels (fused_moe/oracle/mxfp4.py); 65.97 GiB of gpt-oss-120b."""


def tile_of(gpu: Gpu) -> Tile:
    """The tile of the MXFP4 kernels that vLLM chooses on a card."""
    capability = gpu.compute_capability or (gpu.spec.compute_capability if gpu.spec else None)
    return HOPPER_TILE if capability is not None and capability[0] == 9 else MARLIN_TILE


@lru_cache(maxsize=64)
def prediction_layers(architecture: Architecture) -> Architecture:
    """The model's multi-token-prediction layers as a model of their own."""
    return replace(architecture, layers=architecture.mtp, outer=architecture.mtp_outer, mtp=())
