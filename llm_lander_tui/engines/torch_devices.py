"""Each GPU's share of a model that runs as PyTorch modules, as coefficients of the load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from llm_lander_tui.engines.beside import Beside, beside_modules
from llm_lander_tui.engines.layer_kinds import (
    Counted,
    Counts,
    Rows,
    counts,
    of_counts,
    places,
    row_sets,
)
from llm_lander_tui.engines.torch_rules import Cache, TorchRules, even_layers, place_layers
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.gpus.context import ContextSize, cuda_context_bytes
from llm_lander_tui.memory.activations import (
    ForwardPass,
    Stage,
    expanded_stage,
    largest_stages,
    layer_stages,
    mask_bytes,
)
from llm_lander_tui.memory.allocator import cublas_workspace, weights_held
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.memory.weights import Recipe, Weights, WeightTensor, weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import LatentAttention
from llm_lander_tui.models.cache import FULL, KvRow, RecurrentState
from llm_lander_tui.models.tensors import Part, Tensor
from llm_lander_tui.planner.scenario import Scenario

INDEX_BYTES = 32
"""Token ids, mask, positions and cache positions, 64-bit each, per token."""
SIXTEEN_BIT = 2
"""Bytes of an element that a quantised cache leaves alone."""
LOGIT_BYTES = 4
"""FP32 copy of the logits that sampling works on."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU's share, as coefficients of context and concurrency."""

    weights: int
    rounding: int
    reserved: int
    layers: range
    rows: tuple[Rows, ...]
    state: int
    stages: tuple[Stage, ...]
    masks: int
    """Bytes per (query, key) pair of attention masks."""
    stream: int
    """Bytes per token beside the layers: input embeddings, positions."""
    growth: int
    """Bytes per token of the largest tensor that a concatenation makes anew."""
    logits: int
    """Bytes per row of logits; 0 without the head."""
    hidden: int
    """Bytes per token of the hidden states that the head reads."""
    loading: int
    """Bytes of weights that the loader holds twice before the first step."""
    fixed: int
    context: ContextSize
    beside: Beside


def devices(scenario: Scenario, rules: TorchRules) -> list[Device]:
    """The share of each GPU of the scenario."""
    architecture = scenario.model.architecture
    weights = weights_of(architecture, scenario.weights)
    tied = architecture.tied_embeddings
    if tied and rules.unties_head:
        weights, tied = untied(weights, scenario.weights), False
    gpus = scenario.gpus
    where = places(weights, len(architecture.layers))
    sizes, before, after = where.layers, where.before, where.after
    if rules.embedding_on_host:
        before -= where.embedding
    if rules.even_layers:
        ranges = even_layers(len(sizes), max(1, len(gpus)))[: len(gpus)]
        before, after = before + after, 0
    else:
        ranges = place_layers(sizes, before, after, [gpu.free_bytes for gpu in gpus])
    how = _forward_pass(scenario, rules)
    element = how.element
    masks = _masks(architecture, how)
    head_first = tied or rules.even_layers
    head_gpu = 0 if head_first else len(gpus) - 1
    head, rotated = _quantised_head(weights), _rotated(architecture)
    buffers = sum(b.bytes for b in rules.buffers)
    found = []
    for gpu, layers in enumerate(ranges):
        first, last = gpu == 0, gpu == len(gpus) - 1
        own = sum(sizes[i] for i in layers) + first * before + last * after
        rounding = spare = 0
        if len(gpus) == 1 and not rules.one_arena:
            memory = weights_held(weights, layers, outer=True)
            rounding = max(0, memory.allocated - own)
            spare = max(0, memory.reserved - memory.allocated)
        share = _share(architecture, counts(architecture, layers), scenario.kv, rules, how)
        stages = share.stages
        if how.dequantised_copies and gpu == head_gpu and head is not None:
            stages = largest_stages((*stages, expanded_stage(head, 0, how)))
        tables = 0
        if rules.rope_tables and architecture.context_limit is not None:
            positions = architecture.context_limit.trained
            tables = len(layers) * positions * rotated * 2 * element
        found.append(
            Device(
                weights=own,
                rounding=rounding,
                reserved=spare,
                layers=layers,
                rows=share.rows,
                state=share.state,
                stages=stages,
                masks=masks,
                stream=element * (first * architecture.hidden_size + 2 * rotated) + INDEX_BYTES,
                growth=share.growth,
                logits=(element + LOGIT_BYTES) * architecture.vocab_size * (gpu == head_gpu),
                hidden=element * architecture.hidden_size,
                loading=_loaded_twice(weights, layers, rules, head=tied and first),
                fixed=cublas_workspace(gpus[gpu]) + tables + buffers,
                context=cuda_context_bytes(gpus[gpu], "torch"),
                beside=beside_modules(scenario, layers, first=first),
            )
        )
    return found


def _forward_pass(scenario: Scenario, rules: TorchRules) -> ForwardPass:
    return ForwardPass(
        rules.attention,
        rules.experts,
        element=4 if scenario.weights.name == "FP32" else 2,
        half=scenario.kv.name == "f16" or scenario.weights.name == "FP16",
        repeats_kv=rules.repeats_kv,
        dequantised_copies=rules.dequantises * rules.dequantised_copies,
    )


