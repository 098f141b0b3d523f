from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.context import cuda_context_bytes, resident_threads
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.units import MIB


def gpu(name: str, **changes: object) -> Gpu:
    return replace(catalog.hypothetical(catalog.find(name), 0), **changes)


# MiB that a process held before its first tensor, measured; the first six made the law.
@pytest.mark.parametrize(
    ("card", "measured"),
    [
        (gpu("H100 SXM5 80GB"), 518),
        (gpu("H200 SXM 141GB"), 518),
        (gpu("H100 SXM5 80GB", mig="3g.40gb", multiprocessors=60), 248),
        (gpu("H200 SXM 141GB", mig="1c.3g.71gb", multiprocessors=32), 146),
        (gpu("RTX PRO 6000 Blackwell WS"), 555),
        (gpu("RTX 3090"), 256),
        (gpu("TITAN V"), 319),
        (gpu("RTX PRO 6000 Blackwell Max-Q"), 561),
        (gpu("RTX 5090"), 506),
        (gpu("RTX 4060 Ti 8GB"), 107),
    ],
)
def test_bare_context_follows_the_size_of_the_card(card: Gpu, measured: int):
    size, spread, source = cuda_context_bytes(card, "bare")
    tolerance = 0.16 if measured < 110 else spread  # the 4060 Ti was read on Windows
    assert size / MIB == pytest.approx(measured, rel=tolerance)
    assert "measured" in source


def test_law_by_hand():
    # RTX 4090: 128 multiprocessors × 1,536 threads × 1,920 B = 360 MiB, + 24 MiB.
    assert resident_threads(gpu("RTX 4090")) == 128 * 1536
    assert cuda_context_bytes(gpu("RTX 4090"), "bare").bytes == (360 + 24) * MIB


def test_llama_cpp_as_measured_with_a_model_loaded():
    # RTX 4090, three cards: 451 to 456 MiB not in any buffer (llama.cpp pull request 15860).
    assert cuda_context_bytes(gpu("RTX 4090"), "llama.cpp").bytes / MIB == pytest.approx(454, abs=6)


# MiB: InvokeAI issue 9413; stas00/ml-engineering; llm-d-planner.
@pytest.mark.parametrize(
    ("name", "measured"), [("RTX 3090", 256), ("A100 80GB", 481), ("H100", 522)]
)
def test_torch_as_measured(name: str, measured: int):
    size = cuda_context_bytes(gpu(name), "torch")
    assert size.bytes / MIB == pytest.approx(measured, rel=size.spread + 0.02)


def test_a_card_read_from_the_driver_needs_no_catalogue():
    read = gpu("RTX 4090", spec=None, compute_capability=(8, 9), multiprocessors=100)
    assert cuda_context_bytes(read).bytes == 24 * MIB + 100 * 1536 * 1920
    unknown = replace(read, compute_capability=None)
    assert resident_threads(unknown) is None
    assert cuda_context_bytes(unknown).spread == 0.5


def test_a_slice_of_unknown_size_is_not_taken_for_the_card():
    assert resident_threads(gpu("H100", mig="1g.10gb", multiprocessors=None)) is None


def test_unknown_stack():
    with pytest.raises(KeyError):
        cuda_context_bytes(gpu("T4"), "tinygrad")
