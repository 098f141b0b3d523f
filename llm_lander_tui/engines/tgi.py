"""Text Generation Inference: KV blocks in what is free after the warm-up, less wiggle room."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from llm_lander_tui.engines.base import Known, Option
from llm_lander_tui.engines.checkpoint_words import NamedCheckpoint, at_load, named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.pool_engine import PoolEngine, cast_words, degrees_of, libraries, step
from llm_lander_tui.engines.pool_rules import Estimate, PoolRules, Reserve, Room
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import MIB, format_bytes

SOURCE = "text_generation_server/models/flash_causal_lm.py, utils/import_utils.py"
WIGGLE_ROOM = 0.90
"""TGI_WIGGLE_ROOM."""
IMAGE = "ghcr.io/huggingface/text-generation-inference:3.3.6"
GRAPHS = 512 * MIB
"""Half of the mean of vLLM's captures (memory_models C.2), for fewer batch sizes; no log of TGI."""
GRAPH_SPREAD = 0.8
"""Relative: vLLM's captures run from half to nearly twice their mean."""
QUANTIZE = {
    "FP8": "fp8", "FP8-dynamic": "fp8", "LLM.int8": "bitsandbytes",
    "NF4": "bitsandbytes-nf4", "NF4-DQ": "bitsandbytes-nf4",
    "FP4": "bitsandbytes-fp4", "FP4-DQ": "bitsandbytes-fp4",
}  # fmt: skip
"""--quantize of the formats that TGI makes of a 16-bit checkpoint while it loads."""


@dataclass(frozen=True, slots=True)
class TgiOptions:
    """Arguments of `text-generation-launcher`."""

    cuda_memory_fraction: float = 1.0
    max_batch_prefill_tokens: int = 4096
    block_size: int = 1
    cuda_graphs: bool = True


OPTIONS = (
    Option(
        "cuda_memory_fraction",
        "--cuda-memory-fraction",
        "share of each card that TGI may use",
        tuple(x / 100 for x in range(50, 101, 5)),
    ),
    Option(
        "max_batch_prefill_tokens",
        "--max-batch-prefill-tokens",
        "prompt tokens of one step",
        (2048, 4096, 8192, 16384, 32768),
    ),
    Option(
        "block_size", "ATTENTION", "tokens of a block: FlashInfer 1, FlashDecoding 256", (1, 256)
    ),
)


class Tgi(PoolEngine):
    """`text-generation-launcher` in its container."""

    id: ClassVar[str] = "tgi"
    title: ClassVar[str] = "TGI"
    kv_formats: ClassVar[tuple[str, ...]] = ("bf16", "f16", "fp8_e4m3", "fp8_e5m2", "fp8")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = TgiOptions()
    families: ClassVar[frozenset[str]] = frozenset(
        {"plain", "gptq", "awq", "fp8", "bnb", "int8", "compressed-tensors"}
    )
    pipelines: ClassVar[bool] = False
    drafts: ClassVar[bool] = False

    def lacks(self, model: Model) -> str | None:
        architecture = model.architecture
        if not architecture.states or architecture.model_type == "mamba":
            return None
        return (
            "TGI, which is no longer developed, has no recurrent layers beside attention; vLLM and "
            "SGLang have."
        )

    def rules(self, scenario: Scenario) -> PoolRules:
        options, degrees = own_options(scenario, TgiOptions), degrees_of(scenario)
        fraction = options.cuda_memory_fraction * WIGGLE_ROOM

        def reserve(room: Room) -> Reserve:
            kept = round((1 - fraction) * room.total)
            return Reserve(
                kept,
                f"1 - {options.cuda_memory_fraction:g} x {WIGGLE_ROOM} of the card's "
                f"{format_bytes(room.total)} stays free: {format_bytes(kept)}.",
            )

        return PoolRules(
            reserve=reserve,
            degrees=degrees,
            working_inside=False,
            activations=step(scenario, degrees, options.max_batch_prefill_tokens),
            graphs=_graphs(options),
            libraries=libraries(scenario),
            block=options.block_size,
            source=SOURCE,
        )

    def command(self, scenario: Scenario, context: int) -> str:
        options = own_options(scenario, TgiOptions)
        checkpoint = named_checkpoint(scenario, QUANTIZE)
        cards = ",".join(str(gpu.index) for gpu in scenario.gpus)
        gpus = "all" if any(gpu.hypothetical for gpu in scenario.gpus) else f'"device={cards}"'
        words = ["docker", "run", "--gpus", gpus, "--shm-size", "1g", "-p", "8080:80"]
        if options.block_size > 1:
            words += ["-e", "ATTENTION=flashdecoding"]
        words += ["-v", "tgi-data:/data", *_mounted(scenario, checkpoint)]
        words += ["--num-shard", str(scenario.tensor_parallel)]
        words += [
            "--max-total-tokens",
            str(context),
            "--max-input-tokens",
            str(max(1, context - 1)),
        ]
        words += ["--max-batch-prefill-tokens", str(max(context, options.max_batch_prefill_tokens))]
        words += ["--max-concurrent-requests", str(max(1, scenario.concurrency))]
        words += ["--cuda-memory-fraction", f"{options.cuda_memory_fraction:g}"]
        if scenario.kv.name.startswith("fp8"):
            kind = "fp8_e5m2" if scenario.kv.name == "fp8_e5m2" else "fp8_e4m3fn"
            words += ["--kv-cache-dtype", kind]
        words += cast_words(scenario)
        if quantization := at_load(scenario, QUANTIZE):
            words += ["--quantize", quantization]
        return checkpoint.above(shlex.join(words))


def _mounted(scenario: Scenario, checkpoint: NamedCheckpoint) -> list[str]:
    """The image and its model; a directory of this machine is shown to the container."""
    if not checkpoint.comment and scenario.model.source != "directory":
        return [IMAGE, "--model-id", checkpoint.name]
    path = checkpoint.name if checkpoint.name.startswith("/") else f"./{checkpoint.name}"
    inside = f"/models/{checkpoint.name.rstrip('/').rpartition('/')[2]}"
    return ["-v", f"{path}:{inside}", IMAGE, "--model-id", inside]


def _graphs(options: TgiOptions) -> Estimate:
    if not options.cuda_graphs:
        return Estimate(0, "no CUDA graphs.")
    return Estimate(
        GRAPHS,
        f"CUDA graphs of 1 to 32 sequences: {format_bytes(GRAPHS)}, half of what vLLM's take on "
        "average for more of them; no log of TGI tells its own.",
        Known.ROUGH,
        GRAPH_SPREAD,
        "half of vLLM's mean for fewer batch sizes, memory_models C.2",
    )


TGI = Tgi()
