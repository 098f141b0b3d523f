"""The start command of llama-server."""

from __future__ import annotations

import shlex
from dataclasses import replace

from llm_lander_tui.engines.checkpoint_words import NamedCheckpoint, holds, named_checkpoint
from llm_lander_tui.engines.llamacpp.options import FlashAttention, LlamaCppOptions, SplitMode
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.planner.scenario import Scenario

_ALL_LAYERS = 999


def server_command(scenario: Scenario, context: int, options: LlamaCppOptions) -> str:
    """`llama-server` for `context` tokens per slot, every option that the plan counts on stated."""
    slots = max(1, scenario.concurrency)
    checkpoint = gguf_checkpoint(scenario)
    words = ["llama-server", *_model_words(scenario, checkpoint)]
    words += ["--ctx-size", str(context * slots), "--parallel", str(slots)]
    words.append("--kv-unified" if options.kv_unified else "--no-kv-unified")
    layers = _ALL_LAYERS if options.gpu_layers is None else options.gpu_layers
    words += ["--fit", "off", "--gpu-layers", str(layers)]
    if options.cpu_moe_layers:
        words += ["--n-cpu-moe", str(options.cpu_moe_layers)]
    words += ["--cache-type-k", scenario.kv.k.name, "--cache-type-v", scenario.kv.v.name]
    flash = "off" if options.flash_attention is FlashAttention.OFF else "on"
    words += ["--flash-attn", flash]
    words += ["--batch-size", str(options.batch), "--ubatch-size", str(options.ubatch)]
    if len(scenario.gpus) > 1:
        words += ["--split-mode", options.split_mode.value]
        if options.tensor_split:
            words += ["--tensor-split", ",".join(f"{share:g}" for share in options.tensor_split)]
        if options.split_mode is not SplitMode.LAYER:
            words += ["--main-gpu", str(options.main_gpu)]
    for wanted, flag in (
        (options.swa_full, "--swa-full"),
        (not options.kv_offload, "--no-kv-offload"),
        (not options.op_offload, "--no-op-offload"),
        (not options.mmap, "--no-mmap"),
    ):
        if wanted:
            words.append(flag)
    beside, comments = _beside(scenario)
    words += beside
    line = on_cards(scenario.gpus, shlex.join(words))
    return checkpoint.above("\n".join([*comments, line]))


def _beside(scenario: Scenario) -> tuple[list[str], list[str]]:
    """Words for the draft model, and comments on what of draft and adapters is still to make."""
    words: list[str] = []
    comments: list[str] = []
    if scenario.draft is not None:
        drafting = replace(scenario, model=scenario.draft)
        checkpoint = gguf_checkpoint(drafting)
        flag = "--hf-repo-draft" if on_the_hub(drafting) else "--model-draft"
        words += [flag, checkpoint.name, "--gpu-layers-draft", "all"]
        comments += [checkpoint.comment] if checkpoint.comment else []
    if scenario.lora is not None:
        comments.append(f"# Add --lora FILE for each of the {scenario.lora.adapters} adapters")
    return words, comments


def gguf_checkpoint(scenario: Scenario) -> NamedCheckpoint:
    """The GGUF file that the plan's model is in, else a placeholder for one."""
    return named_checkpoint(scenario, suffix=".gguf")


def on_the_hub(scenario: Scenario) -> bool:
    """Whether the plan's weights are a GGUF file of the Hub, which is named by its repository."""
    model = scenario.model
    gguf = model.checkpoint is not None and model.checkpoint.container == "gguf"
    return gguf and model.source in {"hub", "cache"} and holds(model, scenario.weights)


def _model_words(scenario: Scenario, checkpoint: NamedCheckpoint) -> list[str]:
    if not on_the_hub(scenario):
        return ["--model", checkpoint.name]
    owner, name, *file = checkpoint.name.split("/", 2)
    repository = ["--hf-repo", f"{owner}/{name}"]
    return [*repository, "--hf-file", *file] if file else repository
