"""Predictions of measured runs of the other engines, from their launch options alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from llm_lander_tui.accuracy.fields import integer, number, numbers, text, words
from llm_lander_tui.accuracy.kv_names import logged_kv_format
from llm_lander_tui.accuracy.library import published
from llm_lander_tui.accuracy.records import Comparison, ModelOf, Predicted, Record, Skipped
from llm_lander_tui.engines.autoawq import AUTOAWQ, AutoAwqOptions
from llm_lander_tui.engines.autogptq import AUTOGPTQ, AutoGptqOptions
from llm_lander_tui.engines.base import Engine, Footprint, Kind
from llm_lander_tui.engines.exllama import EXLLAMA
from llm_lander_tui.engines.fastchat import FASTCHAT
from llm_lander_tui.engines.llamacpp import LLAMACPP
from llm_lander_tui.engines.lmdeploy import LMDEPLOY
from llm_lander_tui.engines.pool_footprint import PoolFootprint
from llm_lander_tui.engines.pytorch import PYTORCH, PyTorchOptions
from llm_lander_tui.engines.sglang import SGLANG, SglangOptions
from llm_lander_tui.engines.tensorrt_llm import TENSORRT_LLM, TensorRtOptions
from llm_lander_tui.engines.tgi import TGI
from llm_lander_tui.engines.torch_footprint import TorchFootprint
from llm_lander_tui.engines.transformers import TRANSFORMERS, TransformersOptions
from llm_lander_tui.errors import LanderError
from llm_lander_tui.formats import KvFormat, kv_format
from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.weights import Recipe, weights_of
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB

SHORT_PROMPT = 16
"""Tokens of a tool's default prompt, where the record states none."""
DEFAULT_NEW_TOKENS = {"pytorch": 50}
"""Tokens that a tool generates by default (litgpt generate)."""
MOST_GPUS = 1024
"""Of one scenario; a record with more is taken for a slip."""
UNKNOWN_MEMORY = 80 * GIB
"""Stands for a card that the record does not name; no asked quantity depends on it."""

_ENGINES: tuple[tuple[str, Engine], ...] = (
    ("litgpt", PYTORCH),
    ("gpt-fast", PYTORCH),
    ("torchao", PYTORCH),
    ("autogptq", AUTOGPTQ),
    ("gptq-for-llama", AUTOGPTQ),
    ("autoawq", AUTOAWQ),
    ("exllama", EXLLAMA),
    ("sglang", SGLANG),
    ("tensorrt", TENSORRT_LLM),
    ("trt", TENSORRT_LLM),
    ("tgi", TGI),
    ("text-generation-inference", TGI),
    ("lmdeploy", LMDEPLOY),
    ("fastchat", FASTCHAT),
    ("llama.cpp", LLAMACPP),
    ("optimum", TRANSFORMERS),
    ("transformers", TRANSFORMERS),
    ("deepspeed", TRANSFORMERS),
)
"""How a record's engine is written, and which engine it is; the first that occurs decides."""


def predict(record: Record, model_of: ModelOf) -> Predicted:
    """The comparisons of one record, or why there are none.

    Raises `LanderError` when the model or its format cannot be read.
    """
    usable = words(record, "usable")
    if not usable:
        return Skipped("no usable quantity")
    config = text(record, "config")
    if config is None:
        return Skipped("no config of the model")
    if any(not 0 <= (integer(record, name) or 0) <= MOST_GPUS for name in ("n_gpus", "tp")):
        return Skipped("its number of GPUs is none that can be planned")
    run = _Run(record, published(record, model_of(config)))
    found = [c for quantity in usable if (c := run.comparison(quantity)) is not None]
    return found or Skipped(f"cannot predict {', '.join(usable)}")


