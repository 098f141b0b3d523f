"""Predictions of llama.cpp's buffers: measured logs, and answers of its own allocator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from llm_lander_tui.accuracy.fields import integer, number, numbers, text, words
from llm_lander_tui.accuracy.kv_names import logged_kv_format
from llm_lander_tui.accuracy.library import published
from llm_lander_tui.accuracy.records import Comparison, ModelOf, Predicted, Record, Skipped
from llm_lander_tui.engines.base import HOST
from llm_lander_tui.engines.llamacpp import LLAMACPP, FlashAttention, LlamaCppOptions
from llm_lander_tui.engines.llamacpp.builds import Build, build_at
from llm_lander_tui.engines.llamacpp.cache import Cells, cells_of
from llm_lander_tui.engines.llamacpp.footprint import MOST_SLOTS, LlamaCppFootprint
from llm_lander_tui.errors import UsageError
from llm_lander_tui.formats import KvFormat, kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.gguf_mix import GgufRecipe, named_mix
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB

_UNTOLD_MEMORY = 80 * GIB
_DEFAULT_UBATCH = 512
_DEFAULT_BATCH = 2048
_MOST_GPUS = 16
"""GGML_CUDA_MAX_DEVICES."""
_LATE_ROLLBACK = 10200
"""Build from which a sequence keeps one state more than the tokens that are drafted (common.h)."""


_KIN = (
    "llama", "ggml", "gguf", "kobold", "lm studio", "lmstudio", "lucebox", "jan", "gpt4all",
    "localai", "ramalama", "text-generation-webui", "oobabooga",
)  # fmt: skip
"""Programs that run llama.cpp, as records write them (ollama and llamafile have it in the name)."""


def is_kin(engine: str) -> bool:
    """Whether an engine of that name is llama.cpp, a fork of it, or runs it."""
    return any(word in engine.lower() for word in _KIN)


def is_golden(record: Record) -> bool:
    """Whether a record is an answer of llama.cpp's allocator, or of a dry run of llama-quantize."""
    return isinstance(record.get("bytes"), Mapping) or (
        text(record, "quant") is not None and number(record, "mib") is not None
    )


def predict(record: Record, model_of: ModelOf) -> Predicted:
    """The comparisons of one record, of either schema; or why there are none.

    Raises `LanderError` when the model or its formats cannot be read.
    """
    config = text(record, "config")
    if config is None:
        return Skipped("no config of the model")
    if number(record, "mib") is not None and text(record, "quant") is not None:
        return _quantised_size(record, model_of(config))
    gpus = integer(record, "n_gpus") or 1
    slots = integer(record, "n_seq_max") or 1
    if not (0 < gpus <= _MOST_GPUS and 0 < slots <= MOST_SLOTS):
        return Skipped("more devices or sequences than llama.cpp takes")
    if isinstance(record.get("bytes"), Mapping):
        return tuple(_allocator_answer(record, model_of(config)))
    usable = words(record, "usable")
    if not usable:
        return Skipped("no usable quantity")
    launch = _Launch(record, published(record, model_of(config)))
    found = tuple(c for name in usable if (c := launch.comparison(name)) is not None)
    return found or Skipped(f"no figure for {', '.join(usable)}")


def _quantised_size(record: Record, model: Model) -> Predicted:
    """The tensor data of a dry run of llama-quantize (schema of gguf_sizes_golden)."""
    name, mib = text(record, "quant") or "", number(record, "mib") or 0.0
    recipe = named_mix(name if record.get("imatrix") is True else f"{name}-static")
    if recipe is None:
        return Skipped(f"no rule is known for {name}")
    return (Comparison("file_size", mib * MIB, recipe.storages(model.architecture).bytes),)


def _allocator_answer(record: Record, model: Model) -> Iterator[Comparison]:
    """Bytes by device with all options stated (schema of llamacpp_golden)."""
    slots = integer(record, "n_seq_max") or 1
    options = LlamaCppOptions(
        ubatch=_positive(record, "n_ubatch", _DEFAULT_UBATCH),
        batch=_positive(record, "n_batch", _DEFAULT_BATCH),
        flash_attention=_flash(record.get("flash_attn") is True),
        gpu_layers=integer(record, "ngl"),
        cpu_moe_layers=integer(record, "n_cpu_moe") or 0,
        kv_unified=record.get("kv_unified") is True,
        swa_full=record.get("swa_full") is True,
        kv_offload=record.get("offload_kqv") is not False,
        build=Build(logits_of_batch=(integer(record, "n_outputs") or 0) > slots),
    )
    k, v = text(record, "type_k") or "f16", text(record, "type_v") or "f16"
    kv = logged_kv_format(f"{k}/{v}")
    recipe = named_mix(text(record, "weight_format") or "f16")
    footprint = _footprint(model, recipe, kv, options, integer(record, "n_gpus") or 1)
    cells = cells_of(integer(record, "n_ctx") or 0, slots, options)
    working = footprint.working(cells)
    for device, held in _by_device(record).items():
        if device >= len(working.devices):
            continue
        compute = working.host if device == HOST else working.devices[device]
        yield Comparison("model_buffers", held["model"], footprint.model_bytes(device))
        yield Comparison("kv_buffers", held["context"], footprint.context_bytes(device, cells))
        yield Comparison("compute_buffers", held["compute"], compute)


