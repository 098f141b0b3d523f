"""vLLM's knobs, and what changed between its versions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_lander_tui.engines.base import Option
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.degrees import Remainder
from llm_lander_tui.units import GIB

DEFAULT_VERSION = "0.33"

LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values that --max-lora-rank takes."""

UNTAGGED_BUILD = "0.1.dev"
"""How a build from a checkout without tags calls itself."""

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """Options of `vllm serve`; None leaves a value to vLLM's own rule.

    `version` is the release whose rules are followed, `v0` the old engine of releases before 0.11.
    `offline` takes the defaults of the `LLM` class and of `vllm bench` instead of the server's.
    `speculative_tokens` are the tokens drafted per step, by the scenario's draft model or by the
    model's own multi-token-prediction layers. `data_parallel` copies of the model each serve their
    own sequences; they hold the routed experts together.
    """

    gpu_memory_utilization: float | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    enforce_eager: bool = False
    block_size: int | None = None
    enable_expert_parallel: bool = False
    async_scheduling: bool | None = None
    prefix_caching: bool | None = None
    speculative_tokens: int = 0
    cpu_offload_gb: float = 0.0
    data_parallel: int = 1
    version: str = DEFAULT_VERSION
    v0: bool = False
    offline: bool = False

    @property
    def copies(self) -> int:
        """See `engines.rank_cards.Copying`."""
        return self.data_parallel

    def drafted_tokens(self, draft: object | None) -> int:
        """Tokens drafted per step; a draft model drafts one where nothing is said."""
        return self.speculative_tokens or (1 if draft is not None else 0)


