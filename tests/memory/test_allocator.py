"""PyTorch's caching allocator, by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.memory.allocator import CUBLAS_WORKSPACE, Held, held
from llm_lander_tui.units import KIB, MIB


def test_small_tensors_share_a_segment_of_two_mib():
    # Four of 512 KiB fill one segment of 2 MiB; the fifth opens another.
    assert held([512 * KIB] * 4) == Held(2 * MIB, 2 * MIB)
    assert held([512 * KIB] * 5) == Held(2 * MIB + 512 * KIB, 4 * MIB)


def test_sizes_are_rounded_to_512_bytes():
    assert held([1]).allocated == 512
    assert held([513]).allocated == 1024


def test_medium_tensors_share_segments_of_twenty_mib():
    # 8.3125 MiB (896 x 4864 at 16 bits): two fit in 20 MiB, 3.375 MiB stay over.
    size = 896 * 4864 * 2
    assert held([size, size]) == Held(2 * size, 20 * MIB)
    assert held([size, size, 3 * MIB]).reserved == 20 * MIB
    assert held([size, size, 4 * MIB]).reserved == 40 * MIB


def test_a_remainder_of_up_to_one_mib_belongs_to_the_tensor():
    # 135 MiB (5120 x 13824 at 16 bits) gets 136 MiB, and the odd MiB is not split off.
    assert held([135 * MIB]) == Held(136 * MIB, 136 * MIB)
    # 24.5 MiB gets 26 MiB; 1.5 MiB can be used by others.
    assert held([24 * MIB + MIB // 2]) == Held(24 * MIB + MIB // 2, 26 * MIB)
    assert held([24 * MIB + MIB // 2, MIB + MIB // 4]).reserved == 26 * MIB


def test_the_smallest_free_block_that_is_large_enough_is_taken():
    # 20 - 12 is 8 MiB over; 30 MiB is full; 7 MiB goes into the 8, and not into a new segment.
    found = held([9 * MIB, 30 * MIB, 7 * MIB])
    assert found.reserved == 50 * MIB


def test_the_cublas_workspace_is_what_its_setting_says():
    # ":4096:2:16:8": two buffers of 4096 KiB and eight of 16 KiB.
    assert CUBLAS_WORKSPACE == (2 * 4096 + 8 * 16) * KIB


@given(st.lists(st.integers(1, 300 * MIB), max_size=40))
def test_reserved_holds_allocated_and_allocated_holds_the_tensors(sizes: list[int]):
    found = held(sizes)
    assert sum(sizes) <= found.allocated <= found.reserved
    assert found.reserved % (2 * MIB) == 0
