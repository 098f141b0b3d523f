"""FastChat: a Transformers model behind `fastchat.serve.model_worker`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import ClassVar

from llm_lander_tui.engines.base import Option
from llm_lander_tui.engines.checkpoint_words import at_load, named_checkpoint
from llm_lander_tui.engines.own_options import own_options
from llm_lander_tui.engines.torch_engine import TorchEngine
from llm_lander_tui.engines.torch_rules import TRANSFORMERS_4_40, TorchRules
from llm_lander_tui.engines.transformers import DEQUANTISING
from llm_lander_tui.engines.visible_cards import on_cards
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.planner.scenario import Scenario

STREAM_LENGTH = 2048
"""Tokens that a request generates at most (`max_new_tokens` of generate_stream)."""


AT_LOAD = {"LLM.int8": "--load-8bit", "W8A8": "--load-8bit"}
"""What FastChat makes of a 16-bit checkpoint while it loads."""


@dataclass(frozen=True, slots=True)
class FastChatOptions:
    """Arguments of the worker; `max_new_tokens` None plans for a prompt that fills the context."""

    max_new_tokens: int | None = None


OPTIONS = (
    Option(
        "max_new_tokens",
        "max_new_tokens",
        "tokens of the context that are generated, not prompt",
        (None, 256, 512, 1024, STREAM_LENGTH),
    ),
)


class FastChat(TorchEngine):
    """The model worker, on the Transformers that its last release (0.2.36) was made for.

    Its own loop calls `model(input_ids, use_cache=True)` and hands the tuple cache on
    (fastchat/serve/inference.py, generate_stream): logits of the whole prompt, a cache that lives
    twice while a step grows it.
    """

    id: ClassVar[str] = "fastchat"
    title: ClassVar[str] = "FastChat"
    kv_formats: ClassVar[tuple[str, ...]] = ("f16", "bf16")
    options: ClassVar[tuple[Option, ...]] = OPTIONS
    default_options: ClassVar[object] = FastChatOptions()
    drafts: ClassVar[bool] = False
    families: ClassVar[frozenset[str]] = frozenset({"plain", "int8", "bnb", "gptq", "awq"})

    def rules(self, scenario: Scenario) -> TorchRules:
        options = own_options(scenario, FastChatOptions)
        return replace(
            TRANSFORMERS_4_40,
            attention=Attention.SDPA,
            max_new_tokens=options.max_new_tokens,
            dequantises=scenario.weights.family in DEQUANTISING,
        )

    def command(self, scenario: Scenario, context: int) -> str:
        checkpoint = named_checkpoint(scenario, AT_LOAD)
        words = ["python -m fastchat.serve.model_worker"]
        words.append(f"--model-path {shlex.quote(checkpoint.name)}")
        words.append(f"--num-gpus {len(scenario.gpus)}")
        if len(scenario.gpus) > 1:
            gigabytes = min(gpu.free_bytes - scenario.margin_bytes for gpu in scenario.gpus) >> 30
            words.append(f"--max-gpu-memory {max(1, gigabytes)}GiB")
        if flag := at_load(scenario, AT_LOAD):
            words.append(flag)
        elif scenario.weights.family in {"gptq", "awq"}:
            method, group = scenario.weights.family, scenario.weights.name.rpartition("-g")[2]
            words.append(f"--{method}-wbits {scenario.weights.bits:g} --{method}-groupsize {group}")
        elif scenario.weights.name in {"BF16", "FP16"}:
            words.append(f"--dtype {'bfloat16' if scenario.weights.name == 'BF16' else 'float16'}")
        words.append(f"--limit-worker-concurrency {scenario.concurrency}")
        return checkpoint.above(on_cards(scenario.gpus, " ".join(words)))


FASTCHAT = FastChat()
