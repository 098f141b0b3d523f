"""What each layer of a model caches on one rank of vLLM, as pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from llm_lander_tui.engines.vllm.kv_planner import (
    CacheKind,
    Group,
    LayerCache,
    PagingRules,
    group_layers,
)
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.kv_rows import fp8_key_bytes, row_bytes
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.cache import KvRow, RecurrentState, SpanKind, StateKind
from llm_lander_tui.units import ceil_div, round_up

BLOCK_SIZE = 16
"""Tokens per block where nothing asks for more (config/cache.py)."""
LATENT_BLOCK_SIZE = 64
"""What FlashMLA asks for (platforms/cuda.py)."""
INDEXED_BLOCK_SIZE = 128
"""What block-sparse attention over grouped heads asks for (models/minimax_m3/common/indexer.py)."""
LATENT_HYBRID_ALIGNMENT = 128
"""Beside states, latent blocks are a multiple of this (platforms/interface.py)."""
COMPRESSED_BLOCK_SIZE = 256
"""Tokens, not rows, per block of a compressed cache."""
COMPRESSED_WINDOW_BLOCK_SIZE = 64
COMPRESSED_FP8_BYTES = 584
"""Row of a compressed cache in FP8: 448 values, 64 rope values in BF16, 8 scales."""
PAGE_ALIGNMENT, FP8_PAGE_ALIGNMENT = 512, 576
COMPRESSOR_PAGE = 32768
"""Bytes of a page of unfinished groups, which sets their block size (deepseek_v4/compressor.py)."""

_SPANS = {
    SpanKind.FULL: CacheKind.FULL,
    SpanKind.SLIDING: CacheKind.SLIDING,
    SpanKind.CHUNKED: CacheKind.CHUNKED,
    SpanKind.CROSS: CacheKind.CROSS,
}
_STATE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What the launch says about caches: `block_size` None is vLLM's own choice."""

    kv: KvFormat
    tensor_parallel: int = 1
    block_size: int | None = None
    prefix_caching: bool = False
    speculative_tokens: int = 0


def layer_caches(
    architecture: Architecture, settings: CacheSettings
) -> list[tuple[int, LayerCache]]:
    """(layer, cache) of everything that is cached, in the model's order.

    Where states and attention meet, the attention's block grows until its page holds a state, and
    the state's page is padded to it (platforms/interface.py, _align_hybrid_block_size).
    """
    rows = [
        (i, mixer.kv_row)
        for i, layer in enumerate(architecture.layers)
        for mixer in layer.mixers
        if mixer.kv_row is not None
    ]
    states = [
        (i, mixer.state)
        for i, layer in enumerate(architecture.layers)
        for mixer in layer.mixers
        if mixer.state is not None
    ]
    state_bytes = max((state_page_bytes(s, settings) for _, s in states), default=0)
    block_size = _block_size([row for _, row in rows], state_bytes, settings)
    found = [
        (i, cache)
        for i, row in rows
        for cache in (
            _compressed_caches(row, settings)
            if packs_pages(architecture)
            else _row_caches(row, block_size, settings)
        )
    ]
    if states:
        pages = 1 + settings.speculative_tokens + settings.prefix_caching
        padded = max(
            (c.page_bytes for _, c in found if c.kind is CacheKind.FULL), default=state_bytes
        )
        state = LayerCache(CacheKind.STATE, block_size, max(padded, state_bytes), pages)
        found += [(i, state) for i, _ in states]
        found.sort(key=lambda member: member[0])
    return found


@lru_cache(maxsize=256)
def cache_groups(
    architecture: Architecture,
    settings: CacheSettings,
    rules: PagingRules,
    drafted: Architecture | None = None,
) -> tuple[Group, ...]:
    """The groups of all layers, those of a drafting model numbered after the model's own."""
    caches = layer_caches(architecture, settings)
    if drafted is not None:
        first = len(architecture.layers)
        caches += [(first + i, cache) for i, cache in layer_caches(drafted, settings)]
    return tuple(group_layers(caches, rules, packed=packs_pages(architecture)))


def packs_pages(architecture: Architecture) -> bool:
    """Whether vLLM puts pages of several sizes side by side in a block, instead of equal ones.

    It does for caches of compressed rows (v1/attention/backends/mla/indexer.py, DeepSeek-V4).
    """
    return any(row.compressed is not None for row, _ in architecture.kv_rows)


