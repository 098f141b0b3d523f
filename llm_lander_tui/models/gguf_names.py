"""GGUF files by name: which quantization a file holds, and which files are parts of one model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LABEL = re.compile(
    r"(?:^|[-._/ ])"
    r"((?:UD-)?(?:I?Q[1-8](?:_[0-9A-Z]+)*|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))"
    r"(?=$|[-._/ ])",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_NOT_A_MODEL = re.compile(r"(^|[-._/])(mmproj|imatrix|projector)", re.IGNORECASE)
_PREFERRED = ("Q4_K_M", "UD-Q4_K_XL", "Q4_0", "MXFP4_MOE", "MXFP4", "Q8_0")
"""What is planned where nobody chose: what llama.cpp and Ollama take, then what is most alike."""
_PLAIN = {"FP16": "F16", "FP32": "F32"}


@dataclass(frozen=True, slots=True)
class GgufChoice:
    """One model among the files of a repository: its quantization, its parts in order, bytes.

    `parts` is how many files the names claim; more than `files` holds when some are missing.
    """

    label: str
    files: tuple[str, ...]
    bytes: int
    parts: int = 1

    @property
    def name(self) -> str:
        """The name of the file, of the first part where it is split."""
        return self.files[0]


def quant_label(path: str) -> str:
    """The quantization that a file name or its folder states, "" when none does.

    `"Qwen3-8B-Q4_K_M.gguf"` is Q4_K_M, `"UD-Q2_K_XL/x-00001-of-00003.gguf"` is UD-Q2_K_XL.
    """
    folder, _, file = path.rpartition("/")
    for text in (re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", file, flags=re.IGNORECASE), folder):
        found = _LABEL.findall(text)
        if found:
            label = str(found[-1]).upper()
            return _PLAIN.get(label, label)
    return ""


def gguf_choices(sizes: Mapping[str, int]) -> tuple[GgufChoice, ...]:
    """The models among `sizes` (path to bytes), smallest first, projectors left out."""
    groups: dict[str, list[str]] = {}
    parts: dict[str, int] = {}
    for path in sizes:
        if not path.lower().endswith(".gguf") or _NOT_A_MODEL.search(path):
            continue
        split = _SPLIT.match(path)
        stem = split[1] if split else path
        groups.setdefault(stem, []).append(path)
        parts[stem] = int(split[3]) if split else 1
    found = [
        GgufChoice(
            quant_label(files[0]), tuple(sorted(files)), sum(sizes[f] for f in files), parts[stem]
        )
        for stem, files in groups.items()
    ]
    return tuple(sorted(found, key=lambda choice: (choice.bytes, choice.name)))


def choose(
    choices: tuple[GgufChoice, ...], *, file: str | None = None, quant: str | None = None
) -> GgufChoice | None:
    """The choice of that file or that quantization, the preferred one where neither is named."""
    if file is not None:
        wanted = file.lower()
        for choice in choices:
            paths = [path.lower() for path in choice.files]
            if wanted in paths or wanted in [path.rpartition("/")[2] for path in paths]:
                return choice
        return None
    for label in (quant,) if quant is not None else _PREFERRED:
        for choice in choices:
            if choice.label == label.upper():
                return choice
    return choices[0] if choices and quant is None else None
