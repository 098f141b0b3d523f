"""The graphs of the mixers: what llama.cpp computes for each kind of attention."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

from llm_lander_tui.engines.llamacpp.blocks import Blocks, CacheInputs
from llm_lander_tui.engines.llamacpp.graph import (
    F16,
    F32,
    Size,
    Tensor,
    Weight,
    cell_streams,
    cell_tokens,
)
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention, QkNorm


class AttentionGraph:
    """Attention over a cache, fused or not.

    `copies` tells whether the 16-bit copies of another cache format stand in the graph's buffer.
    Scalings and caps of scores and queries work in place and are left out.
    """

    def __init__(self, blocks: Blocks, kv: KvFormat, *, flash: bool, copies: bool) -> None:
        self.blocks = blocks
        self.kv = kv
        self.flash = flash
        self.copies = copies

    def grouped(
        self,
        mixer: GroupedAttention,
        source: Tensor,
        inputs: CacheInputs,
        positions: Tensor | None,
        *,
        factors: bool = False,
    ) -> Tensor:
        """Grouped-query attention with its output projection; no `positions`, no rotation.

        A layer that reads an earlier layer's cache makes queries only.
        """
        b = self.blocks
        q, k, v = (
            heads * width
            for heads, width in (
                (mixer.heads, mixer.head_dim),
                (mixer.kv_heads, mixer.head_dim),
                (mixer.kv_heads, mixer.v_head_dim),
            )
        )
        projected, key, value = self._projected(mixer, source, (q, k, v))
        turned = [
            self._turned(mixer, name, width, tensor, positions, factors=factors)
            for name, width, tensor in (("attn_q_norm", q, projected), ("attn_k_norm", k, key))
            if tensor is not None
        ]
        if inputs.key_rotation is not None:
            turned = [
                b.op("rotate", width, (inputs.key_rotation, tensor))
                for width, tensor in zip((q, k), turned, strict=False)
            ]
        query = turned[0]
        b.graph.expand(query)
        if value is not None:
            if inputs.value_rotation is not None:
                value = b.op("rotate", v, (inputs.value_rotation, value))
            for tensor in (value, turned[1]):
                b.graph.expand(tensor)
            b.store("cache_k", turned[1], inputs.keys)
            b.store("cache_v", value, inputs.values)
        out = mixer.heads * mixer.v_head_dim
        sinks = (b.weight("attn_sinks"),) if mixer.sinks else ()
        result = self._attend(query, inputs, (mixer.heads, k, v, out), sinks)
        if inputs.value_rotation is not None:
            result = b.op("rotate", out, (inputs.value_rotation, result))
        if mixer.output_gate:
            b.graph.expand(result)
            gate = b.unary("gate", q, b.op("cont", q, (projected,)))
            result = b.op("gated", out, (gate, result), reuses=True)
        result = b.project("attn_output", mixer.hidden, result)
        return b.bias("attn_output", mixer.hidden, result) if mixer.out_bias else result

    def _projected(
        self, mixer: GroupedAttention, source: Tensor, widths: tuple[int, int, int]
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Queries (with their gate), keys and values; one tensor where they are one matrix."""
        b = self.blocks
        names = {t.name for t in mixer.tensors()}
        biased = {t.name for t in mixer.tensors() if t.bias}
        q, k, v = widths

        def project(name: str, width: int) -> Tensor:
            found = b.project(name, width, source)
            return b.bias(name, width, found) if name in biased else found

        if "attn_qkv" in names:
            fused = project("attn_qkv", q + k + v)
            return fused, fused, fused
        query = project("attn_q", (2 if mixer.output_gate else 1) * q)
        if not mixer.owns_cache:
            return query, None, None
        key = project("attn_k", k)
        return query, key, project("attn_v", v) if "attn_v" in names else key

    def _turned(
        self,
        mixer: GroupedAttention,
        norm: str,
        width: int,
        tensor: Tensor,
        positions: Tensor | None,
        *,
        factors: bool,
    ) -> Tensor:
        """Queries or keys, normalised and rotated; a view by head is never changed in place."""
        b = self.blocks
        by_head = mixer.qk_norm is QkNorm.PER_HEAD
        if mixer.qk_norm is not QkNorm.NONE:
            tensor = b.norm(norm, width, tensor, viewed=by_head)
        if positions is not None:
            tensor = b.rope(width, tensor, positions, viewed=not by_head, factors=factors)
        return tensor

    def _attend(
        self,
        query: Tensor,
        inputs: CacheInputs,
        widths: tuple[int, int, int, int],
        sinks: Sequence[Weight] = (),
    ) -> Tensor:
        b = self.blocks
        heads, k, v, out = widths
        cached_keys = self._cached(inputs.cache, self.kv.k.row_bytes(k))
        cached_values = self._cached(inputs.cache, self.kv.v.row_bytes(v))
        if self.flash:
            scratch = self._scratch(inputs.cache, k, v)
            result = Tensor(
                "flash attention",
                tuple(map(add, b.floats(out), scratch)),
                (query, inputs.mask),
                weights=(*cached_keys, *cached_values, *sinks),
                follows=False,
                rows=b.columns,
            )
            b.graph.expand(result)
            return result
        scores = self._scores(query, inputs, heads, cached_keys, sinks)
        mixed = b.op("kqv", out, (scores,), weights=cached_values)
        mixed.follows = False
        result = b.op("kqv_out", out, (mixed,))
        if cached_keys and b.cache_device == b.host:
            result.pinned = b.host
        b.graph.expand(result)
        return result

    def _scores(
        self,
        query: Tensor,
        inputs: CacheInputs,
        heads: int,
        cached: Sequence[Weight],
        sinks: Sequence[Weight] = (),
    ) -> Tensor:
        b = self.blocks
        size = b.graph.size(((cell_tokens(inputs.cache), F32 * heads),))
        scores = Tensor("kq", size, (query,), weights=cached, follows=False)
        return Tensor(
            "softmax", size, (scores, inputs.mask), weights=sinks, reuses=True, follows=False
        )

    def _cached(self, cache: int, row: int) -> tuple[Weight, ...]:
        """The cache as an operand: copied where it lies on another device than the operation."""
        b = self.blocks
        if not row:
            return ()
        size = b.graph.size(((cell_streams(cache), row),))
        return (Weight(b.cache_device, size, streamed=False),)

    def _scratch(self, cache: int, k: int, v: int) -> Size:
        """16-bit copies of a cache in another format, appended to the result."""
        copied = 0
        if self.copies:
            copied += k if self.kv.k.name != "f16" else 0
            copied += v if self.kv.v.name != "f16" else 0
        return self.blocks.graph.size(((cell_streams(cache), F16 * copied),))

    def latent(
        self, mixer: LatentAttention, source: Tensor, inputs: CacheInputs, positions: Tensor
    ) -> Tensor:
        """Multi-head latent attention with absorbed projections (deepseek2.cpp)."""
        b = self.blocks
        heads, latent, rope = mixer.heads, mixer.kv_lora_rank, mixer.qk_rope_head_dim
        width = heads * (mixer.qk_nope_head_dim + rope)
        if mixer.q_lora_rank is None:
            query = b.project("attn_q", width, source)
        else:
            low = b.project("attn_q_a", mixer.q_lora_rank, source)
            low = b.norm("attn_q_a_norm", mixer.q_lora_rank, low)
            query = b.project("attn_q_b", width, low)
        compressed = b.project("attn_kv_a_mqa", latent + rope, source)
        key_rope = b.rope(rope, compressed, positions)
        values = b.norm("attn_kv_a_norm", latent, compressed)
        query_rope = b.rope(heads * rope, query, positions)
        absorbed = b.project("attn_k_b", heads * latent, query)
        query = b.op("concat", heads * (latent + rope), (absorbed, query_rope))
        key = b.op("concat", latent + rope, (values, key_rope))
        for tensor in (query, values, key):
            b.graph.expand(tensor)
        b.store("cache_k", key, inputs.keys)
        out = heads * mixer.v_head_dim
        row = self.kv.k.row_bytes(latent + rope)
        cached = self._cached(inputs.cache, row)
        if self.flash:
            # Values are a view of the keys, which crosses devices as a tensor of its own.
            cached += self._cached(inputs.cache, row)
            scratch = self._scratch(inputs.cache, latent + rope, 0)
            mixed = Tensor(
                "flash attention",
                tuple(map(add, b.floats(heads * latent), scratch)),
                (query, inputs.mask),
                weights=cached,
                follows=False,
            )
        else:
            transposed = Tensor(
                "v_cont",
                b.graph.size(((cell_streams(inputs.cache), self.kv.k.row_bytes(latent)),)),
                (),
                weights=cached,
                follows=False,
            )
            scores = self._scores(query, inputs, heads, cached)
            mixed = b.op("kqv", heads * latent, (transposed, scores))
        result = b.project("attn_v_b", out, mixed)
        result = b.op("kqv_out", out, (result,))
        b.graph.expand(result)
        return b.project("attn_output", mixer.hidden, result)
