"""The scenario that was on the screen last, for `--resume`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Engine
from llm_lander_tui.errors import LanderError
from llm_lander_tui.gpus.fleet import Fleet
from llm_lander_tui.planner.question import Question
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.storage.settings import APP, write_whole


@dataclass(frozen=True, slots=True)
class LastScenario:
    """A scenario by names: what is needed to ask it again.

    `what_if` names the hypothetical cards by the catalogue, `unused` the keys of the cards that
    were left out. The degrees of parallelism are None where the engine itself spreads the layers
    over all cards that it is given.
    """

    model: str
    engine: str
    weights: str
    kv: str
    context: int
    concurrency: int
    margin_bytes: int
    tensor_parallel: int | None
    pipeline_parallel: int | None
    what_if: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    options: Mapping[str, object] | None = None

    def question(self) -> Question:
        """The question without model and cards. Raises `UsageError` for an unknown engine."""
        engine = registry.get(self.engine)
        return Question(
            engine=engine.id,
            weights=self.weights,
            kv=self.kv,
            context=self.context,
            concurrency=self.concurrency,
            margin_bytes=self.margin_bytes,
            tensor_parallel=self.tensor_parallel,
            pipeline_parallel=self.pipeline_parallel,
            options=_restored(engine, self.options),
        )


def last_of(scenario: Scenario, fleet: Fleet) -> LastScenario:
    """A scenario by names."""
    tensor, pipeline = scenario.tensor_parallel, scenario.pipeline_parallel
    divided = tensor * pipeline == len(scenario.gpus)
    source = scenario.model.source
    prefix = {"ollama": "ollama:", "hub": "hub:"}.get(source, "")
    name = scenario.model.name
    return LastScenario(
        model=name if name.startswith(prefix) else f"{prefix}{name}",
        engine=scenario.engine.id,
        weights=scenario.weights.name,
        kv=scenario.kv.name,
        context=scenario.context,
        concurrency=scenario.concurrency,
        margin_bytes=scenario.margin_bytes,
        tensor_parallel=tensor if divided else None,
        pipeline_parallel=pipeline if divided else None,
        what_if=tuple(g.spec.name for g in fleet.hypothetical if g.spec is not None),
        unused=tuple(sorted(fleet.unused)),
        options=_plain(scenario.options),
    )


def last_file() -> Path:
    """Where it is kept."""
    from platformdirs import user_state_path

    return user_state_path(APP) / "last.json"


def save(last: LastScenario, path: Path | None = None) -> None:
    """Keep a scenario. Raises `SourceError`."""
    write_whole(path or last_file(), json.dumps(asdict(last), indent=1) + "\n")


def load(path: Path | None = None) -> LastScenario | None:
    """The scenario kept last; None when there is none that can be read."""
    try:
        found = json.loads((path or last_file()).read_text("utf-8"))
        last = LastScenario(**found)
    except (OSError, ValueError, TypeError):
        return None
    try:
        last.question()
    except (LanderError, TypeError, ValueError):
        return None
    return replace(last, what_if=tuple(last.what_if), unused=tuple(last.unused))


def _plain(options: object | None) -> Mapping[str, object] | None:
    """The options that JSON can hold as they are; others fall back to their defaults."""
    if options is None or not is_dataclass(options):
        return None
    found = {one.name: getattr(options, one.name) for one in fields(options)}
    values = {k: v.value if isinstance(v, Enum) else v for k, v in found.items()}
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    return {k: v for k, v in values.items() if v is None or isinstance(v, str | int | float | list)}


def _restored(engine: Engine, kept: Mapping[str, object] | None) -> object | None:
    if kept is None:
        return None
    usual = engine.default_options
    values: dict[str, object] = {}
    for one in fields(usual):  # type: ignore[arg-type]
        if one.name in kept:
            default = getattr(usual, one.name)
            value: Any = kept[one.name]
            typed = isinstance(default, Enum | tuple)
            values[one.name] = type(default)(value) if typed else value
    return replace(usual, **values)  # type: ignore[type-var]