@dataclass(frozen=True, slots=True)
class _Share:
    """What some layers do whatever their weights are stored in; see `Device`."""

    rows: tuple[Rows, ...]
    state: int
    stages: tuple[Stage, ...]
    growth: int


@lru_cache(maxsize=1024)
def _share(
    architecture: Architecture, kinds: Counts, kv: KvFormat, rules: TorchRules, how: ForwardPass
) -> _Share:
    """What so many layers of each kind do, which all weight formats have in common."""
    mine = of_counts(architecture, kinds)
    return _Share(
        _rows(mine, kv, rules),
        sum(n * _state_bytes(m.state) for _, x, n in mine for m in x.mixers if m.state),
        largest_stages([s for kind, _, _ in mine for s in _stages(architecture, kind, how)]),
        _growth(mine, kv, rules),
    )


@lru_cache(maxsize=1024)
def _stages(architecture: Architecture, kind: int, how: ForwardPass) -> tuple[Stage, ...]:
    """The stages of one kind of layer."""
    return layer_stages(architecture.layer_groups[kind][0], architecture.hidden_size, how)


@lru_cache(maxsize=1024)
def _masks(architecture: Architecture, how: ForwardPass) -> int:
    return mask_bytes([layer for layer, _ in architecture.layer_groups], how)


@lru_cache(maxsize=1024)
def _quantised_head(weights: Weights) -> Tensor | None:
    """The output head when it is stored in fewer than 16 bits an element."""
    for t in weights.tensors:
        matrix = t.tensor
        if matrix.part is Part.LM_HEAD and matrix.linear and t.bytes < 2 * matrix.elements:
            return matrix
    return None


@lru_cache(maxsize=256)
def untied(weights: Weights, recipe: Recipe) -> Weights:
    """The weights with the embedding a second time as a head in the recipe's storage for heads."""
    embedding = next(t for t in weights.tensors if t.tensor.part is Part.EMBEDDING)
    head = replace(
        embedding.tensor, name="output", module="lm_head", part=Part.LM_HEAD, linear=True
    )
    storage = recipe.head if isinstance(recipe, LinearRecipe) else None
    added = WeightTensor(None, head, storage or embedding.storage)
    return Weights((*weights.tensors, added))


@lru_cache(maxsize=1024)
def _loaded_twice(weights: Weights, layers: range, rules: TorchRules, *, head: bool) -> int:
    total = 0
    if rules.fuses_qkv:
        total += sum(
            t.bytes
            for t in weights.tensors
            if t.layer is not None and t.layer in layers and t.tensor.name in QKV
        )
    if rules.loads_head and head:
        total += next(t.bytes for t in weights.tensors if t.tensor.part is Part.EMBEDDING)
    return total


QKV = frozenset({"attn_q", "attn_k", "attn_v"})
"""Matrices that a fusing loader copies into one."""


def _rotated(architecture: Architecture) -> int:
    dims = [table.dim for table in architecture.rope]
    return max(dims, default=0)


def _row_bytes(row: KvRow, kv: KvFormat, layer: Layer, rules: TorchRules) -> int:
    """Bytes that a layer caches for one token."""
    if row.latent and rules.latent_expanded:
        mixer = next(m for m in layer.mixers if isinstance(m, LatentAttention))
        k = mixer.heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim)
        return kv.k.row_bytes(k) + kv.v.row_bytes(mixer.heads * mixer.v_head_dim)
    if row.latent and rules.keeps_latent_rope:
        latent = row.k_dim - row.latent_rope_dim
        kept = SIXTEEN_BIT * (row.latent_rope_dim + row.indexer_dim)
        return kv.k.row_bytes(latent) + _quantised_scales(latent, kv) + kept
    size = kv.k.row_bytes(row.k_elements + row.indexer_dim) + kv.v.row_bytes(row.v_elements)
    return size + _quantised_scales(row.elements, kv)


QUANTISED_GROUP = 64
"""Elements that share a 16-bit scale and shift in QuantizedCache (q_group_size)."""


def _quantised_scales(elements: int, kv: KvFormat) -> int:
    return 4 * elements // QUANTISED_GROUP if kv.k.name in {"int8", "int4"} else 0


def _rows(layers: Counted, kv: KvFormat, rules: TorchRules) -> tuple[Rows, ...]:
    return row_sets(
        layers,
        kv,
        lambda layer, row: _row_bytes(row, kv, layer, rules),
        last_missing=rules.cache is Cache.DYNAMIC,
    )


def _growth(layers: Counted, kv: KvFormat, rules: TorchRules) -> int:
    """Bytes per token of the keys (or values) of the layer that caches most."""
    largest = 0
    for _, layer, _ in layers:
        for mixer in layer.mixers:
            row = mixer.kv_row
            if row is not None and row.span == FULL:
                size = _row_bytes(row, kv, layer, rules)
                largest = max(largest, size // (1 if row.latent else 2))
    return largest


def _state_bytes(state: RecurrentState) -> int:
    """Recurrent state of a layer and sequence: 16-bit convolution inputs, FP32 recurrence."""
    return 2 * state.conv_channels * state.conv_kernel + 4 * state.recurrent_elements
