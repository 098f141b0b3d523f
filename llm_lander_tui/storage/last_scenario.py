"""The scenario that was on the screen last, for `--resume`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from enum import Enum
from itertools import repeat
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Engine
from llm_lander_tui.engines.rank_cards import copies_of
from llm_lander_tui.errors import LanderError
from llm_lander_tui.gpus.fleet import Fleet
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.question import Question
from llm_lander_tui.planner.scenario import Lora, Scenario
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
    lora: Mapping[str, int] | None = None
    draft: str | None = None
    """The draft model by its name, to be read as the model is."""

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
            options=None if self.options is None else _read_options(engine, self.options),
            lora=None if self.lora is None else Lora(**self.lora),
        )


def last_of(scenario: Scenario, fleet: Fleet) -> LastScenario:
    """A scenario by names."""
    tensor, pipeline = scenario.tensor_parallel, scenario.pipeline_parallel
    divided = tensor * pipeline * copies_of(scenario.options) == len(scenario.gpus)
    return LastScenario(
        model=_name(scenario.model),
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
        options=None if scenario.options is None else written(scenario.options),
        lora=None if scenario.lora is None else asdict(scenario.lora),
        draft=None if scenario.draft is None else _name(scenario.draft),
    )


def _name(model: Model) -> str:
    """What brings the model back from where it came."""
    prefix = {"ollama": "ollama:", "hub": "hub:"}.get(model.source, "")
    return model.name if model.name.startswith(prefix) else f"{prefix}{model.name}"


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


def written(value: Any) -> Any:
    """A value of an option as JSON has it: dataclasses as objects, tuples as lists."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {one.name: written(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [written(one) for one in value]
    return value


def read(kept: Any, kind: Any) -> Any:
    """What was written of a value whose type is `kind`; fields that are gone are passed over.

    Raises `TypeError` or `ValueError` for a value of another type.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if kept is None and NoneType in arguments:
            return None
        (kind,) = (one for one in arguments if one is not NoneType)
        return read(kept, kind)
    if origin is tuple:
        kinds = repeat(arguments[0]) if Ellipsis in arguments else arguments
        return tuple(
            read(one, of) for one, of in zip(kept, kinds, strict=Ellipsis not in arguments)
        )
    if is_dataclass(kind):
        if not isinstance(kept, Mapping):
            raise TypeError(f"{kept!r} is no {kind}")
        types = get_type_hints(kind)
        known = {name: read(one, types[name]) for name, one in kept.items() if name in types}
        return kind(**known)  # type: ignore[operator]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(kept)
    if kind is float and type(kept) is int:
        return float(kept)
    if type(kept) is not kind:
        raise TypeError(f"{kept!r} is no {kind}")
    return kept


def _read_options(engine: Engine, kept: Mapping[str, object]) -> object:
    return read(kept, type(engine.default_options))
