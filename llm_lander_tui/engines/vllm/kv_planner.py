"""vLLM's paging of the KV cache: layer caches, their groups, and the blocks that a request takes.

The rules are those of vllm/v1/core/kv_cache_planning.py and v1/kv_cache_interface.py (0.33, and
what earlier versions did otherwise, as `PagingRules`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from llm_lander_tui.units import ceil_div

GROUP_RATIO = Fraction(3, 2)
"""Below this ratio of the most to the fewest layers of a kind, groups take the larger size."""


class CacheKind(StrEnum):
    """How many blocks a request of n tokens holds of a layer."""

    FULL = "full"
    SLIDING = "sliding"
    CHUNKED = "chunked"
    CROSS = "cross"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class LayerCache:
    """The cache of one layer on one rank: pages of `block_size` tokens in `page_bytes`.

    `span` is the window, the chunk or the encoder's tokens, and for a state the pages of one
    sequence. A latent cache cannot be padded to another layer's page.
    """

    kind: CacheKind
    block_size: int
    page_bytes: int
    span: int = 0
    latent: bool = False

    def blocks(self, length: int, in_flight: int) -> int:
        """Blocks that a request of `length` tokens holds at most, `in_flight` not yet settled.

        A window is freed only behind tokens that are done, so a request holds window - 1 and the
        tokens in flight, in one block more since the window may begin inside one.
        """
        if self.kind is CacheKind.FULL:
            return ceil_div(length, self.block_size)
        if self.kind is CacheKind.SLIDING:
            return ceil_div(min(self.span - 1 + in_flight, length), self.block_size) + 1
        if self.kind is CacheKind.CHUNKED:
            return ceil_div(min(self.span + in_flight, length), self.block_size)
        if self.kind is CacheKind.CROSS:
            return ceil_div(self.span, self.block_size)
        return self.span


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that share a block table: their positions in the model, and the bytes of each page."""

    cache: LayerCache
    layers: tuple[int, ...]
    pages: tuple[int, ...]

    def block_bytes(self, stage: range) -> int:
        """Bytes of one block in the layers of a pipeline stage."""
        return sum(p for i, p in zip(self.layers, self.pages, strict=True) if i in stage)


@dataclass(frozen=True, slots=True)
class PagingRules:
    """What varies between versions and launches.

    `in_flight` is how many tokens may be scheduled and not yet done; `null_block` whether the
    block that is held back counts in the start-up check; `hybrid` whether kinds of layers are
    grouped at all (otherwise every layer keeps every token); `tokens_per_request` whether the
    printed size is concurrency x max_model_len instead of blocks / groups x block size.
    """

    in_flight: int
    null_block: bool = True
    hybrid: bool = True
    tokens_per_request: bool = True


