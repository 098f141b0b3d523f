"""`llm-lander accuracy`: predict measured records from their launch options, print the error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llm_lander_tui.accuracy import llamacpp, other, vllm
from llm_lander_tui.accuracy.doubts import doubts, rounding
from llm_lander_tui.accuracy.fields import text, words
from llm_lander_tui.accuracy.library import ConfigLibrary, hub_id
from llm_lander_tui.accuracy.outcomes import Outcome
from llm_lander_tui.accuracy.reading import BROKEN, carried_files, distinct, read_records
from llm_lander_tui.accuracy.records import Comparison, ModelOf, Predictor, Record, Skipped
from llm_lander_tui.accuracy.report import json_lines, text_report
from llm_lander_tui.engines.registry import HOMES
from llm_lander_tui.errors import LanderError, UsageError


def run(
    files: Sequence[str],
    *,
    configs: Sequence[str] = (),
    engine: str | None = None,
    as_json: bool = False,
) -> int:
    """Print the report; `files` empty takes the records that the project carries.

    Raises `SourceError` when a file or a directory of configs cannot be read, `UsageError` when
    `engine` is none, or no record is of it.
    """
    paths = [Path(f).expanduser() for f in files] or carried_files()
    model_of = ConfigLibrary(configs)
    records, repeated = distinct(record for path in paths for record in read_records(path))
    if engine is not None:
        records = _of_engine(records, engine)
    outcomes = [outcome(record, model_of) for record in records]
    lines = json_lines(outcomes) if as_json else [text_report(outcomes, repeated=repeated)]
    for line in lines:
        sys.stdout.write(line + "\n")
    return 0


def _of_engine(records: Sequence[Record], engine: str) -> list[Record]:
    """The records of an engine, by its id or a part of the name that they write."""
    asked = engine.strip().lower()
    found = [record for record in records if asked and _is_of(record, asked)]
    if found:
        return found
    written = sorted({engine_of(record) for record in records})
    if asked in HOMES:
        held = f"they are of {', '.join(written)}" if written else "there are none at all"
        raise UsageError("No such records", f"No record is of {engine}: {held}.")
    raise UsageError(
        "Unknown engine",
        f"No engine is called {engine!r}, and no record is of one.",
        f"Known are {', '.join(HOMES)}; the records are of {', '.join(written) or 'none'}.",
    )


def _is_of(record: Record, asked: str) -> bool:
    named = engine_of(record)
    return asked in named.lower() or asked == other.engine_id(named)


def engine_of(record: Record) -> str:
    """The engine of a record; golden records say it by their fields."""
    named = text(record, "engine")
    if named:
        return named
    if "available_kv_bytes" in record:
        return "vllm"
    return "llama.cpp" if llamacpp.is_golden(record) else "unknown"


def predictor_of(record: Record) -> Predictor | None:
    """Who predicts the record, told by its fields; None for an engine that is not known."""
    if "available_kv_bytes" in record:
        return vllm.predict
    if llamacpp.is_golden(record):
        return llamacpp.predict
    named = (text(record, "engine") or "").lower()
    if named.startswith("vllm"):
        return vllm.predict
    # The other engines' set has llama.cpp files too, without llama.cpp's options.
    if "ngl" in record and llamacpp.is_kin(named):
        return llamacpp.predict
    return other.predict if other.engine_id(named) else None


def outcome(record: Record, model_of: ModelOf) -> Outcome:
    """What became of a record; nothing in it can end the run."""
    engine = engine_of(record)
    config = text(record, "config")
    golden = "available_kv_bytes" in record or llamacpp.is_golden(record)
    return Outcome(
        id=text(record, "id") or "no id",
        engine=engine,
        version=text(record, "engine_version") or "",
        model=text(record, "model") or hub_id(config or "unknown"),
        family=_family(config, model_of),
        source=text(record, "source") or engine,
        asked=golden or BROKEN in record or bool(words(record, "usable")),
        result=_predicted(record, model_of),
        golden=golden,
    )


def _predicted(record: Record, model_of: ModelOf) -> tuple[Comparison, ...] | Skipped:
    broken = text(record, BROKEN)
    if broken is not None:
        return Skipped(broken)
    predict = predictor_of(record)
    if predict is None:
        named = text(record, "engine")
        return Skipped(f"unknown engine {named!r}" if named else "no engine is stated")
    try:
        found = predict(record, model_of)
    except LanderError as error:
        return Skipped(error.message)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return Skipped(f"the record cannot be read ({type(error).__name__}: {error})")
    except RecursionError:
        return Skipped("the record nests too deeply")
    if isinstance(found, Skipped):
        return found
    return tuple(
        replace(
            c,
            rounding=rounding(record, c.quantity, c.measured),
            doubts=doubts(record, c.quantity),
        )
        for c in found
    )


def _family(config: str | None, model_of: ModelOf) -> str:
    if config is None:
        return "unknown"
    try:
        return model_of(config).architecture.model_type
    except LanderError:
        return "unknown"
