"""Ollama: llama.cpp's server with Ollama's own defaults, reserve and choice of layers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import holds
from llm_lander_tui.engines.llamacpp import FlashAttention, LlamaCppOptions
from llm_lander_tui.engines.llamacpp.command import gguf_checkpoint, on_the_hub
from llm_lander_tui.engines.llamacpp.footprint import (
    MOST_SLOTS,
    LlamaCppFootprint,
    free_memory_budgets,
)
from llm_lander_tui.engines.llamacpp.offload import fits_budgets
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.planner.search import largest
from llm_lander_tui.units import GIB, MIB, format_bytes

RESERVE_BYTES = 457 * MIB
"""What Ollama's scheduler keeps free on a CUDA card (memory_models B.4)."""
CONTEXT_TIERS = ((48 * GIB, 262144), (24 * GIB, 32768), (0, 4096))
"""Total memory of all cards, and the context that a model gets there unless told otherwise
(docs/context-length.mdx)."""

AS_A_SERVICE = (
    "# Where Ollama runs as a service, set the variables of the next line there (sudo systemctl "
    "edit ollama, Environment=), restart it, and leave that line out"
)
UNTIL_READY = "for i in $(seq 30); do ollama list >/dev/null 2>&1 && break; sleep 1; done"
"""A server just started takes a moment before it answers `ollama create`."""


@dataclass(frozen=True, slots=True)
class OllamaOptions:
    """Ollama's knobs: model parameters and the server's environment.

    `num_gpu` None lets Ollama choose; it is planned as all layers.
    """

    num_batch: int = 512
    num_gpu: int | None = None
    flash_attention: bool = True
    gpu_overhead: int = 0
    """Bytes that OLLAMA_GPU_OVERHEAD keeps free on each card, beside the reserve."""

    @property
    def llamacpp(self) -> LlamaCppOptions:
        """The options that Ollama starts llama.cpp's server with."""
        return LlamaCppOptions(
            ubatch=self.num_batch,
            batch=self.num_batch,
            flash_attention=FlashAttention.ON if self.flash_attention else FlashAttention.OFF,
            gpu_layers=self.num_gpu,
            kv_unified=False,
        )


OPTIONS = (
    Option(
        "num_gpu",
        "num_gpu",
        "layers in GPU memory, counted from the head backwards",
        (None, *range(129)),
    ),
    Option(
        "num_batch",
        "num_batch",
        "tokens of a prompt that are computed at once",
        (128, 256, 512, 1024, 2048),
    ),
    Option(
        "flash_attention",
        "OLLAMA_FLASH_ATTENTION",
        "attention in one fused kernel, without a score matrix",
        (True, False),
    ),
    Option(
        "gpu_overhead",
        "OLLAMA_GPU_OVERHEAD",
        "bytes kept free on each card beside Ollama's own reserve",
        (0, 512 * MIB, GIB, 2 * GIB),
    ),
)


def default_context(gpus: Sequence[Gpu]) -> int:
    """The context that Ollama gives a model on these cards when nothing asks for another."""
    total = sum(gpu.total_bytes for gpu in gpus)
    return next(context for memory, context in CONTEXT_TIERS if total >= memory)


def own_context(model: Model, gpus: Sequence[Gpu]) -> int:
    """The context that Ollama gives this model there: no more than it was trained for."""
    limit, tier = model.architecture.context_limit, default_context(gpus)
    return tier if limit is None else min(tier, limit.trained)


