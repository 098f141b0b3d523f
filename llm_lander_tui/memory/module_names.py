"""Matching the module names that quantisation configs list against an architecture's tensors.

Checkpoints prefix their layers differently ("model.layers.3", "language_model.model.layers.3",
"backbone.layers.3"), so both sides are compared from "layers." on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from llm_lander_tui.models.tensors import Shard, Tensor

_TEXT_PREFIX = re.compile(
    r"^(?:(?:model|language_model|text_model|llm|backbone|transformer|decoder)\.)*"
)
_REGEX_PREFIXES = (
    "model.", "", "model.language_model.", "language_model.model.", "language_model.", "backbone.",
)  # fmt: skip
"""What a regular expression may expect before "layers."; every one is tried."""

_FUSED = (
    (re.compile(r"(?<=\.)[qkv]_proj$"), "qkv_proj"),
    (re.compile(r"(?<=\.)(?:gate|up)_proj$"), "gate_up_proj"),
)


def canonical(name: str) -> str:
    """A module name without the prefix of the language model."""
    return _TEXT_PREFIX.sub("", name)


def module_names(layer: int | None, tensor: Tensor) -> tuple[str, ...]:
    """The canonical names that a config may call the tensor's module by.

    An expert stack also goes by the name of its first expert, a projection by the name of the
    matrix that engines fuse it into.
    """
    name = canonical(tensor.module) if layer is None else f"layers.{layer}.{tensor.module}"
    names = [name]
    if tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW):
        names.append(name.replace(".experts.", ".experts.0.", 1))
    names += [fused.sub(whole, n) for n in names[:2] for fused, whole in _FUSED if fused.search(n)]
    return tuple(names)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _runs(name: str) -> Iterator[str]:
    """Every run of whole components of a dotted name."""
    parts = name.split(".")
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            yield ".".join(parts[start:end])


@dataclass(frozen=True, slots=True)
class Modules:
    """A set of modules as a config names it.

    `names` are runs of whole components ("lm_head", "mlp.gate", "layers.3.self_attn"), which hold
    everything below them; `prefixes` come from wildcards that end in one star; `patterns` are
    regular expressions on the whole name.
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.prefixes or self.patterns)

    def hold(self, names: Iterable[str]) -> bool:
        """Whether the module that goes by any of these canonical names is in the set."""
        return any(self._holds(name) for name in names)

    def _holds(self, name: str) -> bool:
        if self.prefixes and name.startswith(self.prefixes):
            return True
        if self.names and any(run in self.names for run in _runs(name)):
            return True
        return any(
            _compiled(pattern).match(prefix + name)
            for pattern in self.patterns
            for prefix in _REGEX_PREFIXES
        )


def modules(entries: Iterable[str]) -> Modules:
    """The set that a config lists.

    An entry is a module's name or part of it ("lm_head", "mlp.gate"), a wildcard
    ("model.layers.3.self_attn*") or a regular expression after "re:".
    """
    names, prefixes, patterns = set[str](), list[str](), list[str]()
    for entry in entries:
        plain = canonical(entry)
        if entry.startswith("re:"):
            patterns.append(_sound(entry[3:]))
        elif "*" not in entry and "?" not in entry:
            names.add(plain)
        elif plain.index("*") == len(plain) - 1 and "?" not in plain:
            prefixes.append(plain[:-1])
        else:
            # A wildcard that names a module also means what is below it.
            patterns.append(translate(plain) + "|" + translate(f"{plain}.*"))
    return Modules(frozenset(names), tuple(prefixes), tuple(patterns))


def _sound(pattern: str) -> str:
    """The pattern, or one that matches its text where it is not a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return re.escape(pattern)
    return pattern


NO_MODULES = Modules()
"""The empty set."""
