"""What memory that others hold on a card costs the plan, in tokens of context."""

from __future__ import annotations

from dataclasses import replace

from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.plan import Plan


def tokens_held(plan: Plan, gpu: int, held_bytes: int) -> int:
    """Tokens of context that the plan would gain if `held_bytes` came free on its card `gpu`.

    `gpu` is the position in the scenario's cards. 0 where another card is the tighter one.
    """
    gpus = list(plan.scenario.gpus)
    card = gpus[gpu]
    freed = min(held_bytes, card.used_bytes)
    gpus[gpu] = replace(
        card, used_bytes=card.used_bytes - freed, free_bytes=card.free_bytes + freed
    )
    without = evaluate(replace(plan.scenario, gpus=tuple(gpus)))
    return without.limits.memory_context - plan.limits.memory_context
