"""Where each operation of a graph runs, and what is copied between devices (ggml-backend.cpp)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from llm_lander_tui.engines.llamacpp.graph import Graph, Size, Tensor, View, Weight

Step = tuple[int, tuple[int, ...], bool]
"""A tensor by number, what it reads, and whether it may take a source's place. A step that reads
its own source only (`tensor` -1) keeps that source until then."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A graph split over devices, ready to be allocated.

    Tensors are numbers into `sizes` and `devices`. `first` are allocated before everything else,
    `kept` are never freed.
    """

    sizes: tuple[Size, ...]
    devices: tuple[int, ...]
    first: tuple[int, ...]
    kept: frozenset[int]
    steps: tuple[Step, ...]


def schedule(graph: Graph, cpu: int, offloaded: Container[int], copies: int = 1) -> Schedule:
    """Split a graph over GPUs 0 … cpu - 1 and the host, `cpu`.

    `offloaded` are the batch sizes (places in the basis) at which the first GPU computes operations
    whose weights are in host memory. `copies` of everything that crosses devices are kept under
    pipeline parallelism.
    """
    places = _assign(graph.nodes, cpu, offloaded)
    return _Splitter(graph, places, cpu, copies).run()


def _assign(nodes: Sequence[Tensor], cpu: int, offloaded: Container[int]) -> dict[Tensor, int]:
    """The device of each operation: with its weights, then with its neighbours."""
    places: dict[Tensor, int] = {}
    for node in nodes:
        if node.pinned is not None:
            places[node] = node.pinned
        elif node.follows and node.weights:
            device = node.weights[0].device
            places[node] = 0 if device == cpu and node.rows in offloaded else device
    for host_too in (False, True):
        for order in (nodes, nodes[::-1]):
            current = None
            for node in order:
                if node in places:
                    current = places[node] if host_too or places[node] != cpu else None
                elif current is not None:
                    places[node] = current
    return places


Operand = Tensor | View | Weight


def _operands(node: Tensor) -> tuple[Operand, ...]:
    return (*node.weights, *node.sources)


class _Splitter:
    """Walks the graph once; a split starts where the device changes or a weight is streamed."""

    def __init__(self, graph: Graph, places: dict[Tensor, int], cpu: int, copies: int) -> None:
        self._graph = graph
        self._places = places
        self._cpu = cpu
        self._copies = copies
        self._numbers: dict[tuple[Operand, int], int] = {}
        self._sizes: list[Size] = []
        self._devices: list[int] = []
        self._first: list[int] = []
        self._kept: set[int] = set()
        self._steps: list[Step] = []

    def run(self) -> Schedule:
        for tensor in self._graph.inputs:
            self._input(tensor)
        split: list[Tensor] = []
        crossing: dict[tuple[Operand, int], None] = {}
        current = None
        for node in self._graph.nodes:
            device = self._places[node]
            foreign = any(w.streamed and w.device != device for w in node.weights)
            if device != current or (crossing and foreign):
                self._emit(split, crossing, current)
                split, crossing, current = [], {}, device
            for source in _operands(node):
                key = (source, device)
                if self._at(source) != device and key not in self._numbers:
                    crossing[key] = None
            split.append(node)
        self._emit(split, crossing, current)
        return Schedule(
            tuple(self._sizes),
            tuple(self._devices),
            tuple(self._first),
            frozenset(self._kept),
            tuple(self._steps),
        )

    def _at(self, source: Operand) -> int:
        if isinstance(source, Weight):
            return source.device
        if isinstance(source, View):
            source = source.root
        return self._cpu if source.is_input else self._places[source]

    def _source(self, source: Operand, device: int) -> Operand:
        """What a view is read from: its tensor where that is, its own copy elsewhere."""
        return source.root if isinstance(source, View) and self._at(source) == device else source

    def _new(self, key: tuple[Operand, int], size: Size, device: int) -> int:
        number = len(self._sizes)
        self._numbers[key] = number
        self._sizes.append(size)
        self._devices.append(device)
        return number

    def _input(self, tensor: Tensor) -> None:
        for copy in range(self._copies):
            number = self._new((tensor, self._cpu), tensor.size, self._cpu)
            self._first.append(number)
            if copy or self._copies > 1:
                self._kept.add(number)

    def _emit(
        self,
        split: Sequence[Tensor],
        crossing: dict[tuple[Operand, int], None],
        device: int | None,
    ) -> None:
        if device is None:
            return
        for source, _ in crossing:
            held = source.root if isinstance(source, View) else source
            if isinstance(held, Tensor):
                self._steps.append((-1, (self._numbers[held, self._at(held)],), False))
            size = held.size
            number = self._new((source, device), size, device)
            self._steps.append((number, (), False))
            if self._copies > 1:
                self._kept.add(number)
                self._first.append(number)
                for _ in range(self._copies - 1):
                    self._sizes.append(size)
                    self._devices.append(device)
                    self._first.append(len(self._sizes) - 1)
                    self._kept.add(len(self._sizes) - 1)
        for node in split:
            reads = [
                self._numbers[self._source(source, device), device]
                for source in _operands(node)
                if self._at(source) != device or not isinstance(source, Weight)
            ]
            number = self._new((node, device), node.size, device)
            if node.kept:
                self._kept.add(number)
            self._steps.append((number, tuple(reads), node.reuses))
