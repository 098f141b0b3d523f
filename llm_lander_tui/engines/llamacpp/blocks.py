"""The operations that layers are built from, with ggml's sizes and rules (llama-graph.cpp)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llm_lander_tui.engines.llamacpp.graph import (
    CONSTANT,
    F32,
    I64,
    ROWS,
    TOKENS,
    Graph,
    Size,
    Tensor,
    Weight,
    cell_tokens,
)

WeightBytes = Mapping[tuple[int | None, str, bool], int]
"""Bytes of the weights in host memory, by layer, name and whether it is a bias."""


class Blocks:
    """Builds a graph operation by operation; `columns` tells tokens from output rows.

    `device` is where the present layer's weights lie, `host` the host's number; `experts_device`
    where its expert stacks do.
    """

    def __init__(self, graph: Graph, host: int, host_weights: WeightBytes) -> None:
        self.graph = graph
        self.host = host
        self.device = host
        self.experts_device = host
        self.cache_device = host
        self.columns = TOKENS
        self.layer: int | None = None
        self._host_weights = host_weights
        self._shared: dict[tuple[str, int], Weight] = {}

    def weight(self, name: str, *, bias: bool = False, experts: bool = False) -> Weight:
        """A weight of the present layer."""
        device = self.experts_device if experts else self.device
        size = self._host_weights.get((self.layer, name, bias), 0) if device == self.host else 0
        return Weight(device, self.graph.size(((CONSTANT, size),)))

    def shared_weight(self, name: str) -> Weight:
        """A weight that all layers of a device share (RoPE frequency factors)."""
        key = (name, self.device)
        if key not in self._shared:
            self._shared[key] = self.weight(name)
        return self._shared[key]

    def floats(self, width: int) -> Size:
        """Bytes of `width` 32-bit numbers per column."""
        return self.graph.size(((self.columns, F32 * width),))

    def op(
        self,
        name: str,
        width: int,
        sources: Sequence[Tensor],
        *,
        weights: Iterable[Weight] = (),
        reuses: bool = False,
    ) -> Tensor:
        """An operation whose result has `width` 32-bit numbers per column."""
        return Tensor(
            name,
            self.floats(width),
            sources,
            weights=tuple(weights),
            reuses=reuses,
            rows=self.columns,
        )

    def project(self, name: str, width: int, source: Tensor) -> Tensor:
        """Multiply by the weight matrix `name`."""
        return self.op(name, width, (source,), weights=(self.weight(name),))

    def bias(self, name: str, width: int, source: Tensor) -> Tensor:
        """Add the bias of `name`."""
        return self.op(name, width, (source,), weights=(self.weight(name, bias=True),), reuses=True)

    def norm(self, name: str, width: int, source: Tensor, *, viewed: bool = False) -> Tensor:
        """RMS-normalise and scale by the weight `name`; a view is never worked on in place."""
        normed = self.op(f"{name} norm", width, (source,), reuses=not viewed)
        return self.op(name, width, (normed,), weights=(self.weight(name),), reuses=True)

    def rope(
        self,
        width: int,
        source: Tensor,
        positions: Tensor,
        *,
        viewed: bool = True,
        factors: bool = False,
    ) -> Tensor:
        """Rotate; frequency factors are read without deciding where this runs."""
        return Tensor(
            "rope",
            self.floats(width),
            (source, positions),
            weights=(self.shared_weight("rope_freqs"),) if factors else (),
            reuses=not viewed,
            follows=False,
            rows=self.columns,
        )

    def unary(self, name: str, width: int, source: Tensor) -> Tensor:
        """An element-wise function, in place."""
        return self.op(name, width, (source,), reuses=True)

    def add(self, name: str, width: int, a: Tensor, b: Tensor) -> Tensor:
        """The sum of two tensors."""
        return self.op(name, width, (a, b), reuses=True)

    def store(self, name: str, value: Tensor, indices: Tensor) -> None:
        """Write to the cache, on the cache's device."""
        self.graph.expand(
            Tensor(name, self.graph.size(()), (value, indices), pinned=self.cache_device)
        )

    def take_rows(self, width: int, source: Tensor, rows: Tensor) -> Tensor:
        """The columns that produce output."""
        return Tensor("get_rows", self.graph.size(((ROWS, F32 * width),)), (source, rows), rows=0)


class CacheInputs:
    """What attention reads of one cache: its mask and where to write, as inputs of the graph."""

    def __init__(
        self,
        blocks: Blocks,
        cache: int,
        *,
        flash: bool,
        value_width: int,
        rotations: tuple[int, int],
    ) -> None:
        graph = blocks.graph
        self.cache = cache
        self.keys = graph.input("k_idxs", ((TOKENS, I64),))
        # Without flash attention values are stored transposed, one index for each element.
        self.values = graph.input("v_idxs", ((TOKENS, I64 * (1 if flash else value_width)),))
        self.mask = graph.input("mask", ((cell_tokens(cache), 2 if flash else F32),))
        key, value = rotations
        self.key_rotation = self._rotation(graph, key)
        self.value_rotation = self._rotation(graph, value)

    @staticmethod
    def _rotation(graph: Graph, size: int) -> Tensor | None:
        return graph.input("rotation", ((CONSTANT, F32 * size * size),)) if size else None
