"""The compute graph of a model: its distinct layers between the embedding and the head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp.blocks import Blocks, CacheInputs, WeightBytes
from llm_lander_tui.engines.llamacpp.cache import window_of, windowed
from llm_lander_tui.engines.llamacpp.feedforward import Routing, feed_forward
from llm_lander_tui.engines.llamacpp.graph import CONSTANT, F32, ROWS, TOKENS, Graph, Tensor
from llm_lander_tui.engines.llamacpp.mixers import AttentionGraph
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.formats import Block, KvFormat
from llm_lander_tui.models.architecture import Architecture, Layer, Mixer
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.mlp import ExpertsMlp

SEEN_LAYERS = 3
"""How often each kind of layer is built; the allocator repeats itself by then."""

STORED_FACTORS = frozenset(("llama3", "longrope", "su"))
"""RoPE scalings whose frequency factors are a tensor of the file."""


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """A graph, and the windows of the caches that its basis counts the cells of."""

    graph: Graph
    windows: tuple[int, ...]


def build_graph(
    architecture: Architecture,
    kv: KvFormat,
    options: LlamaCppOptions,
    placement: Placement,
    *,
    host: int,
    host_weights: WeightBytes,
) -> ModelGraph:
    """The graph of one micro-batch with every distinct layer on its device."""
    return _Builder(
        architecture, kv, options, placement, host=host, host_weights=host_weights
    ).build()


class _Builder:
    def __init__(
        self,
        architecture: Architecture,
        kv: KvFormat,
        options: LlamaCppOptions,
        placement: Placement,
        *,
        host: int,
        host_weights: WeightBytes,
    ) -> None:
        self.architecture = architecture
        self.options = options
        self.placement = placement
        self.host = host
        self.kv = kv
        self.rope_factors = any(t.scaling in STORED_FACTORS for t in architecture.rope)
        rows = [row for row, _ in architecture.kv_rows]
        # The cache of windowed layers is one of its own, even at full size (--swa-full).
        self.caches = sorted({windowed(row, options) for row in rows})
        windows = {windowed(row, options): window_of(row, options) for row in rows}
        self.windows = tuple(windows[c] for c in self.caches)
        self.graph = Graph(len(self.caches))
        self.blocks = Blocks(self.graph, host, host_weights)
        self.attention = AttentionGraph(
            self.blocks,
            kv,
            flash=options.uses_flash_attention,
            copies=options.build.copies_in_graph,
        )

    def build(self) -> ModelGraph:
        b, hidden = self.blocks, self.architecture.hidden_size
        tokens = self.graph.input("tokens", ((TOKENS, 4),))
        self.graph.input("embeddings", ((TOKENS, F32 * hidden),))
        self.positions = self.graph.input("positions", ((TOKENS, 4),))
        self.inputs = [self._cache_inputs(i, c) for i, c in enumerate(self.caches)]
        self.rows = self.graph.input("out_ids", ((ROWS, 4),))
        b.device = self.host
        x = b.op("embedding", hidden, (tokens,), weights=(b.weight("token_embd"),))
        x.rows = CONSTANT
        last = len(self.architecture.layers) - 1
        late = False
        for number, layer in self._kept():
            self._place(number)
            late = any(isinstance(m, GroupedAttention) and m.sinks for m in layer.mixers)
            x = self._layer(layer, x, last=number == last and not late)
        if late:
            x = b.take_rows(hidden, x, self.rows)
        b.columns = ROWS
        b.layer = None
        b.device = self._device(self.placement.output)
        x = b.norm("output_norm", hidden, x)
        self.graph.expand(b.project("output", self.architecture.vocab_size, x))
        return ModelGraph(self.graph, self.windows)

    def _device(self, placed: int) -> int:
        return self.host if placed == HOST else placed

    def _place(self, number: int) -> None:
        b = self.blocks
        b.layer = number
        b.device = b.experts_device = self._device(self.placement.layers[number])
        if number < self.options.cpu_moe_layers:
            b.experts_device = self.host
        b.cache_device = b.device if self.options.kv_offload else self.host

    def _kept(self) -> Iterator[tuple[int, Layer]]:
        """The first layers of each device until it has seen each kind often, and the last layer."""
        layers = self.architecture.layers
        missing: dict[int, Counter[tuple[Layer, bool]]] = {}
        kinds = [
            (layer, number < self.options.cpu_moe_layers) for number, layer in enumerate(layers)
        ]
        for kind, device in zip(kinds, self.placement.layers, strict=True):
            wanted = missing.setdefault(device, Counter())
            wanted[kind] = min(SEEN_LAYERS, wanted[kind] + 1)
        for number, (kind, device) in enumerate(zip(kinds, self.placement.layers, strict=True)):
            wanted = missing[device]
            if wanted or number == len(layers) - 1:
                yield number, layers[number]
            wanted -= Counter((kind,))

    def _cache_inputs(self, number: int, cache: int) -> CacheInputs:
        rows = [r for r, _ in self.architecture.kv_rows if windowed(r, self.options) == cache]
        latent = any(row.latent for row in rows)
        return CacheInputs(
            self.blocks,
            number,
            flash=self.options.uses_flash_attention,
            value_width=max(row.v_elements for row in rows),
            rotations=(
                0 if latent else _rotation(self.kv.k, {r.k_dim for r in rows}, grown=True),
                0 if latent else _rotation(self.kv.v, {r.v_dim for r in rows}, grown=False),
            ),
        )

    def _layer(self, layer: Layer, x: Tensor, *, last: bool) -> Tensor:
        b, hidden = self.blocks, self.architecture.hidden_size
        norms = {t.name for t in layer.others}
        b.columns = TOKENS
        residual = x
        if layer.mixers:
            mixed = b.norm("attn_norm", hidden, x) if "attn_norm" in norms else x
            mixed = self._mix(layer, mixed)
            if last:
                mixed = b.take_rows(hidden, mixed, self.rows)
                residual = b.take_rows(hidden, residual, self.rows)
                b.columns = ROWS
            if "post_attention_norm" in norms:
                mixed = b.norm("post_attention_norm", hidden, mixed)
            x = residual = b.add("residual", hidden, mixed, residual)
        if layer.mlp is None:
            return x
        inner = b.norm("ffn_norm", hidden, x) if "ffn_norm" in norms else x
        late = isinstance(layer.mlp, ExpertsMlp) and layer.mlp.expert_bias
        routing = Routing(late_softmax=late, normalised=not late)
        out = feed_forward(b, layer.mlp, inner, hidden, routing)
        if "post_ffw_norm" in norms:
            out = b.norm("post_ffw_norm", hidden, out)
        return b.add("layer", hidden, out, residual)

    def _mix(self, layer: Layer, x: Tensor) -> Tensor:
        mixer = layer.mixers[0]
        row = mixer.kv_row
        if isinstance(mixer, GroupedAttention) and row is not None:
            inputs = self.inputs[self.caches.index(windowed(row, self.options))]
            return self.attention.grouped(
                mixer, x, inputs, self.positions, factors=self.rope_factors
            )
        if isinstance(mixer, LatentAttention):
            return self.attention.latent(mixer, x, self.inputs[0], self.positions)
        return self._other(mixer, x)

    def _other(self, mixer: Mixer, x: Tensor) -> Tensor:
        """A mixer without a graph of its own: its widest projection, convolved, and back."""
        b = self.blocks
        widest = max(t.rows for t in mixer.tensors())
        inner = b.project("mixer in", widest, x)
        inner = b.op("mixer", widest, (inner,))
        return b.project("mixer out", self.architecture.hidden_size, inner)


def _rotation(block: Block, widths: set[int], *, grown: bool) -> int:
    """Columns of the Hadamard matrix that a quantised cache of equal heads is rotated by.

    The largest power of two that divides the key head, 64 for values (llama-kv-cache.cpp).
    """
    width = next(iter(widths))
    if block.size == 1 or len(widths) > 1 or width % 64:
        return 0
    return width & -width if grown else 64
