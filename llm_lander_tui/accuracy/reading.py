"""Files of measured records: JSON lines, whatever stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from llm_lander_tui.accuracy.fields import text
from llm_lander_tui.accuracy.records import Record
from llm_lander_tui.errors import SourceError

CARRIED = Path("tests", "data", "accuracy")
"""The project's own set of records, beside the package in a checkout."""
BROKEN = "broken"
"""Field of a record that stands for a line that cannot be read: what is wrong with it."""


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
    """The records of a file; one without an id is named by file and line.

    A line that is no JSON object becomes a record that says so. Raises `SourceError` when the file
    cannot be read.
    """
    try:
        # Only line feeds end a line: other breaks may stand inside a quotation.
        lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError as error:
        raise SourceError(
            "File not readable",
            f"{path} could not be read ({error.strerror or error}).",
            "Check the path and its permissions.",
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path.name}:{number}"
        wrong = ""
        try:
            record = json.loads(line)
        except ValueError as error:
            record, wrong = None, f"the line is not JSON ({_cause(error)})"
        except RecursionError:
            record, wrong = None, "the line nests too deeply"
        if isinstance(record, Mapping):
            yield record if text(record, "id") else {**record, "id": place}
        else:
            yield {"id": place, BROKEN: wrong or "the line is JSON, but no object"}


def _cause(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__


def distinct(records: Iterable[Record]) -> tuple[list[Record], int]:
    """The records without those that repeat another in every field, and how many were left out."""
    seen: set[str] = set()
    kept: list[Record] = []
    repeated = 0
    for record in records:
        content = _content(record)
        if content in seen:
            repeated += 1
            continue
        kept.append(record)
        if content is not None:
            seen.add(content)
    return kept, repeated


def _content(record: Record) -> str | None:
    """The record as one text; None where it nests too deeply to be written."""
    try:
        return json.dumps(record, sort_keys=True)
    except RecursionError:
        return None
