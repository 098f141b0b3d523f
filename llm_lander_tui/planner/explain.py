"""Every number of a plan opened into its formula with the values put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llm_lander_tui.engines.base import Allocation, Known
from llm_lander_tui.formats import KvFormat
from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.cache import KvRow, SpanKind
from llm_lander_tui.planner.plan import Binding, Device, Plan
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import format_bytes, format_tokens


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a number is, how it comes about line by line, and how it is known."""

    title: str
    lines: tuple[str, ...]
    known: str
    source: str = ""


def explain_allocation(allocation: Allocation) -> Explanation:
    """One allocation: its sum, and how sure it is."""
    return Explanation(
        f"{allocation.kind.value} · {format_bytes(allocation.bytes)}",
        (allocation.why, f"= {allocation.bytes:,} bytes"),
        known_words(allocation),
        allocation.source,
    )


def known_words(allocation: Allocation) -> str:
    """How an allocation is known, in words: "exact", "calibrated ±6 %", "rough ±30 %"."""
    if allocation.known is Known.EXACT:
        return allocation.known.value
    spread = f" ±{allocation.spread:.0%}".replace("%", " %") if allocation.spread else ""
    return f"{allocation.known.value}{spread}"


def explain_context(plan: Plan) -> Explanation:
    """The largest context: the search, what binds it, and the three contexts."""
    limits = plan.limits
    scenario = plan.scenario
    lines = [
        f"The largest n in 0 … {format_tokens(limits.searched_to)} whose need on every GPU is "
        f"within its budget, with {scenario.concurrency} at once: "
        f"{format_tokens(limits.memory_context)}."
    ]
    lines += [
        f"{_places(plan, devices)}: budget {format_bytes(devices[0].budget.bytes)}: "
        f"{devices[0].budget.why}"
        for devices in _alike(plan.devices)
    ]
    limit = scenario.model.architecture.context_limit
    if limit is not None:
        lines.append(f"The model supports {format_tokens(limit.trained)}: {limit.why}.")
        if limit.extended is not None:
            lines.append(f"With RoPE scaling as its authors document: {limit.extended:,}.")
    binding = "memory" if limits.binding is Binding.MEMORY else "the model's own limit"
    lines.append(f"What binds is {binding}: {format_tokens(limits.max_context)} tokens.")
    lines.append(
        f"Safe {format_tokens(limits.safe_context)} (every uncertain term as large as its spread), "
        f"likely {format_tokens(limits.max_context)} (as computed), "
        f"limit {format_tokens(limits.hopeful_context)} (as small)."
    )
    return Explanation("largest context", tuple(lines), "by search over the plan's own terms")


def explain_weights(scenario: Scenario) -> Explanation:
    """The weights of the whole model by the format that each tensor is stored in."""
    weights = weights_of(scenario.model.architecture, scenario.weights)
    elements: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for stored, size in zip(weights.tensors, weights.sizes, strict=True):
        tensor = stored.tensor
        elements[stored.storage.name] += tensor.copies * tensor.rows * tensor.columns
        sizes[stored.storage.name] += size
    lines = [
        f"{elements[name]:,} in {name}: {size:,} bytes, {8 * size / max(1, elements[name]):.4g} "
        "bits each"
        for name, size in sizes.most_common()
    ]
    return Explanation(
        f"weights of the whole model · {format_bytes(weights.bytes)}",
        (*lines, f"= {weights.bytes:,} bytes before they are divided over GPUs"),
        Known.EXACT.value,
        f"tensor shapes of {scenario.model.name}, block layout of {scenario.weights.name}",
    )


def explain_cache(scenario: Scenario) -> Explanation:
    """What one token takes in the cache, by kind of layer, and what a sequence keeps beside it."""
    architecture, kv = scenario.model.architecture, scenario.kv
    lines = [f"{_layers(count)} {_row_sum(row, kv)}" for row, count in architecture.kv_rows]
    lines += [
        f"{_layers(count)} a state of {state.recurrent_elements:,} elements and "
        f"{state.conv_channels:,} x {state.conv_kernel} inputs of its convolution a sequence"
        for state, count in architecture.states
    ]
    return Explanation(
        "what a token takes in the cache",
        tuple(lines) or ("nothing: no layer keeps any",),
        Known.EXACT.value,
        "the model's config; engines round, copy and divide it as their sums below say",
    )


def _layers(count: int) -> str:
    return f"{count} layer{'s' if count > 1 else ''}:"


def _row_sum(row: KvRow, kv: KvFormat) -> str:
    """The bytes of a token in a layer, as a sum; formats with scales have bits to match."""
    size = (row.k_elements * kv.k.bits + row.v_elements * kv.v.bits) / 8
    if row.latent:
        head = f"a latent row of {row.k_dim} elements x {kv.k.bits:g} bits"
    else:
        heads = f"{row.kv_heads} KV head{'s' if row.kv_heads > 1 else ''}"
        head = f"{heads} x ({row.k_dim} x {kv.k.bits:g} + {row.v_dim} x {kv.v.bits:g} bits)"
    held = {
        SpanKind.FULL: "of every token",
        SpanKind.SLIDING: f"of the last {row.span.size:,} tokens",
        SpanKind.CHUNKED: f"of the {row.span.size:,} tokens of a chunk",
        SpanKind.CROSS: f"of {row.span.size:,} tokens of an encoder",
    }[row.span.kind]
    more = f", an indexer's {row.indexer_dim} elements beside them" if row.indexer_dim else ""
    return f"{head} / 8 = {size:,.10g} bytes {held}{more}"


def _alike(devices: Sequence[Device]) -> list[list[Device]]:
    """Neighbouring devices of one budget for one reason, taken together."""
    found: list[list[Device]] = []
    for device in devices:
        if found and found[-1][0].budget == device.budget:
            found[-1].append(device)
        else:
            found.append([device])
    return found


def _places(plan: Plan, devices: Sequence[Device]) -> str:
    gpus = plan.scenario.gpus
    first, last = gpus[devices[0].gpu].index, gpus[devices[-1].gpu].index
    return f"GPU {first}" if len(devices) == 1 else f"GPUs {first}-{last}, each of {len(devices)}"
