"""GGUF metadata as a config.json, so that GGUF models go through the one parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from llm_lander_tui.errors import RefusedModel, SourceError
from llm_lander_tui.formats import GGUF_FILE_TYPES
from llm_lander_tui.models import gguf_file
from llm_lander_tui.models.gguf_architectures import config_of
from llm_lander_tui.models.gguf_facts import GgufFacts
from llm_lander_tui.models.gguf_file import GgufHeader
from llm_lander_tui.models.gguf_names import gguf_choices, quant_label
from llm_lander_tui.models.model import Checkpoint, Model, StoredTensor
from llm_lander_tui.models.profile import Profile

_ENCODER = "an encoder that makes embeddings"
_ENCODERS = (
    "bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "llama-embed",
    "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe", "t5encoder",
)  # fmt: skip
_NOT_MODELS = dict.fromkeys(_ENCODERS, _ENCODER) | {
    "clip": "a vision or audio projector",
    "imatrix": "an importance matrix",
    "t5": "an encoder-decoder model",
    "wavtokenizer-dec": "an audio codec",
    "dream": "a diffusion language model",
    "llada": "a diffusion language model",
    "llada-moe": "a diffusion language model",
    "rnd1": "a diffusion language model",
    "flux": "an image diffusion model",
    "sd1": "an image diffusion model",
    "sd3": "an image diffusion model",
    "sdxl": "an image diffusion model",
    "wan": "a video diffusion model",
}


class GgufSource:
    """Local GGUF files, split ones by any of their parts."""

    def load(self, name: str) -> Model:
        """The model in the file at the path `name`. Raises `SourceError` or `RefusedModel`."""
        return self.profile(name).model()

    def profile(self, name: str) -> Profile:
        """What the headers of the file and of its other parts say."""
        path = Path(name).expanduser()
        choices = gguf_choices({file.name: 0 for file in path.parent.glob("*.gguf")})
        choice = next((c for c in choices if path.name in c.files), None)
        parts = choice.files if choice is not None else (path.name,)
        if choice is not None and len(choice.files) != choice.parts:
            raise SourceError(
                "GGUF parts missing",
                f"{len(choice.files)} of the {choice.parts} parts of {path.name} are here.",
                "Download the other parts into the same directory.",
            )
        headers = [gguf_file.read_file(path.parent / part) for part in parts]
        return gguf_profile(str(path), "gguf", headers, quant_label(path.name))


def gguf_profile(
    name: str,
    source: str,
    headers: Sequence[GgufHeader],
    label: str = "",
    warnings: tuple[str, ...] = (),
) -> Profile:
    """The profile of a model from the headers of its parts, the first with the metadata.

    `label` is the quantization as the file's name states it. Raises `SourceError` or
    `RefusedModel`.
    """
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    return metadata_profile(
        name, source, headers[0].metadata, tensors, label=label, warnings=warnings
    )


def metadata_profile(
    name: str,
    source: str,
    metadata: Mapping[str, object],
    tensors: tuple[StoredTensor, ...],
    *,
    label: str = "",
    warnings: tuple[str, ...] = (),
) -> Profile:
    """The profile from GGUF metadata; `tensors` may be empty where a server does not list them."""
    refuse_other_kinds(name, metadata)
    facts = GgufFacts(metadata, tensors)
    config = config_of(facts)
    return Profile(name, source, config, None, checkpoint(metadata, tensors, label), warnings)


def refuse_other_kinds(name: str, metadata: Mapping[str, object]) -> None:
    """Raises `RefusedModel` for GGUF files that hold no decoder."""
    arch, kind = metadata.get("general.architecture"), metadata.get("general.type")
    what = _NOT_MODELS.get(arch) if isinstance(arch, str) else None
    if kind == "adapter":
        what = "a LoRA adapter"
    elif kind == "mmproj":
        what = "a vision or audio projector"
    if what is not None:
        raise RefusedModel(
            "Not a decoder",
            f"{name} is {what}, not a decoder that writes text token by token.",
            "Choose the GGUF file of a decoder language model.",
        )


def checkpoint(
    metadata: Mapping[str, object], tensors: tuple[StoredTensor, ...], label: str
) -> Checkpoint:
    """What is stored; the format is named by the file name, else the file, else its main type."""
    elements: Counter[str] = Counter()
    for tensor in tensors:
        elements[tensor.type] += prod(tensor.shape)
    stated = metadata.get("general.file_type")
    named = GGUF_FILE_TYPES.get(stated) if isinstance(stated, int) else None
    most = elements.most_common(1)[0][0] if elements else "unknown"
    return Checkpoint(
        label or named or most,
        sum(tensor.bytes for tensor in tensors) if tensors else None,
        tuple(elements.most_common()),
        tensors,
        "gguf",
    )