OPTIONS = (
    Option(
        "gpu_memory_utilization",
        "--gpu-memory-utilization",
        "share of the card's memory that vLLM may fill",
        (None, 0.98, 0.95, 0.92, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5),
    ),
    Option(
        "max_num_batched_tokens",
        "--max-num-batched-tokens",
        "tokens computed in one step",
        (None, 1024, 2048, 4096, 8192, 16384, 32768),
    ),
    Option(
        "max_num_seqs",
        "--max-num-seqs",
        "sequences computed in one step",
        (None, 1, 8, 16, 32, 64, 128, 256, 512, 1024),
    ),
    Option("enforce_eager", "--enforce-eager", "no CUDA graphs", (False, True)),
    Option(
        "data_parallel",
        "--data-parallel-size",
        "copies of the model that each serve their own sequences and share the experts",
        (1, 2, 4, 8),
    ),
    Option("block_size", "--block-size", "tokens per KV block", (None, 16, 32, 64, 128)),
    Option(
        "enable_expert_parallel",
        "--enable-expert-parallel",
        "whole experts on each GPU instead of a slice of each",
        (False, True),
        experts_only=True,
    ),
    Option(
        "async_scheduling",
        "--async-scheduling",
        "the next step is planned while one runs",
        (None, True, False),
    ),
    Option(
        "prefix_caching",
        "--enable-prefix-caching",
        "blocks of equal prompt beginnings are kept and shared",
        (None, True, False),
    ),
    Option(
        "speculative_tokens",
        "--speculative-config",
        "tokens drafted per step",
        (0, 1, 2, 3, 4, 5, 8),
    ),
    Option(
        "cpu_offload_gb",
        "--cpu-offload-gb",
        "GiB of weights per GPU that stay in host memory",
        (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
    ),
)


def parse_version(text: str) -> Version:
    """(major, minor, patch) of a release: `"0.6.4.post2.dev"`, `"0.8.x"`, `"0.33"`.

    A nightly build (`"0.20.1rc1.dev91"`) is of the minor release to come. A missing patch is 0;
    text without two numbers, and a build that knows no release, is taken for the default version.
    """
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?(rc\d+\.dev)?", text)
    if match is None or text.startswith(UNTAGGED_BUILD):
        return parse_version(DEFAULT_VERSION)
    if match[4]:
        return int(match[1]), int(match[2]) + 1, 0
    return int(match[1]), int(match[2]), int(match[3] or 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a release does, where releases differ (memory_models I.4).

    `utilization` is the default of --gpu-memory-utilization; `graphs_in_budget` whether the
    estimate for CUDA graphs is taken from the KV cache (before: on top of the budget);
    `null_block` and `hybrid` are those of `PagingRules`; `capacity_by_request` is its
    `tokens_per_request`; `in_flight_steps` how many steps' tokens may be unsettled;
    `state_prefixes` whether prefix caching is on for recurrent states too; `remainder` which
    pipeline stages hold a layer more.
    """

    version: Version
    v0: bool
    utilization: float
    graphs_in_budget: bool
    null_block: bool
    hybrid: bool
    capacity_by_request: bool
    in_flight_steps: int
    state_prefixes: bool
    remainder: Remainder


V1_SINCE = (0, 8, 0)
EVEN_STAGES_SINCE = (0, 8, 0)
"""Pull request 13839, merged on 2025-02-26, after 0.7.3."""
V0_UNTIL = (0, 11, 0)
HYBRID_SINCE = (0, 10, 0)
CAPACITY_BY_REQUEST_SINCE = (0, 20, 1)
GRAPHS_IN_BUDGET_SINCE = (0, 21, 0)
"""The log of a newer release says it: "default since v0.21.0"."""
UTILIZATION_92_SINCE = (0, 21, 0)
IN_FLIGHT_SINCE = (0, 26, 0)
"""Pull request 47728: windows are freed behind settled tokens."""
STATE_PREFIXES_SINCE = (0, 28, 0)
"""Pull request 50991: prefix caching is on for hybrid models too."""
LARGE_CARDS_SINCE = (0, 28, 0)
"""Pull request 51726: cards of 160 GiB have larger steps of their own."""
NULL_BLOCK_SINCE = (0, 29, 0)
"""Pull request 47272: the block that is held back counts in the start-up check."""


def rules_of(options: VllmOptions) -> Rules:
    """The rules of the options' version."""
    version = parse_version(options.version)
    v0 = version < V1_SINCE or (options.v0 and version < V0_UNTIL)
    overlapping = version >= IN_FLIGHT_SINCE
    asynchronous = overlapping if options.async_scheduling is None else options.async_scheduling
    return Rules(
        version,
        v0,
        utilization=0.92 if version >= UTILIZATION_92_SINCE else 0.9,
        graphs_in_budget=version >= GRAPHS_IN_BUDGET_SINCE,
        null_block=version >= NULL_BLOCK_SINCE,
        hybrid=version >= HYBRID_SINCE and not v0,
        capacity_by_request=version >= CAPACITY_BY_REQUEST_SINCE,
        in_flight_steps=2 if asynchronous and overlapping else 1,
        state_prefixes=version >= STATE_PREFIXES_SINCE,
        remainder=Remainder.BEFORE_LAST if version >= EVEN_STAGES_SINCE else Remainder.LAST,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """The largest step: tokens and sequences that are computed at once."""

    tokens: int
    sequences: int


def max_lora_rank(rank: int) -> int:
    """The smallest --max-lora-rank that holds adapters of `rank`."""
    return next((r for r in LORA_RANKS if r >= rank), rank)


V0_LONG_CONTEXT = 32768
"""Above this length the old engine computes prompts in pieces too (0.4 to 0.8)."""
V0_CHUNK = 2048
"""Tokens of such a piece, and of the smallest step without pieces."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How many tokens and sequences a step takes, for any context and concurrency.

    `tokens` None: a whole prompt, as the old engine computes it. `bounded` steps never hold more
    tokens than all sequences have, nor more sequences than tokens.
    """

    tokens: int | None
    sequences: int
    bounded: bool

    def batch(self, context: int, concurrency: int) -> Batch:
        """The largest step; as many sequences as run at once are always allowed."""
        sequences = max(self.sequences, concurrency)
        if self.tokens is None:
            whole = V0_CHUNK if context > V0_LONG_CONTEXT else max(context, V0_CHUNK)
            return Batch(whole, sequences)
        if not self.bounded:
            return Batch(self.tokens, sequences)
        tokens = min(self.tokens, sequences * max(context, 1))
        return Batch(tokens, min(sequences, tokens))


def batching_of(options: VllmOptions, rules: Rules, gpus: tuple[Gpu, ...]) -> Batching:
    """The options, or vLLM's defaults for the smallest card.

    By the memory of the card, A100 and GB10 excepted (engine/arg_utils.py get_batch_defaults).
    """
    smallest = min((gpu.total_bytes for gpu in gpus), default=0)
    name = " ".join(gpu.name.lower() for gpu in gpus)
    modest = "a100" in name or "gb10" in name
    tokens: int | None
    if rules.v0:
        tokens, sequences = None, 256
    elif smallest >= 160 * GIB and rules.version >= LARGE_CARDS_SINCE:
        tokens, sequences = 16384, 1024
    elif smallest >= 70 * GIB and not modest:
        tokens, sequences = (16384 if options.offline else 8192), 1024
    else:
        tokens, sequences = (8192 if options.offline else 2048), 256
    sequences = options.max_num_seqs or sequences
    if options.max_num_batched_tokens is not None:
        return Batching(options.max_num_batched_tokens, sequences, bounded=False)
    return Batching(tokens, sequences, bounded=True)
