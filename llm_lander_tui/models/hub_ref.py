"""What a person writes to name a model on the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_lander_tui.models.hub_errors import bad_id

_URL = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LONGEST = 96


@dataclass(frozen=True, slots=True)
class HubRef:
    """A repository, and within it a GGUF file or a quantization where one was named."""

    repo: str
    file: str | None = None
    quant: str | None = None
    revision: str = "main"

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision != "main" else ""
        if self.file is not None:
            return f"{self.repo}{at}/{self.file}"
        return f"{self.repo}{at}" + (f":{self.quant}" if self.quant else "")


def parse_ref(text: str) -> HubRef:
    """The reference of `owner/name`, with `@revision`, `:Q4_K_M`, `/path/file.gguf`, or a web page.

    Checked here by the Hub's own rules (letters, digits, `-`, `_`, `.`; at most 96 each; neither
    `--` nor `..`), so that a wrong name costs no request. Raises `SourceError`.
    """
    rest, pages = _URL.subn("", text.strip(), count=1)
    if pages:
        rest = rest.rstrip("/")
    if not rest:
        raise bad_id(text, "it is empty")
    if "://" in rest:
        raise bad_id(text, "it is the address of another server")
    page = re.fullmatch(r"([^/]+/[^/]+)/(?:tree|blob|resolve|raw)/([^/]+)/?(.*)", rest)
    revision, file = "main", None
    if page:
        rest, revision, file = page[1], page[2], page[3].removesuffix("?download=true") or None
    rest, _, quant = rest.partition(":")
    parts = rest.split("/")
    repo, tail = "/".join(parts[:2]), "/".join(parts[2:])
    repo, _, named = repo.partition("@")
    revision = named or revision
    file = file or tail or None
    if file is not None and not file.lower().endswith(".gguf"):
        raise bad_id(text, "more than one slash, and no .gguf file at the end")
    if file is not None and ".." in file.split("/"):
        raise bad_id(text, "a path may not go upwards")
    _check_repo(repo, text)
    for value, name in ((quant, "quantization"), (revision, "revision")):
        if value and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,95}", value):
            raise bad_id(text, f"{value!r} is no {name}")
    return HubRef(repo, file, quant or None, revision)


def _check_repo(repo: str, text: str) -> None:
    parts = repo.split("/")
    for part in parts:
        if not part:
            raise bad_id(text, "the owner or the name is missing")
        if len(part) > _LONGEST:
            raise bad_id(text, f"a part is longer than {_LONGEST} characters")
        if not _PART.fullmatch(part):
            raise bad_id(
                text,
                "only letters, digits, '-', '_' and '.' are allowed, and not '-' or '.' at an end",
            )
        if "--" in part or ".." in part:
            raise bad_id(text, "'--' and '..' are not allowed")
    if parts[-1].endswith(".git"):
        raise bad_id(text, "a name may not end with .git")
