"""`llm-lander accuracy`: predict measured records from their launch options, print the error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llm_lander_tui.accuracy import llamacpp, other, vllm
from llm_lander_tui.accuracy.fields import text
from llm_lander_tui.accuracy.library import ConfigLibrary
from llm_lander_tui.accuracy.records import (
    Comparison,
    ModelOf,
    Predictor,
    Record,
    Skipped,
)
from llm_lander_tui.accuracy.report import Outcome, json_lines, text_report
from llm_lander_tui.errors import LanderError, SourceError, UsageError

CARRIED = Path("tests", "data", "accuracy")
"""The project's own set of records, beside the package in a checkout."""


def run(
    files: Sequence[str],
    *,
    configs: Sequence[str] = (),
    engine: str | None = None,
    as_json: bool = False,
) -> int:
    """Print the report; `files` empty takes the records that the project carries.

    Raises `SourceError` when a file cannot be read, `UsageError` when no record is of `engine`.
    """
    paths = [Path(f).expanduser() for f in files] or carried_files()
    model_of = ConfigLibrary(configs)
    records = [record for path in paths for record in read_records(path) if _wanted(record, engine)]
    if engine is not None and not records:
        raise UsageError("No such records", f"No record is of an engine called {engine!r}.")
    outcomes = [outcome(record, model_of) for record in records]
    lines = json_lines(outcomes) if as_json else [text_report(outcomes)]
    for line in lines:
        sys.stdout.write(line + "\n")
    return 0


def carried_files() -> list[Path]:
    """The records of a checkout of the project. Raises `SourceError` where there is none."""
    directory = Path(__file__).resolve().parents[2] / CARRIED
    found = sorted(directory.glob("*.jsonl"))
    if not found:
        raise SourceError(
            "No records",
            f"The measured records are part of the project's checkout ({CARRIED.as_posix()}), "
            "not of the installed package.",
            "Name files of records, or run the command in a checkout.",
        )
    return found


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file of JSON lines; a broken line becomes a record without content.

    Raises `SourceError` when the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SourceError(
            "File not readable",
            f"{path} could not be read ({error.strerror or error}).",
            "Check the path and its permissions.",
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, Mapping):
            yield record
        else:
            yield {"id": f"{path.name}:{number}", "broken": "the line is not a JSON object"}


def _wanted(record: Record, engine: str | None) -> bool:
    if engine is None:
        return True
    named = engine_of(record)
    return engine.lower() in named.lower() or engine.lower() == other.engine_id(named)


def engine_of(record: Record) -> str:
    """The engine of a record; golden records say it by their fields."""
    named = text(record, "engine")
    if named:
        return named
    if "available_kv_bytes" in record:
        return "vllm"
    return "llama.cpp" if "bytes" in record else "unknown"


def predictor_of(record: Record) -> Predictor | None:
    """Who predicts the record, told by its fields."""
    if "available_kv_bytes" in record:
        return vllm.predict
    if "bytes" in record:
        return llamacpp.predict
    named = (text(record, "engine") or "").lower()
    if not named:
        return None
    if named.startswith("vllm"):
        return vllm.predict
    return llamacpp.predict if "ngl" in record else other.predict


def outcome(record: Record, model_of: ModelOf) -> Outcome:
    """What became of a record; nothing in it can end the run."""
    engine = engine_of(record)
    config = text(record, "config")
    return Outcome(
        id=text(record, "id") or "no id",
        engine=engine,
        version=text(record, "engine_version") or "",
        model=text(record, "model") or (config or "unknown").replace("__", "/", 1),
        family=_family(config, model_of),
        source=text(record, "source") or engine,
        asked=bool(record.get("usable", True)),
        result=_predicted(record, model_of),
    )


def _predicted(record: Record, model_of: ModelOf) -> tuple[Comparison, ...] | Skipped:
    broken = text(record, "broken")
    if broken is not None:
        return Skipped(broken)
    predict = predictor_of(record)
    if predict is None:
        return Skipped("no engine is stated")
    try:
        found = predict(record, model_of)
    except LanderError as error:
        return Skipped(error.message)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return Skipped(f"the record cannot be read ({type(error).__name__}: {error})")
    except RecursionError:
        return Skipped("the record nests too deeply")
    return found if isinstance(found, Skipped) else tuple(found)


def _family(config: str | None, model_of: ModelOf) -> str:
    if config is None:
        return "unknown"
    try:
        return model_of(config).architecture.model_type
    except LanderError:
        return "unknown"