class KvPlan:
    """The block pool of one rank: bytes per block, and blocks per request."""

    def __init__(self, groups: Sequence[Group], stage: range, rules: PagingRules) -> None:
        self.groups = tuple(groups)
        self.rules = rules
        self.block_bytes = max((g.block_bytes(stage) for g in groups), default=0)
        self.block_size = min((g.cache.block_size for g in groups), default=0)
        counts: dict[LayerCache, int] = {}
        for group in groups:
            counts[group.cache] = counts.get(group.cache, 0) + 1
        self._growing: dict[int, int] = {}
        others = []
        for cache, count in counts.items():
            if cache.kind is CacheKind.FULL:
                size = cache.block_size
                self._growing[size] = self._growing.get(size, 0) + count
            else:
                others.append((cache, count))
        self._others = tuple(others)

    def blocks(self, length: int) -> int:
        """Blocks that a request of `length` tokens takes from the pool, all groups together."""
        found = 0
        for size, count in self._growing.items():
            found -= count * (-length // size)
        for cache, count in self._others:
            found += count * cache.blocks(length, self.rules.in_flight)
        return found

    def needed(self, length: int, requests: int = 1) -> int:
        """Bytes of a pool that holds so many requests, with the block that vLLM holds back."""
        if not self.block_bytes:
            return 0
        return self.block_bytes * (requests * self.blocks(length) + self.rules.null_block)

    def num_blocks(self, available: int) -> int:
        """Blocks that `available` bytes make; a model without any cache takes one of no size."""
        return available // self.block_bytes if self.block_bytes else 1

    def max_concurrency(self, available: int, max_model_len: int) -> float:
        """The log's "Maximum concurrency for N tokens per request"."""
        return self.num_blocks(available) / (self.blocks(max_model_len) or 1)

    def capacity_tokens(self, available: int, max_model_len: int) -> int:
        """The log's "GPU KV cache size", as the version means it."""
        blocks = self.num_blocks(available)
        if self.rules.tokens_per_request:
            return int(self.max_concurrency(available, max_model_len) * max_model_len)
        return blocks // (len(self.groups) or 1) * self.block_size

    def fits(self, available: int, length: int) -> bool:
        """The start-up check: whether one request of `length` tokens finds room."""
        return self.needed(length) <= available

    def estimated_max_model_len(self, available: int, max_model_len: int) -> int:
        """The longest request up to `max_model_len` that passes the check; 0 for none.

        It is what the refusal prints, and what `--max-model-len auto` takes.
        """
        lengths = range(1, max_model_len + 1)
        return bisect_left(lengths, True, key=lambda n: not self.fits(available, n))


def group_layers(
    caches: Sequence[tuple[int, LayerCache]], rules: PagingRules, *, packed: bool = False
) -> list[Group]:
    """Layer caches, as (position in the model, cache), in groups that draw from one pool.

    Caches of one kind make one group, each layer with its own page. Of several kinds, pages are
    made equal first; then every group gets as many layers as the rarest kind has (or the most
    frequent one, below a ratio of 1.5), the last groups of a kind being filled up. `packed` pages
    keep their sizes side by side in a block instead.
    """
    if not rules.hybrid:
        caches = [(i, _keeping_everything(cache)) for i, cache in caches]
    if not caches:
        return []
    if _same_table(cache for _, cache in caches):
        layers, members = zip(*caches, strict=True)
        return [Group(members[0], layers, tuple(cache.page_bytes for cache in members))]
    if packed:
        return _packed_groups(caches)
    kinds: dict[LayerCache, list[int]] = {}
    for i, cache in _equal_pages(caches):
        kinds.setdefault(cache, []).append(i)
    fewest, most = min(map(len, kinds.values())), max(map(len, kinds.values()))
    size = most if most < GROUP_RATIO * fewest else fewest
    groups = []
    for cache, positions in kinds.items():
        count = ceil_div(len(positions), size)
        for first in range(count):
            mine = tuple(positions[first::count])
            groups.append(Group(cache, mine, (cache.page_bytes,) * len(mine)))
    return groups


def _keeping_everything(cache: LayerCache) -> LayerCache:
    if cache.kind in (CacheKind.SLIDING, CacheKind.CHUNKED):
        return replace(cache, kind=CacheKind.FULL, span=0)
    return cache


def _same_table(caches: Iterable[LayerCache]) -> bool:
    """Whether all layers need the same blocks of a request, whatever the page of each."""
    return len({_table(c) for c in caches}) == 1


def _table(cache: LayerCache) -> tuple[CacheKind, int, int]:
    return cache.kind, cache.block_size, cache.span


def _packed_groups(caches: Sequence[tuple[int, LayerCache]]) -> list[Group]:
    """One group for each block table, split where a table's layers come in equal numbers by page.

    Such a table repeats a pattern of one layer per page size. Tables of several sizes stay whole,
    which sets how many repeats a group holds at least; the number that wastes least is taken.
    """
    tables: dict[tuple[CacheKind, int, int], dict[int, list[int]]] = {}
    first: dict[tuple[CacheKind, int, int], LayerCache] = {}
    for i, cache in caches:
        first.setdefault(_table(cache), cache)
        tables.setdefault(_table(cache), {}).setdefault(cache.page_bytes, []).append(i)
    repeats = {
        table: len(next(iter(pages.values())))
        for table, pages in tables.items()
        if len(set(map(len, pages.values()))) == 1
    }
    least = max((n for table, n in repeats.items() if len(tables[table]) > 1), default=0)
    per_group = _least_padding(tuple(repeats.values()), least) if least else 0
    groups = []
    for table, pages in tables.items():
        count = ceil_div(repeats[table], per_group) if per_group and table in repeats else 1
        for start in range(count):
            layers = tuple(i for positions in pages.values() for i in positions[start::count])
            sizes = tuple(
                page for page, positions in pages.items() for _ in positions[start::count]
            )
            groups.append(Group(first[table], layers, sizes))
    return groups


def _least_padding(numbers: Sequence[int], least: int) -> int:
    """The size from `least` up to whose multiples the numbers round with least waste."""
    sizes = range(least, max(numbers) + 1)
    return min(sizes, key=lambda size: (sum(-n % size for n in numbers), -size))


def _equal_pages(caches: Sequence[tuple[int, LayerCache]]) -> list[tuple[int, LayerCache]]:
    """Every page as large as the largest: by more tokens per block where they divide, else padded.

    A state has no tokens to add and is padded.
    """
    largest = max(cache.page_bytes for _, cache in caches)
    return [(i, _filled(cache, largest)) for i, cache in caches]


def _filled(cache: LayerCache, page_bytes: int) -> LayerCache:
    ratio, rest = divmod(page_bytes, cache.page_bytes)
    if rest or cache.kind is CacheKind.STATE:
        return replace(cache, page_bytes=page_bytes)
    return replace(cache, page_bytes=page_bytes, block_size=cache.block_size * ratio)
