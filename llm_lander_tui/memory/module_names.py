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

_SPELLINGS = (
    (re.compile(r"(?<=\.)[qkv]_proj$"), "qkv_proj"),
    (re.compile(r"(?<=\.)(?:gate|up)_proj$"), "gate_up_proj"),
    (re.compile(r"(?<=\.)(?:q_a|kv)_proj$"), "fused_wqa_wkv"),
    (re.compile(r"(?<=\.)q_b_proj$"), "wq_b"),
    (re.compile(r"(?<=\.)o_([ab])_proj$"), r"wo_\1"),
)
"""What engines fuse a projection into, and DeepSeek's own names."""

_SYNONYMS = (
    (re.compile(r"\b(?:ffn|feed_forward|block_sparse_moe)\b"), "mlp"),
    (re.compile(r"\b(?:attn|attention)\b"), "self_attn"),
)
"""Blocks of a layer that checkpoints name apart."""


def canonical(name: str) -> str:
    """A module name without the prefix of the language model, its blocks by their usual names."""
    name = _TEXT_PREFIX.sub("", name)
    for synonym, usual in _SYNONYMS:
        name = synonym.sub(usual, name)
    return name


def module_names(layer: int | None, tensor: Tensor) -> tuple[str, ...]:
    """The canonical names that a config may call the tensor's module by.

    An expert stack also goes by the name of its first expert, a projection by other spellings.
    """
    names = _module_names(tensor.module, tensor.shard in (Shard.EXPERTS, Shard.EXPERTS_ROW))
    if layer is None:
        return names
    return tuple(f"layers.{layer}.{name}" for name in names)


@lru_cache(maxsize=4096)
def _module_names(module: str, stack: bool) -> tuple[str, ...]:
    names = [canonical(module)]
    if stack:
        names.append(names[0].replace("experts.", "experts.0.", 1))
    names += [
        spelling.sub(other, name)
        for name in names[:2]
        for spelling, other in _SPELLINGS
        if spelling.search(name)
    ]
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


def _other_blocks(name: str) -> str:
    """The name as checkpoints write it that call the blocks "ffn" and "attn"."""
    return name.replace(".mlp.", ".ffn.").replace(".self_attn.", ".attn.")


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
        if not self.patterns:
            return False
        spelt = [prefix + n for n in (name, _other_blocks(name)) for prefix in _REGEX_PREFIXES]
        return any(_compiled(p).match(n) for p in self.patterns for n in spelt)


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
