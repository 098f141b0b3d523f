"""What a CUDA context costs: bytes that a process holds on a card before its first tensor.

The driver sets aside local memory for every thread that the card could hold at once, so the context
grows with the card: a fixed part, and a part per resident thread (streaming multiprocessors × the
threads of one, which the compute capability tells). The two constants are a least-squares line
through six contexts measured without any framework (resident threads / 1024 → MiB):

    H200, H100 SXM5  264 → 518    H100 MIG 3g.40gb 120 → 248    H200 MIG, 32 SMs  64 → 146
    RTX PRO 6000 WS  282 → 555    RTX 3090         123 → 256    Titan V          160 → 319

which it repeats within 2 %; each of them left out and predicted from the others, within 3 %. They
span drivers from 2019 to 2026, so the law belongs to the hardware rather than to one driver.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.units import MIB

FIXED_BYTES = 24 * MIB
"""The part of a context that every card has; ± 3 MiB."""
BYTES_PER_THREAD = 1920
"""Per thread that the card can hold at once; ± 1 %."""
LAW_SPREAD = 0.03

STACK_BYTES = {"bare": 0, "torch": 40 * MIB, "llama.cpp": 70 * MIB}
"""What a stack's own lazily loaded kernels and libraries add to the context.

torch: 2 MiB (RTX 3090, torch 2.7, idle; InvokeAI issue 9413), 3 (H100, vLLM worker at its start;
llm-d-planner), 52 (A100, torch 2.1; stas00/ml-engineering), about 145 (RTX 3090, vLLM worker before
weights; genesis-vllm-patches issue 24). llama.cpp: 67 to 72 MiB (RTX 4090 with a model loaded,
cuBLAS and pool included; llama.cpp pull request 15860).
"""
STACK_SPREAD = {"bare": LAW_SPREAD, "torch": 0.15, "llama.cpp": 0.12}

UNKNOWN_CARD_BYTES = 400 * MIB
"""A context where neither driver nor catalogue tells the size of the card: the middle of what is
measured on cards of the last three generations (146 to 700 MiB, data centre to laptop)."""
UNKNOWN_CARD_SPREAD = 0.5

_THREADS_PER_SM = {
    (6, 0): 2048, (6, 1): 2048, (7, 0): 2048, (7, 2): 2048, (7, 5): 1024, (8, 0): 2048,
    (8, 6): 1536, (8, 7): 1536, (8, 9): 1536, (9, 0): 2048, (10, 0): 2048, (10, 3): 2048,
    (11, 0): 1536, (12, 0): 1536, (12, 1): 1536,
}  # fmt: skip
"""Maximum resident threads per SM: CUDA C++ Programming Guide, technical specifications per compute
capability."""


class ContextSize(NamedTuple):
    """Bytes of a context, their relative spread (0.03 = ±3 %) and where the number comes from."""

    bytes: int
    spread: float
    source: str


def resident_threads(gpu: Gpu) -> int | None:
    """Threads that the card can hold at once; None when driver and catalogue are silent."""
    spec, capability = gpu.spec, gpu.capability
    sms = gpu.multiprocessors or (spec.multiprocessors if spec and gpu.mig is None else None)
    if capability is None or sms is None or capability not in _THREADS_PER_SM:
        return None
    return sms * _THREADS_PER_SM[capability]


def cuda_context_bytes(gpu: Gpu, stack: str = "bare") -> ContextSize:
    """What one process of `stack` ("bare", "torch" or "llama.cpp") holds on `gpu` before its data.

    Holds for Linux and CUDA 11.7 or newer, whose kernels load when first used. Raises `KeyError`
    for an unknown stack.
    """
    return _context_of(resident_threads(gpu), stack)


@lru_cache(maxsize=256)
def _context_of(threads: int | None, stack: str) -> ContextSize:
    """The context on a card of so many resident threads (None: unknown)."""
    extra = STACK_BYTES[stack]
    if threads is None:
        return ContextSize(
            UNKNOWN_CARD_BYTES + extra,
            UNKNOWN_CARD_SPREAD,
            "middle of measured CUDA contexts, size of this card unknown",
        )
    law = FIXED_BYTES + threads * BYTES_PER_THREAD
    source = "24 MiB + 1,920 B per resident thread, fitted to 6 measured CUDA contexts"
    if extra:
        source += f"; {stack} kernels and libraries {extra // MIB} MiB, measured"
    return ContextSize(law + extra, STACK_SPREAD[stack], source)