def _by_device(record: Record) -> dict[int, dict[str, float]]:
    """Measured bytes by GPU, everything in host memory together; devices without any left out."""
    found: dict[int, dict[str, float]] = {}
    value = record.get("bytes")
    held: Mapping[str, object] = value if isinstance(value, Mapping) else {}
    for name in held:
        match = re.fullmatch(r"CUDA(\d+)", name)
        device = int(match[1]) if match else HOST
        sums = found.setdefault(device, {"model": 0.0, "context": 0.0, "compute": 0.0})
        for quantity, size in numbers(held, name).items():
            sums[quantity] = sums.get(quantity, 0.0) + size
    return found


class _Launch:
    """A log: the scenario that its options describe, and what it printed."""

    def __init__(self, record: Record, model: Model) -> None:
        self._record = record
        self._model = model
        self._measured = numbers(record, "measured")
        self._other = _nested(record, "measured", "other")
        self._words = text(record, "options") or ""
        build = build_at(_build_number(record), text(record, "date") or "")
        if text(record, "engine") == "ik_llama.cpp":
            # The fork caches the latent alone since its own -mla option.
            build = replace(build, latent_values=False)
        self._slots = self._slot_count(build)
        flash = record.get("flash_attn")
        self._options = LlamaCppOptions(
            ubatch=_positive(record, "n_ubatch", _DEFAULT_UBATCH),
            batch=_positive(record, "n_batch", _DEFAULT_BATCH),
            flash_attention=_flash(flash if isinstance(flash, bool) else build.flash_by_default),
            kv_unified=self._unified(build),
            build=replace(build, logits_of_batch=True) if "embeddings" in self._words else build,
        )

    def comparison(self, quantity: str) -> Comparison | None:
        """Measured and predicted value of a quantity; None where the log lacks a number."""
        answers = {
            "kv_buffers": self._kv,
            "state_buffers": self._state,
            "model_buffers": self._weights,
            "compute_buffers": self._compute,
            "file_size": self._file_size,
        }
        answer = answers[quantity]() if quantity in answers else None
        return None if answer is None else Comparison(quantity, *answer)

    def _slot_count(self, build: Build) -> int:
        """Slots as stated; a server's default where that is stated, else one (other programs)."""
        stated = integer(self._record, "n_seq_max")
        if stated:
            return stated
        return build.default_slots if "default np" in self._words else 1

    def _unified(self, build: Build) -> bool:
        """Slots that were asked for get caches of their own, default ones share one."""
        told = re.search(r"kv[_-]unified(?:=(true|false))?", self._words)
        if told:
            return told[1] != "false"
        if "separate streams" in (text(self._record, "usable_why") or ""):
            return False
        return build.default_slots in {1, self._slots}

    def _footprint(self, kv: KvFormat, recipe: Recipe | None = None) -> LlamaCppFootprint:
        recipe = recipe or GgufRecipe("F16")
        return _footprint(self._model, recipe, kv, self._options, 1)

    def _cells(self) -> Cells | None:
        context = integer(self._record, "n_ctx")
        return None if context is None else cells_of(context, self._slots, self._options)

    def _format(self) -> KvFormat:
        k, v = text(self._record, "type_k"), text(self._record, "type_v")
        if k and v:
            return logged_kv_format(f"{k}/{v}")
        return logged_kv_format(k or text(self._record, "kv_format") or "f16")

    def _cache_format(self) -> KvFormat:
        """The cache's format; the values' does not matter where there are none."""
        try:
            return self._format()
        except UsageError:
            if any(row.v_elements for row, _ in self._model.architecture.kv_rows):
                raise
            return logged_kv_format(text(self._record, "type_k") or "f16")

    @property
    def _states_kept(self) -> int:
        """States of a sequence: one, and those to roll back to when drafts are refused."""
        told = re.search(r"n_rs_seq=(\d+)", self._words) or re.search(
            r"\b(\d+) rs_seq\b", text(self._record, "quote") or ""
        )
        if told:
            return 1 + int(told[1])
        drafted = re.search(r"--spec-draft-n-max (\d+)", self._words)
        if drafted is None:
            return 1
        number_of_build = _build_number(self._record)
        early = number_of_build is not None and number_of_build < _LATE_ROLLBACK
        return int(drafted[1]) + (0 if early else 1)

    def _kv(self) -> tuple[float, float] | None:
        cells = self._cells()
        measured = self._measured.get("kv_self_size_mib")
        buffers = _nested(self._record, "measured", "kv_buffers_mib")
        contexts = sum(held.get("context", 0.0) for held in self._breakdown())
        with_state = False
        if measured is None and buffers:
            measured = sum(buffers.values())
        elif measured is None and contexts:
            measured, with_state = contexts, True
        if cells is None or not measured:
            return None
        footprint = self._footprint(self._cache_format())
        window = _nested(self._record, "measured", "swa_cache")
        only_full = "non_swa_mib" in window and measured <= window["non_swa_mib"] * 1.001
        predicted = footprint.kv_bytes(cells, windows=not only_full)
        if with_state:
            predicted += footprint.state_bytes(cells) * self._states_kept
        return measured * MIB, predicted

    def _state(self) -> tuple[float, float] | None:
        measured = self._other.get("rs_total_mib") or sum(
            _nested(self._record, "measured", "rs_buffers_mib").values()
        )
        per_sequence = self._other.get("state_mib_per_sequence")
        slots = self._slots * self._states_kept
        if per_sequence:
            measured, slots = per_sequence, 1
        if not measured:
            return None
        footprint = self._footprint(kv_format("f16"))
        return measured * MIB, footprint.state_bytes(Cells(0, 1, 1, 1, 1)) * slots

    def _weights(self) -> tuple[float, float] | None:
        buffers = _nested(self._record, "measured", "model_buffers_mib")
        measured = sum(buffers.values())
        measured = measured or sum(held.get("model", 0.0) for held in self._breakdown())
        used, host = self._other.get("vram_used_mib"), self._other.get("mem_required_mib")
        if not measured and used and host:
            measured = used + host
        recipe = self._stated_recipe()
        if not measured or recipe is None:
            return None
        layers = self._offloaded()
        footprint = _footprint(
            self._model,
            recipe,
            kv_format("f16"),
            replace(self._options, gpu_layers=layers),
            1,
        )
        return measured * MIB, footprint.model_bytes(0) + footprint.model_bytes(HOST)

    def _offloaded(self) -> int | None:
        told = re.match(r"(\d+)/\d+", text(self._record, "offloaded") or "")
        return int(told[1]) if told else integer(self._record, "ngl")

    def _compute(self) -> tuple[float, float] | None:
        cells = self._cells()
        buffers = _nested(self._record, "measured", "compute_buffers_mib")
        measured = buffers.get("CUDA0")
        if measured is None:
            measured = next(
                (h["compute"] for n, h in self._named_breakdown() if n.startswith("CUDA0")), None
            )
        if cells is None or measured is None:
            return None
        return measured * MIB, self._footprint(self._format()).working(cells).devices[0]

    def _file_size(self) -> tuple[float, float] | None:
        measured = number(self._record, "file_size_gib")
        recipe = self._stated_recipe()
        if measured is None or recipe is None:
            return None
        return measured * GIB, float(recipe.storages(self._model.architecture).bytes)

    def _stated_recipe(self) -> Recipe | None:
        name = text(self._record, "weight_format")
        return None if name is None else named_mix(name)

    def _named_breakdown(self) -> list[tuple[str, dict[str, float]]]:
        measured = self._record.get("measured")
        held = measured.get("breakdown") if isinstance(measured, Mapping) else None
        if not isinstance(held, Mapping):
            return []
        # A projection of a second context (MTP) is another allocation.
        return [(str(name), numbers(held, str(name))) for name in held if "MTP" not in str(name)]

    def _breakdown(self) -> list[dict[str, float]]:
        return [held for _, held in self._named_breakdown()]


