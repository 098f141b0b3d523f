"""The Python API: the same answers as the screen and the command line, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping

from llm_lander_tui.gpus.gpu import GpuSource
from llm_lander_tui.machine import choose_gpus, nvml_source
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.question import Question


def fit(
    model: str | Model,
    question: Question | None = None,
    *,
    gpu: str | None = None,
    gpus: int | None = None,
    free_mib: int | None = None,
    source: GpuSource | None = None,
) -> Mapping[str, object]:
    """Whether a model lands, with how much context, on which formats: the JSON of `fit --json`.

    `model` is a name as on the command line (preset, Hub id, path) or one that is loaded already;
    `gpu` names catalogue GPUs ("4x RTX 4090"), else the machine's own are read through `source`
    (NVML). Raises `UsageError` for a malformed question and `SourceError` when a source fails.
    """
    from llm_lander_tui.models.sources import resolve
    from llm_lander_tui.planner import choices
    from llm_lander_tui.planner.evaluate import evaluate
    from llm_lander_tui.planner.question import on_fewer_cards, plain_formats, scenario_of
    from llm_lander_tui.planner.recommend import recommend
    from llm_lander_tui.planner.report import fit_report

    question = question or Question()
    chosen, warnings = choose_gpus(gpu, gpus, free_mib, source or nvml_source())
    loaded = resolve(model) if isinstance(model, str) else model
    scenario = scenario_of(question, loaded, chosen)
    plan = evaluate(scenario)
    named = gpu or gpus or question.tensor_parallel or question.pipeline_parallel
    if not named and question.served is None and not plan.limits.lands:
        fewer = on_fewer_cards(question, loaded, chosen)
        if fewer is not None:
            scenario, plan = fewer, evaluate(fewer)
            cards = ", ".join(str(card.index) for card in scenario.gpus)
            warnings = (*warnings, f"Planned on GPU {cards}: all {len(chosen)} would not do.")
    own = choices.weight_formats(loaded, scenario.engine)
    formats = {r.name: r for r in (*plain_formats(), *own, scenario.weights)}
    return fit_report(
        plan,
        formats.values(),
        recommend(scenario),
        context_asked=question.context is not None or question.served is not None,
        warnings=(*warnings, *loaded.warnings, *loaded.architecture.notes),
    )