class _Run:
    """A measured run: the scenario that its options describe, and what was measured."""

    def __init__(self, record: Record, model: Model) -> None:
        self._record = record
        self._measured = numbers(record, "measured")
        self._model = model
        self._engine = _engine(text(record, "engine") or "")

    def comparison(self, quantity: str) -> Comparison | None:
        """Measured and predicted value of a quantity; None where either is missing."""
        answers: Mapping[str, Callable[[], tuple[float, float] | None]] = {
            "process_total": self._process_total,
            "weights_per_gpu": self._weights,
            "kv_bytes_per_token": self._bytes_per_token,
            "kv_capacity_tokens": self._capacity,
            "available_kv": self._available,
            "state_buffers": self._states,
            "cudagraph": self._graphs,
            "activation_peak": self._activation,
            "file_size": self._file_size,
        }
        answer = answers[quantity]() if quantity in answers else None
        return None if answer is None else Comparison(quantity, *answer)

    def _gib(self, *names: str) -> float | None:
        """The first of the measured fields, in bytes; `_per_gpu` may follow a name."""
        for name in names:
            for full in (name, f"{name}_per_gpu"):
                if full in self._measured:
                    return self._measured[full] * GIB
        return None

    def _file_size(self) -> tuple[float, float] | None:
        size = self._measured.get("model_size_mib")
        if size is None:
            return None
        recipe = _stored(self._record, self._model)
        if recipe.family == "bnb" and not self._model.quantization:
            # bitsandbytes quantises while loading: the file is the 16-bit checkpoint.
            recipe = recipes.get(self._model.architecture.dtype)
        return size * MIB, weights_of(self._model.architecture, recipe).bytes

    def _process_total(self) -> tuple[float, float] | None:
        found = _process_bytes(self._measured)
        if found is None or self._engine is None:
            return None
        measured, per_gpu = found
        scenario = _scenario(self._record, self._model, self._engine)
        footprint = self._engine.footprint(scenario)
        if isinstance(footprint, TorchFootprint):
            each = _torch_bytes(footprint, scenario, self._measured)
        else:
            each = _started_bytes(footprint, scenario)
        return measured, max(each) if per_gpu else sum(each)

    def _pool(self) -> PoolFootprint | None:
        if self._engine is None:
            return None
        scenario = _scenario(self._record, self._model, self._engine)
        footprint = self._engine.footprint(scenario)
        return footprint if isinstance(footprint, PoolFootprint) else None

    def _weights(self) -> tuple[float, float] | None:
        measured = self._gib("weights_gib", "model_gib")
        if measured is None:
            return None
        pool = self._pool()
        return measured, self._held(Kind.WEIGHTS) if pool is None else pool.weight_bytes(0)

    def _held(self, kind: Kind) -> int:
        """What the fullest GPU holds of a kind, on an engine without a pool."""
        if self._engine is None:
            return 0
        scenario = _scenario(self._record, self._model, self._engine)
        made = self._engine.footprint(scenario).allocations(scenario.context, scenario.concurrency)
        gpus = range(len(scenario.gpus))
        return max(sum(a.bytes for a in made if (a.gpu, a.kind) == (gpu, kind)) for gpu in gpus)

    def _kv_bytes(self) -> float | None:
        """KV memory on one GPU as measured."""
        whole = self._gib("kv_gib")
        if whole is not None:
            return whole
        k, v = self._gib("k_gib"), self._gib("v_gib")
        if k is not None and v is not None:
            return k + v
        return self._measured.get("kv_bytes")

    def _bytes_per_token(self) -> tuple[float, float] | None:
        size, tokens, pool = self._kv_bytes(), self._measured.get("kv_tokens"), self._pool()
        if size is None or not tokens:
            return None
        if pool is not None:
            return size / tokens, pool.bytes_per_token(0)
        held = integer(self._record, "context"), integer(self._record, "batch") or 1
        if not held[0]:
            return None
        return size / tokens, self._held(Kind.KV_CACHE) / (held[0] * held[1])

    def _capacity(self) -> tuple[float, float] | None:
        tokens = self._measured.get("kv_tokens") or self._measured.get("max_batch_total_tokens")
        pool = self._pool()
        return (tokens, pool.pool_tokens(0)) if tokens and pool is not None else None

    def _available(self) -> tuple[float, float] | None:
        size, pool = self._kv_bytes(), self._pool()
        return (size, pool.pool_bytes(0)) if size is not None and pool is not None else None

    def _states(self) -> tuple[float, float] | None:
        slots, pool = self._measured.get("mamba_slots"), self._pool()
        conv, recurrent = self._gib("conv_state_gib"), self._gib("ssm_state_gib")
        size = self._gib("mamba_state_gib")
        if size is None and conv is not None and recurrent is not None:
            size = conv + recurrent
        if slots is None or size is None or pool is None:
            return None
        return size, slots * pool.state_bytes(0)

    def _graphs(self) -> tuple[float, float] | None:
        size, pool = self._gib("cuda_graph_gib"), self._pool()
        return (size, pool.rules.graphs.bytes) if size is not None and pool is not None else None

    def _activation(self) -> tuple[float, float] | None:
        size, pool = self._gib("activation_gib"), self._pool()
        if size is None or pool is None:
            return None
        return size, pool.rules.activations.bytes