class Ollama:
    """Ollama; see `engines.base.Engine`."""

    id = "ollama"
    title = "Ollama"
    kv_formats = ("f16", "q8_0", "q4_0")
    tensor_parallel = False
    options: tuple[Option, ...] = OPTIONS
    default_options = OllamaOptions()
    offload_options = ("num_gpu",)
    most_sequences = MOST_SLOTS

    def runs(self, recipe: Recipe, model: Model) -> bool:
        return recipe.family == "gguf"

    def footprint(self, scenario: Scenario) -> LlamaCppFootprint:
        options = own_options(scenario, OllamaOptions)
        reserve = RESERVE_BYTES + options.gpu_overhead
        budgets = free_memory_budgets(
            scenario.gpus,
            reserve + scenario.margin_bytes,
            f"({format_bytes(reserve)} that Ollama leaves, and the safety margin)",
        )
        own = own_context(scenario.model, scenario.gpus)
        whose = "the most it gives on" if own == default_context(scenario.gpus) else "whatever"
        notes = [f"Ollama's own num_ctx for this model: {own:,} tokens, {whose} these cards."]
        if options.num_gpu is None:
            notes.append("Ollama moves layers to host memory instead of refusing a model.")
        if len(scenario.gpus) > 1:
            notes.append("Ollama uses one card where the model fits on one.")
        return LlamaCppFootprint(scenario, options.llamacpp, budgets, tuple(notes))

    def offload(self, scenario: Scenario) -> tuple[str, int] | None:
        options, layers = (
            own_options(scenario, OllamaOptions),
            len(scenario.model.architecture.layers),
        )

        def fits(count: int) -> bool:
            footprint = self.footprint(replace(scenario, options=replace(options, num_gpu=count)))
            return fits_budgets(footprint, scenario)

        if fits(layers + 1):
            return None
        found = largest(fits, layers)
        return None if found is None else ("num_gpu", found)

    def command(self, scenario: Scenario, context: int) -> str:
        """The server with its environment, a Modelfile, and the model made of it."""
        options = own_options(scenario, OllamaOptions)
        slots = max(1, scenario.concurrency)
        flash = options.flash_attention or scenario.kv.name != "f16"
        environment = [
            f"OLLAMA_NUM_PARALLEL={slots}",
            f"OLLAMA_FLASH_ATTENTION={int(flash)}",
            f"OLLAMA_KV_CACHE_TYPE={scenario.kv.name}",
        ]
        if options.gpu_overhead:
            environment.append(f"OLLAMA_GPU_OVERHEAD={options.gpu_overhead}")
        if len(scenario.gpus) > 1:
            environment.append("OLLAMA_SCHED_SPREAD=1")
        server = on_cards(scenario.gpus, " ".join([*environment, "ollama serve"]))
        source, name, comment = _names(scenario)
        lines = [f"FROM {source}", f"PARAMETER num_ctx {context}"]
        lines.append(f"PARAMETER num_batch {options.num_batch}")
        if options.num_gpu is not None:
            lines.append(f"PARAMETER num_gpu {options.num_gpu}")
        modelfile = " ".join(shlex.quote(line) for line in lines)
        return (
            f"{comment}{AS_A_SERVICE}\n{server} &\n{UNTIL_READY}\n"
            f"printf '%s\\n' {modelfile} > Modelfile\n"
            f"ollama create {shlex.quote(name)} -f Modelfile && ollama run {shlex.quote(name)}"
        )


def _names(scenario: Scenario) -> tuple[str, str, str]:
    """Where the model comes from, for FROM, the name to give it, and a comment line or "".

    Ollama reads GGUF files of the Hub by the address of their repository; of one that is named by
    its file it takes the quantization.
    """
    model, weights = scenario.model, scenario.weights
    if holds(model, weights) and model.source == "ollama":
        source = model.name.removeprefix("ollama:")
        return source, f"{_tag(source)}-planned", ""
    if on_the_hub(scenario) and not model.name.endswith(".gguf"):
        return f"hf.co/{model.name}", f"{_tag(model.name)}-planned", ""
    checkpoint = gguf_checkpoint(scenario)
    name = _tag(checkpoint.name)
    if not checkpoint.comment:
        return checkpoint.name, f"{name}-planned", ""
    return f"./{checkpoint.name}", name, f"{checkpoint.comment}\n"


def _tag(source: str) -> str:
    """The last part of a model's name in the letters that Ollama allows."""
    stem = source.rstrip("/").rsplit("/", 1)[-1].removesuffix(".gguf")
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in stem).lower()


OLLAMA = Ollama()
