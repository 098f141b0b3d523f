"""The catalogue: GPUs that can be planned for without having one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from llm_lander_tui.errors import UsageError
from llm_lander_tui.gpus.gpu import Gpu, GpuSpec
from llm_lander_tui.units import GIB, MIB

MATCH_TOLERANCE = 0.12
"""Relative difference of total memory within which a card is the catalogue's: ECC takes 1/16, and
drivers before 510 leave their reserve out of the total (up to 4 %)."""
MAX_COUNT = 1024

RESERVE_LAWS = {"Pascal": (59 * MIB, 2.8 * MIB), "Volta": (194 * MIB, 1.94 * MIB)}
"""What the driver reserves on an idle card: bytes, and bytes per GiB of memory. Pascal: five cards
(P2000, GTX 1060, 1080, 1080 Ti, P100), within 7 MiB; Volta: V100 of 16 and 32 GB."""
RESERVE_LAW_GSP = (404 * MIB, 1.89 * MIB)
"""The same for Turing and later, whose firmware runs on the card: least squares over 22 readings of
19 cards from 8 to 278 GiB, Linux, mostly drivers of 570 and later; median miss 26 MiB, largest 119
(L40S). Cards with a reading of their own use that."""

_SIZE = re.compile(r"(\d+) ?g(?:i?b)?\b")
_WORD = re.compile(r"\d+|[a-z]+")
_SILENT = frozenset({"nvidia", "geforce", "tesla", "rtx", "gtx"})
"""Words that name no card by themselves."""
_PREFIXED_COUNT = re.compile(r"(\d+)\s*[x×*]\s*(.+)", re.IGNORECASE)
_SUFFIXED_COUNT = re.compile(r"(.+?)(?:\s+x|(?<=\d)x|\s*[×*])\s*(\d+)", re.IGNORECASE)

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    spec: GpuSpec
    names: tuple[Words, ...]
    """Words of everything that names the card: short name, the driver's name, aliases."""
    usual: bool
    """Whether this variant is meant when the name alone is given."""


@cache
def _entries() -> tuple[_Entry, ...]:
    import tomllib

    text = Path(__file__).with_name("catalog.toml").read_text(encoding="utf-8")
    return tuple(
        _entry(card, family) for family in tomllib.loads(text)["family"] for card in family["cards"]
    )


def _entry(card: dict[str, Any], family: dict[str, Any]) -> _Entry:
    architecture, form, mib = family["architecture"], card["form"], card["mib"]
    reserved = (
        card["reserved"] * MIB
        if "reserved" in card
        else 0
        if form == "SoC"
        else expected_reserve(architecture, mib * MIB)
    )
    major, minor = family["compute_capability"]
    spec = GpuSpec(
        name=card["name"],
        nvml_name=card["nvml"],
        memory_bytes=mib * MIB,
        architecture=architecture,
        compute_capability=(major, minor),
        form=form,
        segment=card["segment"],
        bandwidth_gb_s=card.get("bandwidth"),
        fp32_tflops=card.get("fp32"),
        fp16_tflops=card.get("fp16"),
        bf16_tflops=card.get("bf16"),
        fp8_tflops=card.get("fp8"),
        int8_tops=card.get("int8"),
        fp4_tflops=card.get("fp4"),
        nvlink_gb_s=card.get("nvlink"),
        pcie_generation=card.get("pcie"),
        power_w=card.get("watts"),
        year=card.get("year"),
        multiprocessors=card.get("sms"),
        reserved_bytes=reserved,
        memory_seen=card.get("seen", True),
    )
    names = (card["name"], card["nvml"], *card.get("aliases", ()))
    words = tuple(dict.fromkeys(_words(name)[0] for name in names))
    return _Entry(spec, words, usual=card.get("usual", False))


def expected_reserve(architecture: str, memory_bytes: int) -> int:
    """Bytes that the driver keeps of an idle card of this generation, in whole MiB."""
    fixed, per_gib = RESERVE_LAWS.get(architecture, RESERVE_LAW_GSP)
    return round((fixed + per_gib * memory_bytes / GIB) / MIB) * MIB


def all_specs() -> tuple[GpuSpec, ...]:
    """Every card of the catalogue, by generation."""
    return tuple(entry.spec for entry in _entries())


def find(text: str) -> GpuSpec:
    """The card that a person means: "RTX 4090", "4090", "h100", "A100 80GB", "l40s".

    Case, blanks and the maker's name do not matter; a memory size picks among variants. Raises
    `UsageError` naming the candidates when several cards are meant, or the nearest when none.
    """
    for same in (lambda s: s.name, lambda s: s.nvml_name):
        if len(found := _squashed(text, same)) == 1:
            return found[0]
    words, gib = _words(text)
    meant = [e for e in _entries() if words and words in e.names] or [
        e for e in _entries() if words and any(_contains(name, words) for name in e.names)
    ]
    sized = [e for e in meant if gib is None or _is_about(e.spec, gib)]
    chosen = [e.spec for e in sized if e.usual and gib is None] or [e.spec for e in sized]
    if chosen and len({replace(spec, name="", nvml_name="") for spec in chosen}) == 1:
        return chosen[0]
    if not chosen:
        raise _unknown(text, [e.spec.name for e in meant])
    raise UsageError(
        "Ambiguous GPU",
        f"{text.strip()!r} may be {_listing([spec.name for spec in chosen])}.",
        "Write the name in full.",
    )


