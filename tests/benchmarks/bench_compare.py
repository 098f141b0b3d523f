"""How long a full comparison takes: every engine x every weight format of a model.

Run it: python tests/benchmarks/bench_compare.py [MODEL [GPUS]]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from statistics import median
from time import perf_counter

from llm_lander_tui.engines.registry import engines
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.models import presets
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.evaluate import max_context

ROUNDS = 7


def compare(model, gpus) -> tuple[int, dict[str, float]]:
    """The number of answers, and milliseconds by engine."""
    count, took = 0, {}
    for engine in engines():
        begun = perf_counter()
        formats = choices.weight_formats(model, engine)
        if formats:
            scenario = moves.start(model, engine, gpus)
            for weights in formats:
                max_context(replace(scenario, weights=weights))
            count += len(formats)
        took[engine.id] = 1000 * (perf_counter() - begun)
    return count, took


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "Qwen/Qwen3-8B"
    gpus = parse_gpus(sys.argv[2] if len(sys.argv) > 2 else "2x RTX 4090")
    model = presets.load(name)
    begun = perf_counter()
    count, _ = compare(model, gpus)
    print(f"{name}: {count} answers, first time {1000 * (perf_counter() - begun):.0f} ms")
    rounds = [compare(model, gpus)[1] for _ in range(ROUNDS)]
    for engine in rounds[0]:
        print(f"  {engine:14} {median(r[engine] for r in rounds):7.1f} ms")
    print(f"  {'all':14} {median(sum(r.values()) for r in rounds):7.1f} ms, median of {ROUNDS}")


if __name__ == "__main__":
    main()