def state_page_bytes(state: RecurrentState, settings: CacheSettings) -> int:
    """Bytes of one sequence's state of one layer on one rank.

    The convolution keeps one column less than its kernel, and one more per speculative token, in
    the model's format; the recurrence is in the same format unless the config or the kernels
    (Kimi's delta attention) ask for FP32. Of Mamba-2's groups, each rank holds at least one.
    """
    tp = settings.tensor_parallel
    model_bytes = 4 if settings.kv.name == "f32" else 2
    channels = state.conv_channels
    if state.groups and state.groups % tp:
        channels += (tp - state.groups) * state.group_channels // state.groups
    columns = state.conv_kernel - 1
    if state.kind is not StateKind.MAMBA1:
        columns += settings.speculative_tokens
    recurrent = _STATE_BYTES.get(state.recurrent_dtype, model_bytes)
    if state.kind is StateKind.KIMI_DELTA:
        recurrent = _STATE_BYTES.get(state.recurrent_dtype, 4)
    return (
        columns * ceil_div(channels, tp) * model_bytes
        + ceil_div(state.recurrent_elements, tp) * recurrent
    )


def _block_size(rows: list[KvRow], state_bytes: int, settings: CacheSettings) -> int:
    latent = any(row.latent for row in rows)
    indexed = any(row.indexer_dim for row in rows)
    own = LATENT_BLOCK_SIZE if latent else INDEXED_BLOCK_SIZE if indexed else BLOCK_SIZE
    asked = settings.block_size or own
    token_bytes = max(
        (
            row_bytes(row, settings.kv, settings.tensor_parallel)
            for row in rows
            if row.span.kind is SpanKind.FULL
        ),
        default=0,
    )
    if not state_bytes or not token_bytes:
        return asked
    step = max(asked, LATENT_HYBRID_ALIGNMENT) if latent else asked
    return step * ceil_div(state_bytes, step * token_bytes)


def _row_caches(row: KvRow, block_size: int, settings: CacheSettings) -> list[LayerCache]:
    kind = _SPANS[row.span.kind]
    cache = LayerCache(
        kind,
        block_size,
        block_size * row_bytes(row, settings.kv, settings.tensor_parallel),
        row.span.size,
        row.latent,
    )
    if not row.indexer_dim:
        return [cache]
    # Beside a latent cache the keys are FP8 with scales, beside grouped heads BF16 (MiniMax-M3).
    keys = fp8_key_bytes(row.indexer_dim) if row.latent else 2 * row.indexer_dim
    return [cache, replace(cache, page_bytes=block_size * keys)]


def _compressed_caches(row: KvRow, settings: CacheSettings) -> list[LayerCache]:
    """A window, what is compressed of the past, and FP32 states of the groups that are still open.

    A compressor that overlaps its halves (where an indexer picks among the rows) looks back twice
    its ratio and keeps both halves' keys and scores (vllm/models/deepseek_v4/).
    """
    packed = settings.kv.k.bits == 8
    width = COMPRESSED_FP8_BYTES if packed else settings.kv.k.row_bytes(row.k_dim)
    alignment = FP8_PAGE_ALIGNMENT if packed else PAGE_ALIGNMENT

    def cache(kind: CacheKind, tokens: int, page: int, span: int = 0) -> LayerCache:
        return LayerCache(kind, tokens, round_up(page, alignment), span, latent=True)

    window = COMPRESSED_WINDOW_BLOCK_SIZE
    found = [cache(CacheKind.SLIDING, window, window * width, row.span.size)]
    past = row.compressed
    if past is None:
        return found
    rows = COMPRESSED_BLOCK_SIZE // past.ratio
    found.append(cache(CacheKind.FULL, COMPRESSED_BLOCK_SIZE, rows * width))
    halves = 2 if past.indexer_dim else 1
    states = [past.dim]
    if past.indexer_dim:
        keys = rows * fp8_key_bytes(past.indexer_dim)
        found.append(cache(CacheKind.FULL, COMPRESSED_BLOCK_SIZE, keys))
        states.append(past.indexer_dim)
    tokens = COMPRESSOR_PAGE // (2 * halves * past.dim * 4)
    for dim in states:
        page = tokens * 2 * halves * dim * 4
        found.append(cache(CacheKind.SLIDING, tokens, page, halves * past.ratio))
    return found
