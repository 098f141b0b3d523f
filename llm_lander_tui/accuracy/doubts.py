"""What in a record's own facts may keep a figure from being predicted: derived, not looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llm_lander_tui.accuracy.fields import integer, number, numbers, text
from llm_lander_tui.accuracy.records import Record
from llm_lander_tui.units import GIB, MIB

_OF_THE_RUN = frozenset(
    ("activation_peak", "available_kv", "kv_capacity_tokens", "cudagraph", "process_total")
)
"""Quantities that hang on how a server is run, and not on the model and its formats alone."""
_OPTIONS = (
    ("gpu_memory_utilization", "utilization"),
    ("max_num_batched_tokens", "batched tokens"),
    ("max_num_seqs", "sequences"),
)
_UNITS = (("_gib", GIB), ("_gb", GIB), ("_mib", MIB), ("_mb", MIB), ("_tokens", 1))
_KV_FIGURES = ("available_kv_gib", "kv_gib", "k_gib", "kv_gib_per_gpu", "k_gib_per_gpu")


def doubts(record: Record, quantity: str) -> tuple[str, ...]:
    """Facts of a record that leave something of a figure open, in a few words each."""
    return tuple(_facts(record, quantity))


def _facts(record: Record, quantity: str) -> Iterator[str]:
    of_run = quantity in _OF_THE_RUN
    if of_run and record.get("v1") is False:
        yield "V0 engine"
    if record.get("model_confirmed") is False:
        yield "the model was inferred from the figures"
    stands_in = text(record, "config_match")
    if stands_in is not None and stands_in != "exact":
        yield f"config of another repository ({stands_in})"
    if "engine_version" in record and text(record, "engine_version") is None:
        yield "version not stated"
    if of_run and "gpu_name" in record and text(record, "gpu_name") is None:
        yield "card not named"
    silent = [word for name, word in _OPTIONS if name in record and number(record, name) is None]
    if of_run and silent:
        yield f"{', '.join(silent)} not stated: defaults taken"
    if record.get("lora"):
        yield "adapters are served, and count as what they are stated to be"
    if of_run and record.get("spec_decode"):
        yield "speculative decoding"
    cards = integer(record, "n_gpus") or 1
    if quantity == "process_total" and cards > 1:
        yield f"sum over {cards} cards, between which the layers may lie otherwise"
    why = text(record, "usable_why")
    if why:
        yield f"the record says: {why}"


def rounding(record: Record, quantity: str, measured: float) -> float:
    """Half of the last digit that the log prints of a figure, as a share of it; 0 if not known."""
    figures = numbers(record, "measured")
    if quantity == "kv_bytes_per_token":
        named = next((name for name in _KV_FIGURES if name in figures), None)
        return _half_step(record, named) / figures[named] if named and figures[named] else 0.0
    for name, value in figures.items():
        unit = next((unit for ending, unit in _UNITS if ending in name), 0)
        if unit and value and abs(value * unit - measured) < 1:
            return _half_step(record, name) / abs(value)
    return 0.0


def _half_step(record: Record, name: str) -> float:
    """Half of the last digit of a figure as it is written."""
    nested = record.get("measured")
    value = nested.get(name) if isinstance(nested, Mapping) else None
    if isinstance(value, int):
        return 0.5
    return 0.5 * 0.1 ** len(repr(value).partition(".")[2].partition("e")[0])
