"""llama.cpp's knobs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.llamacpp.builds import CURRENT, Build


class FlashAttention(StrEnum):
    """`--flash-attn`: AUTO is ON wherever the backend has the kernel, which CUDA has."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class SplitMode(StrEnum):
    """`--split-mode`: whole layers to each GPU, or the rows of each matrix."""

    LAYER = "layer"
    ROW = "row"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """Options of `llama-server`; the number of slots is the scenario's concurrency.

    `gpu_layers` None offloads all layers and the head. `tensor_split` are proportions by GPU, empty
    for the default, which divides by free memory. `margin_bytes` of the scenario takes the place of
    llama.cpp's own `--fit-target`.
    """

    ubatch: int = 512
    batch: int = 2048
    flash_attention: FlashAttention = FlashAttention.AUTO
    gpu_layers: int | None = None
    cpu_moe_layers: int = 0
    kv_unified: bool = True
    swa_full: bool = False
    kv_offload: bool = True
    op_offload: bool = True
    split_mode: SplitMode = SplitMode.LAYER
    tensor_split: tuple[float, ...] = ()
    main_gpu: int = 0
    mmap: bool = True
    build: Build = CURRENT

    @property
    def uses_flash_attention(self) -> bool:
        """Whether attention runs in the fused kernel."""
        return self.flash_attention is not FlashAttention.OFF


OPTIONS = (
    Option(
        "gpu_layers",
        "--gpu-layers",
        "layers in GPU memory, counted from the head backwards",
        (None, *range(129)),
    ),
    Option(
        "cpu_moe_layers",
        "--n-cpu-moe",
        "first layers whose experts stay in host memory",
        tuple(range(129)),
        experts_only=True,
    ),
    Option(
        "ubatch",
        "--ubatch-size",
        "tokens of a prompt that are computed at once",
        (128, 256, 512, 1024, 2048, 4096),
    ),
    Option(
        "flash_attention",
        "--flash-attn",
        "attention in one fused kernel, without a score matrix",
        tuple(FlashAttention),
    ),
    Option(
        "kv_unified",
        "--kv-unified",
        "one cache that all slots share, or one of equal size for each",
        (True, False),
    ),
    Option(
        "swa_full",
        "--swa-full",
        "sliding-window layers cache the whole context",
        (False, True),
    ),
    Option(
        "kv_offload",
        "--no-kv-offload",
        "KV cache in GPU memory",
        (True, False),
        otherwise="KV cache in host memory",
    ),
    Option(
        "op_offload",
        "--no-op-offload",
        "batches of host layers computed on the GPU",
        (True, False),
        otherwise="host layers computed on the host alone",
    ),
    Option("split_mode", "--split-mode", "how several GPUs divide the model", tuple(SplitMode)),
    Option(
        "mmap",
        "--no-mmap",
        "host weights mapped from the file",
        (True, False),
        otherwise="host weights copied into memory",
    ),
)
