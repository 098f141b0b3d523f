"""What vLLM prints when it starts, from the footprint of a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_lander_tui.engines.vllm.kv_planner import KvPlan
from llm_lander_tui.units import GIB, format_tokens


@dataclass(frozen=True, slots=True)
class StartupReport:
    """The figures of the log for one `max_model_len`, over all ranks.

    `available_kv` is the log's "Available KV cache memory" of the rank that has least;
    `capacity_tokens` its "GPU KV cache size", in the sense of the release;
    `estimated_max_model_len` what a refusal would propose, or `--max-model-len auto` take.
    """

    available_kv: int
    num_blocks: int
    capacity_tokens: int
    max_concurrency: float
    estimated_max_model_len: int

    @property
    def sentence(self) -> str:
        """The figures in the log's own words."""
        return (
            f"The log will say: available KV cache memory {self.available_kv / GIB:.2f} GiB, "
            f"GPU KV cache size {format_tokens(self.capacity_tokens)} tokens, maximum concurrency "
            f"{self.max_concurrency:.2f}x."
        )


def startup_report(
    plans: Sequence[KvPlan], available: Sequence[int], context: int
) -> StartupReport:
    """The report of a launch with `--max-model-len context`.

    `plans` are the block pools of its GPUs, one at least, and `available` the bytes for each.
    """
    tightest = min(range(len(plans)), key=lambda i: plans[i].num_blocks(available[i]))
    plan, memory = plans[tightest], max(0, available[tightest])
    return StartupReport(
        min(available),
        plan.num_blocks(memory),
        plan.capacity_tokens(memory, context),
        plan.max_concurrency(memory, context),
        min(p.estimated_max_model_len(a, context) for p, a in zip(plans, available, strict=True)),
    )
