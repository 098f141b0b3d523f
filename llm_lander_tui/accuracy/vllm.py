"""Predictions of vLLM start-up logs, and of the answers of vLLM's own KV planner.

Everything is predicted from the launch options; two quantities take a measured number as input:
bytes per token and the length that fits are functions of the KV memory, which the log states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llm_lander_tui.accuracy.fields import integer, number, numbers, text, words
from llm_lander_tui.accuracy.kv_names import logged_kv_format
from llm_lander_tui.accuracy.library import own_config
from llm_lander_tui.accuracy.records import Comparison, ModelOf, Predicted, Record, Skipped
from llm_lander_tui.accuracy.vllm_releases import release_of
from llm_lander_tui.engines.base import Kind
from llm_lander_tui.engines.vllm import VLLM, VllmFootprint, VllmOptions
from llm_lander_tui.engines.vllm.kv_planner import KvPlan, PagingRules
from llm_lander_tui.engines.vllm.layer_caches import CacheSettings, cache_groups, packs_pages
from llm_lander_tui.engines.vllm.options import rules_of
from llm_lander_tui.errors import LanderError, UsageError
from llm_lander_tui.formats import KvFormat, kv_format
from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.own_format import kv_format_of, recipe_of
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB

UNKNOWN_V0 = "0.7"
"""The release whose rules stand for the old engine where a log has neither release nor date."""
MOST_RANKS = 4096
MOST_TOKENS = 1 << 40
UNKNOWN_MEMORY = 80 * GIB
"""Stands for the card where neither name nor memory is told; only weights are asked then."""


def predict(record: Record, model_of: ModelOf) -> Predicted:
    """The comparisons of one record, of either schema; or why there are none.

    Raises `LanderError` when the model or its format cannot be read.
    """
    config = text(record, "config")
    if config is None:
        return Skipped("no config of the model")
    if "available_kv_bytes" in record:
        return _planner_answer(record, model_of(config))
    usable = words(record, "usable")
    if not usable:
        return Skipped("no usable quantity")
    launch = _Launch(record, model_of(config))
    found = [c for quantity in usable if (c := launch.comparison(quantity)) is not None]
    return found or Skipped(f"cannot predict {', '.join(usable)}")


def _planner_answer(record: Record, model: Model) -> Predicted:
    """Answers of the KV planner with the KV memory given (schema of vllm_golden)."""
    settings = CacheSettings(
        kv_format(text(record, "kv_format") or "bf16"),
        integer(record, "tp") or 1,
        prefix_caching=record.get("prefix_caching") is True,
    )
    rules = rules_of(VllmOptions(async_scheduling=record.get("async_scheduling") is True))
    paging = PagingRules(
        rules.in_flight_steps * (integer(record, "max_num_batched_tokens") or 0),
        rules.null_block,
        rules.hybrid,
        rules.capacity_by_request,
    )
    architecture = model.architecture
    layers = range(len(architecture.layers))
    plan = KvPlan(cache_groups(architecture, settings, paging), layers, paging)
    available = integer(record, "available_kv_bytes") or 0
    length = min(integer(record, "max_model_len") or 0, MOST_TOKENS)
    predicted: dict[str, Callable[[], int]] = {
        "num_blocks": lambda: plan.num_blocks(available),
        "capacity_tokens": lambda: plan.capacity_tokens(available, length),
        "estimated_max_model_len": lambda: plan.estimated_max_model_len(available, length),
    }
    return [
        Comparison(quantity, measured, answer())
        for quantity, answer in predicted.items()
        if (measured := number(record, quantity)) is not None
    ]


_KINDS = {"activation_peak": Kind.ACTIVATIONS, "cudagraph": Kind.GRAPHS}
"""Quantities that are one allocation, whose spread the plan states."""


class _Launch:
    """A start-up log: the scenario that its options describe, and what it printed."""

    def __init__(self, record: Record, model: Model) -> None:
        self._record = record
        self._measured = numbers(record, "measured")
        stated = integer(record, "max_model_len") or 0
        self._length = stated if 0 < stated < MOST_TOKENS else _trained(own_config(record, model))
        self._scenario = _scenario(record, model, self._length)
        self._footprint = VllmFootprint(self._scenario, _options(record))

    def comparison(self, quantity: str) -> Comparison | None:
        """Measured and predicted value of a quantity; None where the log lacks a number."""
        answers: Mapping[str, Callable[[], tuple[float, float] | None]] = {
            "weights_per_gpu": self._weights,
            "kv_bytes_per_token": self._bytes_per_token,
            "kv_capacity_tokens": self._capacity,
            "available_kv": self._available,
            "max_model_len": self._max_model_len,
            "activation_peak": self._activation,
            "cudagraph": self._graphs,
        }
        answer = answers[quantity]() if quantity in answers else None
        if answer is None:
            return None
        return Comparison(quantity, *answer, spread=self._spread(_KINDS.get(quantity)))

    def _spread(self, kind: Kind | None) -> float:
        """The spread that the plan states of an allocation."""
        if kind is None:
            return 0.0
        made = self._footprint.allocations(self._length, 1)
        return max((a.spread for a in made if a.kind is kind), default=0.0)

    @property
    def _plan(self) -> KvPlan:
        return self._footprint.plans[0]

    def _gib(self, name: str) -> float | None:
        value = self._measured.get(name)
        return None if value is None else value * GIB

    def _weights(self) -> tuple[float, float] | None:
        measured = self._gib("weights_gib")
        return None if measured is None else (measured, self._footprint.weight_bytes)

    def _activation(self) -> tuple[float, float] | None:
        measured = self._gib("activation_peak_gib")
        if measured is None:
            return None
        return measured, self._footprint.printed_activation(self._length)

    def _graphs(self) -> tuple[float, float] | None:
        measured = self._gib("cudagraph_gib")
        return None if measured is None else (measured, self._footprint.graph_bytes)

    def _available(self) -> tuple[float, float] | None:
        measured = self._gib("available_kv_gib")
        return None if measured is None else (measured, self._available_bytes())

    def _available_bytes(self) -> int:
        return self._footprint.available_kv(self._length)[0]

    def _bytes_per_token(self) -> tuple[float, float] | None:
        """With the available memory as printed: it divides by the tokens that it makes."""
        available = self._gib("available_kv_gib")
        measured = self._tokens()
        if available is None or not measured:
            return None
        predicted = self._predicted_tokens(round(available))
        return (available / measured, available / predicted) if predicted else None

    def _capacity(self) -> tuple[float, float] | None:
        measured = self._tokens()
        if not measured:
            return None
        return measured, max(0.0, self._predicted_tokens(max(0, self._available_bytes())))

    def _tokens(self) -> float | None:
        """The capacity as the log states it."""
        m = self._measured
        if (tokens := m.get("kv_cache_tokens")) is not None:
            return tokens
        if (blocks := m.get("gpu_blocks")) is not None:
            return blocks * m.get("block_size", self._plan.block_size)
        if (concurrency := m.get("max_concurrency")) is not None:
            return concurrency * m.get("max_concurrency_len", self._length)
        return None

    def _predicted_tokens(self, available: int) -> float:
        """The capacity in the sense of the line that the log has."""
        m, plan = self._measured, self._plan
        if "kv_cache_tokens" in m:
            return plan.capacity_tokens(available, self._length)
        if "gpu_blocks" in m:
            return plan.num_blocks(available) * plan.block_size
        length = round(m.get("max_concurrency_len", self._length))
        return plan.max_concurrency(available, length) * length

    def _max_model_len(self) -> tuple[float, float] | None:
        needed = self._gib("needed_kv_gib_for_max_len")
        if needed is not None:
            return needed, self._plan.block_bytes * self._plan.blocks(self._length)
        measured, available = (
            self._measured.get("estimated_max_model_len"),
            self._gib("available_kv_gib"),
        )
        if measured is None or available is None:
            return None
        return measured, self._plan.estimated_max_model_len(round(available), self._length)


def _trained(model: Model) -> int:
    limit = model.architecture.context_limit
    return 4096 if limit is None else limit.trained


def _scenario(record: Record, model: Model, length: int) -> Scenario:
    tp, pp, dp = (integer(record, name) or 1 for name in ("tp", "pp", "dp"))
    if not 0 < tp * pp * dp <= MOST_RANKS or min(tp, pp, dp) < 0:
        raise UsageError(
            "Not a launch", f"Tensor parallel {tp} x pipeline parallel {pp} x data parallel {dp}."
        )
    return Scenario(
        model,
        VLLM,
        _recipe(record, model),
        _kv(record, model),
        (_gpu(record),) * (tp * pp * dp),
        length,
        margin_bytes=0,
        tensor_parallel=tp,
        pipeline_parallel=pp,
        options=_options(record),
    )


def _recipe(record: Record, model: Model) -> Recipe:
    """The checkpoint's own recipe where the config has one, else the format that is named.

    A config that stands in for another repository's says how, unless that is of another method.
    """
    named = recipes.get(text(record, "weight_format") or "bf16")
    if not model.quantization:
        return named
    own = recipe_of(model)
    same = own.family == named.family or record.get("config_match") == "exact"
    return own if same else named


def _kv(record: Record, model: Model) -> KvFormat:
    """As stated; else as the checkpoint fixes it, else vLLM's default: the model's 16-bit format,
    and FP8 for compressed caches.
    """
    name = text(record, "kv_format")
    if name is not None:
        return logged_kv_format(name)
    if packs_pages(model.architecture):
        return kv_format("fp8")
    own = kv_format_of(model) if record.get("config_match") == "exact" else None
    return own or kv_format("f16" if model.architecture.dtype == "float16" else "bf16")


def _gpu(record: Record) -> Gpu:
    """The card by the memory that the log prints, else by its catalogue entry."""
    name = text(record, "gpu_name")
    total = number(record, "gpu_total_gib")
    try:
        card = catalog.hypothetical(catalog.find(name), 0) if name else None
    except LanderError:
        card = None
    if total is None and card is not None:
        return card
    size = UNKNOWN_MEMORY if total is None else round(total * GIB)
    return Gpu(
        0,
        name or "unknown card",
        size,
        used_bytes=0,
        free_bytes=size,
        hypothetical=True,
        spec=card.spec if card else None,
    )


def _options(record: Record) -> VllmOptions:
    v0 = record.get("v1") is False
    version = text(record, "engine_version")
    if version is None:
        version = release_of(text(record, "date"))
    if version is None:
        version = UNKNOWN_V0 if v0 else VllmOptions().version
    measured = numbers(record, "measured")
    block_size = measured.get("block_size")
    return VllmOptions(
        gpu_memory_utilization=number(record, "gpu_memory_utilization"),
        max_num_batched_tokens=integer(record, "max_num_batched_tokens"),
        max_num_seqs=integer(record, "max_num_seqs"),
        enforce_eager=record.get("enforce_eager") is True,
        block_size=None if block_size is None else round(block_size),
        cpu_offload_gb=measured.get("cpu_offload_gib", 0.0),
        data_parallel=max(1, integer(record, "dp") or 1),
        version=version,
        v0=v0,
    )