def _footprint(
    model: Model, recipe: Recipe | None, kv: KvFormat, options: LlamaCppOptions, gpus: int
) -> LlamaCppFootprint:
    cards = tuple(
        Gpu(i, f"GPU {i}", _UNTOLD_MEMORY, 0, _UNTOLD_MEMORY, hypothetical=True)
        for i in range(gpus)
    )
    scenario = Scenario(model, LLAMACPP, recipe or GgufRecipe("F16"), kv, cards, 0, options=options)
    return LLAMACPP.footprint(scenario)


def _positive(record: Record, name: str, default: int) -> int:
    value = integer(record, name)
    return value if value is not None and value > 0 else default


def _flash(on: bool) -> FlashAttention:
    return FlashAttention.ON if on else FlashAttention.OFF


def _build_number(record: Record) -> int | None:
    """The build of llama.cpp itself: "b5466", "9893 (d75936111)"; forks number their own way."""
    if text(record, "engine") != "llama.cpp":
        return None
    told = re.match(r"b?(\d{3,6})\b", text(record, "engine_version") or "")
    return int(told[1]) if told else None


def _nested(record: Record, outer: str, inner: str) -> dict[str, float]:
    held = record.get(outer)
    return numbers(held, inner) if isinstance(held, Mapping) else {}