@lru_cache(maxsize=64)
def match(nvml_name: str, total_bytes: int) -> GpuSpec | None:
    """The catalogue's entry for a card as the driver names it.

    Variants share names, so the nearest in memory is taken; None when no card of that name has
    about this much.
    """
    wanted = _squash(re.sub(r"\(.*\)", "", nvml_name))
    named = _squashed(wanted, lambda s: s.nvml_name)
    nearest = min(named, key=lambda s: abs(s.memory_bytes - total_bytes), default=None)
    if nearest is None:
        return None
    off = abs(nearest.memory_bytes - total_bytes) / nearest.memory_bytes
    return nearest if off <= MATCH_TOLERANCE else None


def mig_slice(
    card: GpuSpec, profile: str, total_bytes: int, multiprocessors: int | None
) -> GpuSpec:
    """What a MIG slice of `card` can do: its share of the multiprocessors and of the memory.

    Memory and its bandwidth are dealt out in eighths (NVIDIA MIG user guide), arithmetic by
    multiprocessors; NVLink is not available inside a slice.
    """
    eighths = max(1, min(8, round(8 * total_bytes / card.memory_bytes)))
    if multiprocessors is None or card.multiprocessors is None:
        share = int(profile.partition("g.")[0]) / 7 if profile[:1].isdigit() else eighths / 8
    else:
        share = multiprocessors / card.multiprocessors
    return replace(
        card,
        name=f"{card.name} MIG {profile}",
        memory_bytes=total_bytes,
        reserved_bytes=0,
        multiprocessors=multiprocessors,
        bandwidth_gb_s=_times(card.bandwidth_gb_s, eighths / 8),
        fp32_tflops=_times(card.fp32_tflops, share),
        fp16_tflops=_times(card.fp16_tflops, share),
        bf16_tflops=_times(card.bf16_tflops, share),
        fp8_tflops=_times(card.fp8_tflops, share),
        int8_tops=_times(card.int8_tops, share),
        fp4_tflops=_times(card.fp4_tflops, share),
        nvlink_gb_s=None,
    )


def hypothetical(spec: GpuSpec, index: int) -> Gpu:
    """An idle card of this kind: all free but what the driver reserves."""
    return Gpu(
        index=index,
        name=spec.nvml_name,
        total_bytes=spec.memory_bytes,
        used_bytes=0,
        free_bytes=spec.memory_bytes - spec.reserved_bytes,
        reserved_bytes=spec.reserved_bytes,
        hypothetical=True,
        power_limit_w=spec.power_w,
        pcie_generation=spec.pcie_generation,
        processes=(),
        spec=spec,
        compute_capability=spec.compute_capability,
        multiprocessors=spec.multiprocessors,
    )


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Idle cards as a person lists them: "4x RTX 4090, H100", "h100 x8", "2×4090 + L40S".

    Raises `UsageError` for an unknown or ambiguous name, an empty list or an absurd count.
    """
    specs: list[GpuSpec] = []
    for item in filter(None, (part.strip() for part in re.split(r"[,+;]", text))):
        count, name = _counted(item)
        if not 1 <= count <= MAX_COUNT:
            raise UsageError(
                "No such count",
                f"{item!r} asks for {count} GPUs.",
                f"Ask for 1 to {MAX_COUNT:,}.",
            )
        specs += [find(name)] * count
    if not specs:
        raise UsageError("No GPU", "No GPU is named.", 'Name some: "4x RTX 4090, H100".')
    return tuple(hypothetical(spec, index) for index, spec in enumerate(specs))


def _counted(item: str) -> tuple[int, str]:
    if found := _PREFIXED_COUNT.fullmatch(item):
        return int(found[1]), found[2]
    if found := _SUFFIXED_COUNT.fullmatch(item):
        return int(found[2]), found[1]
    return 1, item


def _words(text: str) -> tuple[Words, int | None]:
    """The words that tell cards apart, and the memory size in GB that the text names."""
    text = re.sub(r"\(.*?\)", " ", text.casefold())
    sizes = _SIZE.findall(text)
    words = _WORD.findall(_SIZE.sub(" ", text))
    return tuple(w for w in words if w not in _SILENT), int(sizes[0]) if sizes else None


def _contains(name: Words, wanted: Words) -> bool:
    """Whether the wanted words stand in the name, in their order."""
    rest = iter(name)
    return all(word in rest for word in wanted)


def _is_about(spec: GpuSpec, gib: int) -> bool:
    return abs(spec.memory_bytes / GIB - gib) <= MATCH_TOLERANCE * gib


def _squash(text: str) -> str:
    return re.sub(r"[^a-z0-9]|nvidia", "", text.casefold())


def _squashed(text: str, key: Callable[[GpuSpec], str]) -> list[GpuSpec]:
    wanted = _squash(text)
    return [spec for spec in all_specs() if _squash(key(spec)) == wanted]


def _times(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share


def _listing(names: Sequence[str], most: int = 6) -> str:
    shown = list(names[:most])
    more = f" or {len(names) - most} more" if len(names) > most else ""
    if len(shown) == 1:
        return shown[0]
    return ", ".join(shown) + more if more else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _unknown(text: str, same_words: Sequence[str]) -> UsageError:
    from difflib import get_close_matches

    by_key = {spec.name.casefold(): spec.name for spec in all_specs()}
    near = list(same_words) or [
        by_key[key] for key in get_close_matches(text.strip().casefold(), by_key, 5, 0.5)
    ]
    return UsageError(
        "Unknown GPU",
        f"The catalogue holds no {text.strip()!r}.",
        f"Near it: {_listing(near)}." if near else "The GPU screen lists the catalogue.",
    )