def engine_id(name: str) -> str | None:
    """The id of the engine that a record writes as `name`; None for one that is not planned."""
    engine = _engine(name)
    return None if engine is None else engine.id


def _engine(name: str) -> Engine | None:
    lower = name.lower()
    return next((engine for written, engine in _ENGINES if written in lower), None)


_TOTALS = ("gpu_mem_gib", "max_memory_allocated_gib", "peak_allocated_gib", "peak_reserved_gib")


def _process_bytes(measured: Mapping[str, float]) -> tuple[float, bool] | None:
    """Measured bytes, and whether they are of the fullest GPU rather than of all together.

    A "gb" beside a "gib" of the same number is the decimal of it; alone, it is the GiB of the Qwen
    and AutoAWQ benchmark scripts.
    """
    per_gpu = measured.get("gpu_mem_gib_per_gpu")
    if per_gpu is not None:
        return per_gpu * GIB, True
    for name in (*_TOTALS, "peak_gib", "gpu_mem_gb"):
        if name in measured:
            return measured[name] * GIB, False
    for name in ("gpu_mem_mb", "gpu_mem_mib", "peak_mib"):
        if name in measured:
            return measured[name] * MIB, False
    return None


def _torch_bytes(
    footprint: TorchFootprint, scenario: Scenario, measured: Mapping[str, float]
) -> list[int]:
    """What a record's kind of number counts, per GPU.

    `gpu_mem_mb` is what stays allocated between steps, without the peak of the prompt; `peak_gib`
    and `gpu_mem_mib` are the process as the driver sees it; all others are PyTorch's peak.
    """
    context, batch = scenario.context, scenario.concurrency
    if "gpu_mem_mb" in measured:
        return footprint.kept(context, batch)
    if "peak_gib" in measured or "gpu_mem_mib" in measured or "peak_mib" in measured:
        return list(footprint.needed(context, batch))
    return footprint.allocated(context, batch)


def _started_bytes(footprint: Footprint, scenario: Scenario) -> list[int]:
    """What a server holds for the load alone, without what its budget rule keeps free."""
    found = [0] * len(scenario.gpus)
    for a in footprint.allocations(scenario.context, scenario.concurrency):
        if a.gpu >= 0 and a.kind is not Kind.RESERVED:
            found[a.gpu] += a.bytes
    return found


def _scenario(record: Record, model: Model, engine: Engine) -> Scenario:
    gpus = (_gpu(record),) * max(1, integer(record, "n_gpus") or 1)
    new = integer(record, "output_len")
    context = integer(record, "context")
    if context is None:
        new = new or DEFAULT_NEW_TOKENS.get(engine.id, 0)
        context = (integer(record, "input_len") or SHORT_PROMPT) + new
    return Scenario(
        model,
        engine,
        _stored(record, model),
        _kv(record, model),
        gpus,
        context,
        concurrency=integer(record, "batch") or 1,
        margin_bytes=0,
        tensor_parallel=(integer(record, "tp") or 1) if engine.tensor_parallel else 1,
        options=_options(record, engine, new),
    )


