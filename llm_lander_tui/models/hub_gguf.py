"""GGUF repositories of the Hub: files listed, headers read by range requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models import gguf_file, hub_errors
from llm_lander_tui.models.background import Progress, Ticket, no_progress, run_all
from llm_lander_tui.models.gguf_model import gguf_profile
from llm_lander_tui.models.gguf_names import choose, gguf_choices
from llm_lander_tui.models.hub_client import MIB, HubClient, resolve_path
from llm_lander_tui.models.hub_ref import HubRef
from llm_lander_tui.models.profile import Profile

_FIRST_CHUNK = 2 * MIB
"""A request for the file with the vocabulary; the other parts hold tensor lists alone."""
_LATER_CHUNK = MIB // 4
_LIMIT = 48 * MIB
_CONNECTIONS = 4
_MOST_LISTED = 20


def hub_gguf_profile(
    client: HubClient,
    ref: HubRef,
    sizes: Mapping[str, int],
    *,
    ticket: Ticket,
    progress: Progress,
    warnings: tuple[str, ...] = (),
) -> Profile:
    """The profile of the GGUF model that `ref` names among the repository's files.

    Raises `SourceError` or `RefusedModel`.
    """
    choices = gguf_choices(sizes)
    choice = choose(choices, file=ref.file, quant=ref.quant)
    if choice is None:
        labels = tuple(c.label or c.name for c in choices)
        raise hub_errors.no_such_file(ref.repo, ref.file or ref.quant or "", labels)
    if len(choice.files) != choice.parts:
        raise SourceError(
            "GGUF parts missing",
            f"{ref.repo} has {len(choice.files)} of the {choice.parts} parts of {choice.name}.",
            "Choose another quantization of this model.",
        )
    if ref.file is None and ref.quant is None and len(choices) > 1:
        others = [c.label or c.name for c in choices if c is not choice]
        listed = ", ".join(others[:_MOST_LISTED]) + (" …" if len(others) > _MOST_LISTED else "")
        warnings += (f"Planned on {choice.label or choice.name}; also there: {listed}.",)
    tasks = [
        partial(
            _header,
            client,
            ref,
            file,
            size=sizes[file],
            chunk=_LATER_CHUNK if part else _FIRST_CHUNK,
            ticket=ticket,
            progress=progress if part == 0 else no_progress,
        )
        for part, file in enumerate(choice.files)
    ]
    headers = run_all(tasks, ticket, _CONNECTIONS)
    progress(f"{ref.repo} is known", 1.0)
    named = replace(ref, quant=choice.label) if ref.file is None and choice.label else ref
    return gguf_profile(str(named), "hub", headers, choice.label, warnings)


def _header(
    client: HubClient,
    ref: HubRef,
    file: str,
    *,
    size: int,
    chunk: int,
    ticket: Ticket,
    progress: Progress,
) -> gguf_file.GgufHeader:
    def read(first: int, last: int) -> bytes:
        progress(f"Reading the header of {file} ({first / MIB:.0f} MiB so far)", None)
        reply = client.get(
            resolve_path(ref.repo, file, ref.revision),
            ticket,
            repo=ref.repo,
            what=f"the header of {file}",
            limit=last - first,
            span=(first, last),
        )
        return reply.body if reply is not None else b""

    return gguf_file.read_header(read, file, size=size or None, limit=_LIMIT, chunk=chunk)
