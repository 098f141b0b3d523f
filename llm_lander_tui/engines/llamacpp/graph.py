"""A compute graph as ggml builds it: tensors with symbolic sizes, in order of evaluation.

Sizes are bytes as coefficients on a basis of what a question varies, so that one graph serves
every context and concurrency: constant, tokens of the micro-batch (`TOKENS`), rows of output
(`ROWS`), sequences (`SEQUENCES`), and for each cache its cells times tokens (masks, scores) and its
cells times streams.
An operation on a view names the tensor that holds the data, and a `View` only where several views
of one tensor may cross devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Size = tuple[int, ...]
"""Bytes: coefficients on the graph's basis."""

CONSTANT, TOKENS, ROWS, SEQUENCES = range(4)
FIXED_TERMS = 4
F32 = 4
F16 = 2
I64 = 8


def cell_tokens(cache: int) -> int:
    """Place in the basis of a cache's cells x tokens."""
    return FIXED_TERMS + 2 * cache


def cell_streams(cache: int) -> int:
    """Place in the basis of a cache's cells x streams."""
    return FIXED_TERMS + 2 * cache + 1


class Weight:
    """A tensor that lies in memory before the graph runs: a weight, or a cache.

    An operation on another device reads a copy. A weight that is `streamed` so starts a split of
    its own, which frees the copies before it.
    """

    __slots__ = ("device", "size", "streamed")

    def __init__(self, device: int, size: Size, *, streamed: bool = True) -> None:
        self.device = device
        self.size = size
        self.streamed = streamed


class Tensor:
    """The result of an operation, or an input of the graph.

    `sources` are the tensors read, in ggml's order; `weights` the weight tensors among its sources.
    `reuses` tells operations that ggml may compute in place of a source of the same layout,
    `pinned` the device that it must run on (it writes to a cache there), `follows` whether it is
    placed with its weights, `rows` where in the basis its batch size stands. What is `kept` is an
    output of the graph, never freed.
    """

    __slots__ = (
        "follows",
        "is_input",
        "kept",
        "name",
        "pinned",
        "reuses",
        "rows",
        "size",
        "sources",
        "weights",
    )

    def __init__(
        self,
        name: str,
        size: Size,
        sources: Sequence[Tensor | View] = (),
        *,
        weights: Sequence[Weight] = (),
        reuses: bool = False,
        pinned: int | None = None,
        follows: bool = True,
        rows: int = TOKENS,
        is_input: bool = False,
    ) -> None:
        self.name = name
        self.size = size
        self.sources = tuple(sources)
        self.weights = tuple(weights)
        self.reuses = reuses
        self.pinned = pinned
        self.follows = follows
        self.rows = rows
        self.is_input = is_input
        self.kept = False


class View:
    """A part of a tensor as a source of its own: what crosses devices is copied view by view."""

    __slots__ = ("root",)

    def __init__(self, root: Tensor) -> None:
        self.root = root


class Graph:
    """Tensors in the order in which ggml evaluates them."""

    def __init__(self, caches: int) -> None:
        self._terms = FIXED_TERMS + 2 * caches
        self._seen: set[Tensor] = set()
        self.nodes: list[Tensor] = []
        self.inputs: list[Tensor] = []

    def size(self, terms: Iterable[tuple[int, int]]) -> Size:
        """A size from (place in the basis, bytes) pairs."""
        found = [0] * self._terms
        for place, coefficient in terms:
            found[place] += coefficient
        return tuple(found)

    def input(self, name: str, terms: Iterable[tuple[int, int]]) -> Tensor:
        """An input that the host fills before each micro-batch."""
        found = Tensor(name, self.size(terms), is_input=True)
        self.inputs.append(found)
        return found

    def expand(self, tensor: Tensor | View) -> None:
        """Append the tensor after everything that it needs, sources first, left to right."""
        if isinstance(tensor, View):
            tensor = tensor.root
        if tensor in self._seen or tensor.is_input:
            return
        self._seen.add(tensor)
        for source in tensor.sources:
            self.expand(source)
        self.nodes.append(tensor)
