"""The replay of ggml's allocator and scheduler, on graphs small enough to lay out by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_lander_tui.engines.llamacpp.graph import CONSTANT, TOKENS, Graph, Tensor, Weight
from llm_lander_tui.engines.llamacpp.repetition import essential
from llm_lander_tui.engines.llamacpp.replay import evaluate, peaks
from llm_lander_tui.engines.llamacpp.schedule import schedule

GPU, HOST = 0, 1
KIB = 1024


class Chain:
    """A graph on one GPU whose input comes from the host."""

    def __init__(self) -> None:
        self.graph = Graph(0)
        self.input = self.graph.input("x", ((CONSTANT, 4 * KIB),))

    def op(
        self, name: str, size: int, *sources: Tensor, reuses: bool = False, host: int = 0
    ) -> Tensor:
        weight = Weight(HOST if host else GPU, self.graph.size(((CONSTANT, host),)))
        return Tensor(
            name, self.graph.size(((CONSTANT, size),)), sources, weights=(weight,), reuses=reuses
        )

    def peak(self, last: Tensor, offloaded: frozenset[int] = frozenset()) -> list[int]:
        self.graph.expand(last)
        basis = (1, 512, 1, 1)
        plan = schedule(self.graph, HOST, offloaded)
        ends = peaks(plan, basis, 2)
        return [max((evaluate(e, basis) for e in device), default=0) for device in ends]


def test_a_tensor_is_freed_after_its_last_use() -> None:
    chain = Chain()
    a = chain.op("a", 8 * KIB, chain.input)
    b = chain.op("b", 8 * KIB, a)
    c = chain.op("c", 8 * KIB, b)
    # The copy of the input lies at 0 until a is made; b stands beside a; c takes the place of a,
    # which begins at 4 KiB: 4 + 8 + 8.
    assert chain.peak(c) == [20 * KIB, 4 * KIB]


def test_an_operation_in_place_takes_no_room() -> None:
    chain = Chain()
    a = chain.op("a", 8 * KIB, chain.input)
    b = chain.op("b", 8 * KIB, a, reuses=True)
    assert chain.peak(b) == [12 * KIB, 4 * KIB]


def test_a_source_that_is_read_again_is_not_overwritten() -> None:
    chain = Chain()
    a = chain.op("a", 8 * KIB, chain.input)
    b = chain.op("b", 8 * KIB, a, reuses=True)
    c = chain.op("c", 8 * KIB, b, a)
    # Input 4 + a 8 + b 8, and c does not fit into the 4 that the input left.
    assert chain.peak(c) == [28 * KIB, 4 * KIB]


def test_weights_in_host_memory_are_copied_one_at_a_time() -> None:
    chain = Chain()
    a = chain.op("a", 8 * KIB, chain.input, host=64 * KIB)
    b = chain.op("b", 8 * KIB, a, host=64 * KIB)
    # a's weight lies at 0 and the input behind it; b's copy takes the first one's place, and b
    # stands behind a: 64 + 4 + 8 + 8.
    assert chain.peak(b, frozenset((TOKENS,))) == [84 * KIB, 4 * KIB]


def test_without_offloading_the_host_computes_what_it_holds() -> None:
    chain = Chain()
    a = chain.op("a", 8 * KIB, chain.input, host=64 * KIB)
    assert chain.peak(a) == [0, 12 * KIB]


def test_ends_are_symbolic() -> None:
    graph = Graph(0)
    x = graph.input("x", ((TOKENS, 128),))
    weight = Weight(GPU, graph.size(()))
    graph.expand(Tensor("a", graph.size(((TOKENS, 256),)), (x,), weights=(weight,)))
    ends = peaks(schedule(graph, HOST, ()), (1, 512, 1, 1), 2)[GPU]
    assert [evaluate(e, (1, 1000, 1, 1)) for e in ends] == [384_000]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(1, 30))
def test_an_even_number_of_patterns_is_left_out_and_the_last_layer_stays(pattern, times) -> None:
    kinds = pattern * times
    kept = list(essential(kinds))
    assert kept[-1] == len(kinds) - 1
    dropped = len(kinds) - len(kept)
    assert dropped == 0 or any(dropped % (2 * p) == 0 for p in range(1, len(pattern) + 1))
    assert set(kinds) == {kinds[i] for i in kept}


def test_a_uniform_stack_keeps_its_ends() -> None:
    # Four layers to settle and then 80 - 1 - 4 = 75, of which 74 are pairs.
    assert list(essential(["layer"] * 80)) == [0, 1, 2, 3, 78, 79]
