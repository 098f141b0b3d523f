"""The compute graph of a model: its distinct layers between the embedding and the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp.blocks import Blocks, CacheInputs, WeightBytes
from llm_lander_tui.engines.llamacpp.cache import windows_of
from llm_lander_tui.engines.llamacpp.families import Rope, Rows, family_of
from llm_lander_tui.engines.llamacpp.feedforward import Routing, feed_forward
from llm_lander_tui.engines.llamacpp.graph import (
    CONSTANT,
    F32,
    ROWS,
    SEQUENCES,
    TOKENS,
    Graph,
    Tensor,
)
from llm_lander_tui.engines.llamacpp.mixers import AttentionGraph
from llm_lander_tui.engines.llamacpp.options import LlamaCppOptions
from llm_lander_tui.engines.llamacpp.placement import Placement
from llm_lander_tui.engines.llamacpp.recurrent import RecurrentGraph
from llm_lander_tui.engines.llamacpp.repetition import essential
from llm_lander_tui.formats import Block, KvFormat
from llm_lander_tui.models.architecture import Architecture, Layer, Mixer, Mlp
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.cache import KvRow
from llm_lander_tui.models.linear_attention import (
    GatedDeltaNet,
    KimiDelta,
    Mamba1,
    Mamba2,
    ShortConv,
)
from llm_lander_tui.models.mlp import ExpertsMlp

_FEED_FORWARD_NORMS = frozenset(("ffn_norm", "post_attention_norm", "post_ffw_norm"))
STORED_FACTORS = frozenset(("llama3", "longrope", "su"))
"""RoPE scalings whose frequency factors are a tensor of the file."""


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """A graph, and the windows of the caches that its basis counts the cells of."""

    graph: Graph
    windows: tuple[int, ...]
    known: bool
    """Whether every layer has a graph of its own here."""


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
        self.rules = windows_of(architecture, options)
        windows = {self.rules.cache(row): self.rules.size(row) for row in rows}
        self.caches = sorted(windows)
        self.windows = tuple(windows[c] for c in self.caches)
        self.family = family_of(architecture)
        self.known = not self.family.approximate
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
        sources = self.graph.input("states", ((SEQUENCES, 4),)) if self._recurrent() else None
        self.recurrence = RecurrentGraph(b, sources) if sources is not None else None
        b.device = self.host
        x = b.op("embedding", hidden, (tokens,), weights=(b.weight("token_embd"),))
        x.rows = CONSTANT
        if self.family.scaled_embedding:
            x = b.unary("scaled embedding", hidden, x)
        last = len(self.architecture.layers) - 1
        late = self.family.rows is not Rows.LAST_LAYER
        for number, layer in self._kept():
            self._place(number)
            x = self._layer(layer, x, last=number == last and not late)
        b.layer = None
        b.device = self._device(self.placement.output)
        if self.family.rows is Rows.BEFORE_NORM:
            x.kept = True
            x = b.take_rows(hidden, x, self.rows)
        b.columns = TOKENS if self.family.rows is Rows.AFTER_NORM else ROWS
        x = self._norm("output_norm", x)
        b.columns = ROWS
        if self.family.rows is Rows.AFTER_NORM:
            x.kept = True
            x = b.take_rows(hidden, x, self.rows)
        self.graph.expand(b.project("output", self.architecture.vocab_size, x))
        return ModelGraph(self.graph, self.windows, self.known)

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
        """The layers without the repetitions in the middle of each device's stretch."""
        layers = self.architecture.layers
        kinds = [
            (layer, device, number < self.options.cpu_moe_layers)
            for number, (layer, device) in enumerate(
                zip(layers, self.placement.layers, strict=True)
            )
        ]
        start = 0
        for _, stretch in groupby(kinds, key=lambda kind: kind[1:]):
            members = [layer for layer, _, _ in stretch]
            for number in essential(members):
                yield start + number, layers[start + number]
            start += len(members)

    def _cache_inputs(self, number: int, cache: int) -> CacheInputs:
        rows = [r for r, _ in self.architecture.kv_rows if self.rules.cache(r) == cache]
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

    def _recurrent(self) -> bool:
        return any(True for _ in self.architecture.states)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        hidden = self.architecture.hidden_size
        return self.blocks.norm(name, hidden, x, viewed=self.family.layer_norm)

    def _layer(self, layer: Layer, x: Tensor, *, last: bool) -> Tensor:
        b, hidden = self.blocks, self.architecture.hidden_size
        norms = {t.name for t in layer.others}
        b.columns = TOKENS
        residual = inner = x
        if layer.mixers:
            inner = self._norm("attn_norm", x) if "attn_norm" in norms else x
            mixed = self._mix(layer, inner)
            parallel = layer.mlp is not None and not norms & _FEED_FORWARD_NORMS
            if last:
                mixed = b.take_rows(hidden, mixed, self.rows)
                residual = b.take_rows(hidden, residual, self.rows)
                inner = b.take_rows(hidden, inner, self.rows) if parallel else inner
                b.columns = ROWS
            if parallel and layer.mlp is not None:
                out = feed_forward(b, layer.mlp, inner, hidden, self._routing(layer.mlp))
                return b.add("layer", hidden, b.add("residual", hidden, out, residual), mixed)
            if "post_attention_norm" in norms:
                mixed = self._norm("post_attention_norm", mixed)
            # What the delta rule returns is a view, so that the sum takes the residual's place.
            viewed = isinstance(layer.mixers[0], GatedDeltaNet)
            in_place = viewed or self.family.mixer_residual_first
            terms = (residual, mixed) if in_place else (mixed, residual)
            inner = residual = b.add("residual", hidden, *terms)
        if layer.mlp is None:
            return inner
        name = "ffn_norm" if "ffn_norm" in norms else "attn_norm" if not layer.mixers else ""
        inner = self._norm(name, inner) if name else inner
        out = feed_forward(b, layer.mlp, inner, hidden, self._routing(layer.mlp))
        if last and not layer.mixers:
            out = b.take_rows(hidden, out, self.rows)
            residual = b.take_rows(hidden, residual, self.rows)
            b.columns = ROWS
        if "post_ffw_norm" in norms:
            out = self._norm("post_ffw_norm", out)
        if self.family.residual_first:
            return b.add("layer", hidden, residual, out)
        return b.add("layer", hidden, out, residual)

    def _routing(self, mlp: Mlp) -> Routing:
        late = isinstance(mlp, ExpertsMlp) and mlp.expert_bias
        return Routing(
            normalised=not late, late_softmax=late, weighted_inputs=self.family.weighted_inputs
        )

    def _mix(self, layer: Layer, x: Tensor) -> Tensor:
        mixed = [self._mixer(mixer, x) for mixer in layer.mixers]
        out = mixed[0]
        for other in mixed[1:]:
            out = self.blocks.add("mixers", self.architecture.hidden_size, out, other)
        return out

    def _mixer(self, mixer: Mixer, x: Tensor) -> Tensor:
        if isinstance(mixer, GroupedAttention):
            # A layer without a cache of its own reads the last one of the same span.
            row = mixer.kv_row or KvRow(
                mixer.kv_heads, mixer.head_dim, mixer.v_head_dim, mixer.span
            )
            inputs = self.inputs[self.caches.index(self.rules.cache(row))]
            return self.attention.grouped(
                mixer,
                x,
                inputs,
                self.positions if self._rotates(row) else None,
                factors=self.rope_factors,
            )
        if isinstance(mixer, LatentAttention):
            self.known = self.known and mixer.indexer is None
            return self.attention.latent(mixer, x, self.inputs[0], self.positions)
        if self.recurrence is not None:
            match mixer:
                case GatedDeltaNet():
                    return self.recurrence.gated_delta_net(mixer, x)
                case Mamba2():
                    return self.recurrence.mamba2(mixer, x)
                case Mamba1():
                    return self.recurrence.mamba1(mixer, x)
                case ShortConv():
                    return self.recurrence.short_conv(mixer, x)
                case KimiDelta():
                    return self.recurrence.kimi_delta(mixer, x)
                case _:
                    pass
        return self._other(mixer, x)

    def _rotates(self, row: KvRow) -> bool:
        match self.family.rope:
            case Rope.WINDOWED:
                return bool(self.rules.cache(row))
            case Rope.WITHOUT_STATE:
                return not self.architecture.states
            case rope:
                return rope is Rope.ALL

    def _other(self, mixer: Mixer, x: Tensor) -> Tensor:
        """A mixer without a graph of its own: its widest projection, convolved, and back."""
        self.known = False
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
