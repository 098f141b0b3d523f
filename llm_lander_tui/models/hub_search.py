"""Looking for models on the Hub: by words, and the quantised repositories of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llm_lander_tui.models.background import Ticket
from llm_lander_tui.models.gguf_names import gguf_choices, quant_label
from llm_lander_tui.models.hub_client import MIB, HubClient

Order = Literal["downloads", "newest"]

_SORT = {"downloads": "downloads", "newest": "createdAt"}
_FIELDS = (
    "downloads", "likes", "lastModified", "createdAt", "tags", "gated", "pipeline_tag", "siblings",
)  # fmt: skip
_QUANTISED_FROM = "base_model:quantized:"
_BY_TAG = (
    ("gguf", "GGUF"), ("awq", "AWQ"), ("gptq", "GPTQ"), ("exl3", "EXL3"), ("exl2", "EXL2"),
    ("fp8", "FP8"), ("nvfp4", "NVFP4"), ("mxfp4", "MXFP4"), ("bitsandbytes", "bitsandbytes"),
    ("compressed-tensors", "compressed-tensors"), ("hqq", "HQQ"), ("mlx", "MLX"),
)  # fmt: skip
_BY_NAME = re.compile(
    r"(?:^|[-_.])(gguf|awq|gptq|exl3|exl2|nvfp4|mxfp4|fp8|bnb|mlx|hqq|int4|int8|w4a16|w8a8|w8a16)"
    r"(?=$|[-_.\d])",
    re.IGNORECASE,
)
_NOT_TEXT = {
    "text-to-image", "text-to-video", "text-to-speech", "automatic-speech-recognition",
    "feature-extraction", "sentence-similarity", "fill-mask", "text-classification",
    "token-classification", "image-classification", "text-ranking", "image-to-image",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HubHit:
    """A repository that was found.

    `quant` is what its tags or its name say of its weight format, "" where they say nothing;
    `updated` and `created` are ISO dates. `gated` asks for a licence to be accepted first. `base`
    is the repository that its tags say it was quantised from, and `files` are the quantizations of
    its GGUF files, by their names.
    """

    id: str
    downloads: int
    likes: int
    updated: str
    created: str
    quant: str
    gated: bool
    base: str = ""
    files: tuple[str, ...] = ()


def find(
    client: HubClient, text: str, ticket: Ticket, *, limit: int, order: Order
) -> tuple[HubHit, ...]:
    """The models whose names hold `text`, in `order`. Raises `SourceError`."""
    params = [("search", text), *_paging(_SORT[order], limit)]
    hits = _hits(client, ticket, params, f"the Hub's list of models for {text!r}")
    key = _most_downloaded if order == "downloads" else _newest
    return tuple(sorted(hits, key=key, reverse=True))[:limit]


def find_quantised(
    client: HubClient, model_id: str, ticket: Ticket, *, limit: int
) -> tuple[HubHit, ...]:
    """The repositories that say they are quantised from `model_id`, most downloaded first."""
    params = [("filter", f"{_QUANTISED_FROM}{model_id}"), *_paging("downloads", limit)]
    hits = _hits(client, ticket, params, f"the Hub's list of quantised {model_id}")
    return tuple(sorted(hits, key=_most_downloaded, reverse=True))[:limit]


def quant_of(name: str, tags: Sequence[str]) -> str:
    """The weight format that a repository's name, or else its tags, state."""
    label = quant_label(f"{name.rpartition('/')[2]}.gguf")
    named = _BY_NAME.search(name.rpartition("/")[2])
    lower = {tag.lower() for tag in tags}
    if "gguf" in lower or (named and named[1].lower() == "gguf"):
        return "GGUF"
    if named:
        return {"bnb": "bitsandbytes"}.get(named[1].lower(), named[1].upper())
    for tag, format_name in _BY_TAG:
        if tag in lower:
            return format_name
    return label


def _paging(sort: str, limit: int) -> list[tuple[str, str]]:
    wanted = [("expand", field) for field in _FIELDS]
    return [("sort", sort), ("limit", str(limit)), *wanted]


def _hits(
    client: HubClient, ticket: Ticket, params: Sequence[tuple[str, str]], what: str
) -> list[HubHit]:
    found = client.json(
        "/api/models", ticket, repo="the search", what=what, limit=16 * MIB, params=params
    )
    entries = found if isinstance(found, list) else []
    return [
        _hit(entry)
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("pipeline_tag") not in _NOT_TEXT
    ]


def _hit(entry: Mapping[str, object]) -> HubHit:
    name = str(entry.get("id") or entry.get("modelId") or "")
    tags = entry.get("tags")
    listed = [str(tag) for tag in tags] if isinstance(tags, list) else []
    return HubHit(
        name,
        _count(entry.get("downloads")),
        _count(entry.get("likes")),
        str(entry.get("lastModified") or "")[:10],
        str(entry.get("createdAt") or "")[:10],
        quant_of(name, listed),
        bool(entry.get("gated")),
        quantised_from(listed),
        _gguf_labels(entry.get("siblings")),
    )


def quantised_from(tags: Sequence[str]) -> str:
    """The repository that tags name as the one in more bits, "" where none does."""
    named = (t.removeprefix(_QUANTISED_FROM) for t in tags if t.startswith(_QUANTISED_FROM))
    return next(named, "")


def _gguf_labels(siblings: object) -> tuple[str, ...]:
    """The quantizations that a repository's file names state."""
    names = [
        sibling["rfilename"]
        for sibling in (siblings if isinstance(siblings, list) else ())
        if isinstance(sibling, Mapping) and isinstance(sibling.get("rfilename"), str)
    ]
    return tuple(choice.label for choice in gguf_choices(dict.fromkeys(names, 0)) if choice.label)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _most_downloaded(hit: HubHit) -> tuple[int, str]:
    return hit.downloads, hit.created


def _newest(hit: HubHit) -> tuple[str, int]:
    return hit.created, hit.downloads