def _options(record: Record, engine: Engine, new: int | None) -> object | None:
    made: dict[str, Callable[[], object]] = {
        "transformers": lambda: TransformersOptions(
            attention=_attention(record), max_new_tokens=new, release=_release(record)
        ),
        "autoawq": lambda: AutoAwqOptions(max_new_tokens=new),
        "autogptq": lambda: AutoGptqOptions(attention=_attention(record), max_new_tokens=new),
        "pytorch": lambda: PyTorchOptions(max_new_tokens=new),
        "sglang": lambda: SglangOptions(mem_fraction_static=_stated(record, "mem_fraction_static")),
        "tensorrt-llm": lambda: _tensorrt(record),
    }
    return made[engine.id]() if engine.id in made else None


def _tensorrt(record: Record) -> TensorRtOptions:
    default = TensorRtOptions()
    tokens, sequences = _stated(record, "max_num_tokens"), _stated(record, "max_num_requests")
    return TensorRtOptions(
        free_gpu_memory_fraction=_stated(record, "free_gpu_memory_fraction")
        or default.free_gpu_memory_fraction,
        max_num_tokens=default.max_num_tokens if tokens is None else round(tokens),
        max_batch_size=default.max_batch_size if sequences is None else round(sequences),
    )


def _stated(record: Record, option: str) -> float | None:
    """An option as a field of its own, else as the log's text has it ("--max-num-tokens 8192")."""
    value = number(record, option)
    if value is not None:
        return value
    pattern = option.replace("_", "[-_]") + r"[\s=:]*(\d+(?:\.\d+)?)"
    for name in ("options", "quote", "notes"):
        found = re.search(pattern, text(record, name) or "")
        if found:
            return float(found[1])
    return None


_RELEASES = (("2024-10", "4.40"), ("2025-03", "4.46"), ("2025-12", "4.51"))
_VERSIONS = (((4, 45), "4.40"), ((4, 50), "4.46"), ((5, 0), "4.51"))
_SDPA_SINCE = "2023-12"
"""Release of Transformers 4.36, whose default attention is SDPA."""


def _release(record: Record) -> str:
    """The rules of the record's Transformers: by its version, else by the date of the record."""
    version = text(record, "engine_version") or ""
    found = re.search(r"transformers[ =]+v?(\d+)\.(\d+)", version)
    if found:
        number_ = (int(found[1]), int(found[2]))
        return next((release for end, release in _VERSIONS if number_ < end), "5")
    date = text(record, "date") or ""
    return next((release for end, release in _RELEASES if date < end), "5")


def _attention(record: Record) -> Attention:
    stated = f"{text(record, 'engine_version') or ''} {text(record, 'attention') or ''}".lower()
    if re.search(r"\bfa ?2?\b|flash", stated):
        return Attention.FLASH
    if "eager" in stated or (text(record, "date") or _SDPA_SINCE) < _SDPA_SINCE:
        return Attention.EAGER
    return Attention.SDPA


def _stored(record: Record, model: Model) -> Recipe:
    """The checkpoint's own recipe where the config has one, else the format that is named."""
    if model.quantization and text(record, "config_match") == "exact":
        return recipe_of(model)
    return recipes.get(text(record, "weight_format") or "bf16")


def _kv(record: Record, model: Model) -> KvFormat:
    name = text(record, "kv_format")
    if name is None:
        return kv_format("f16" if model.architecture.dtype == "float16" else "bf16")
    return logged_kv_format(name)


def _gpu(record: Record) -> Gpu:
    """The card by its catalogue entry, or one of unknown size."""
    name = text(record, "gpu_name")
    if name is not None:
        try:
            return catalog.hypothetical(catalog.find(name), 0)
        except LanderError:
            name = f"{name} (not in the catalogue)"
    return Gpu(
        0,
        name or "unknown card",
        UNKNOWN_MEMORY,
        used_bytes=0,
        free_bytes=UNKNOWN_MEMORY,
        hypothetical=True,
    )
