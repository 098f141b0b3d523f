"""Typed access to what GGUF headers say of a model: its metadata keys and its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from llm_lander_tui.errors import RefusedModel, SourceError
from llm_lander_tui.models.gguf_file import Skipped
from llm_lander_tui.models.model import StoredTensor

_MOST_LAYERS = 4096


class GgufFacts:
    """Metadata by key without the architecture's prefix, and tensors by name."""

    def __init__(self, metadata: Mapping[str, object], tensors: Sequence[StoredTensor]) -> None:
        self.metadata = metadata
        self.tensors = {tensor.name: tensor for tensor in tensors}
        arch = metadata.get("general.architecture")
        if not isinstance(arch, str) or not arch:
            raise SourceError(
                "Not a model",
                "The GGUF file does not say which architecture it holds.",
                "Choose the file of a model, not of a projector or an importance matrix.",
            )
        self.arch = arch

    def get(self, key: str) -> object:
        """The value of `{arch}.{key}`, None without one."""
        found = self.metadata.get(f"{self.arch}.{key}")
        return None if isinstance(found, Skipped) else found

    def number(self, key: str, default: int | None = None) -> int | None:
        """The whole number under `key`; the largest where each layer has its own."""
        found = self.get(key)
        if isinstance(found, tuple) and found and all(type(n) is int for n in found):
            return int(max(found))
        return found if type(found) is int else default

    def required(self, key: str) -> int:
        """The whole number of one or more under `key`. Raises `RefusedModel` without one."""
        found = self.number(key)
        if found is None:
            raise _refused(f"The GGUF file does not state {self.arch}.{key}.")
        if found < 1:
            raise _refused(f"{self.arch}.{key} is {found}, and must be at least 1.")
        return found

    def each(self, key: str) -> tuple[int, ...] | None:
        """The numbers under `key`, one for each layer, None where it is one for all."""
        found = self.get(key)
        if not (isinstance(found, tuple) and found and all(isinstance(n, int) for n in found)):
            return None
        if len(found) < self.layers:
            raise _refused(f"{self.arch}.{key} lists {len(found)} of {self.layers} layers.")
        return tuple(int(n) for n in found)[: self.layers]

    @cached_property
    def layers(self) -> int:
        """Decoder layers, without those for multi-token prediction."""
        return self.blocks - self.mtp_layers

    @cached_property
    def blocks(self) -> int:
        """All blocks that the file counts."""
        found = self.required("block_count")
        if found > _MOST_LAYERS:
            raise _refused(f"The GGUF file claims {found:,} layers.")
        return found

    @cached_property
    def mtp_layers(self) -> int:
        """Blocks at the end that predict further tokens."""
        found = self.number("nextn_predict_layers", 0) or 0
        return found if 0 < found < self.blocks else 0

    def has(self, *stems: str) -> bool:
        """Whether any block has one of these tensors (`"attn_q.bias"`)."""
        return any(f"blk.{i}.{stem}" in self.tensors for i in range(self.layers) for stem in stems)

    def rows(self, stem: str) -> int | None:
        """Rows of the first block's matrix of that name."""
        for i in range(self.layers):
            found = self.tensors.get(f"blk.{i}.{stem}")
            if found is not None and len(found.shape) == 2:
                return found.shape[0]
        return None

    def blocks_with(self, *stems: str) -> tuple[bool, ...]:
        """Which decoder layers have one of these tensors."""
        return tuple(
            any(f"blk.{i}.{stem}" in self.tensors for stem in stems) for i in range(self.layers)
        )

    @cached_property
    def vocab(self) -> int | None:
        """Rows of the embedding; the stated or listed vocabulary where no tensors are known."""
        table = self.tensors.get("token_embd.weight")
        if table is not None and len(table.shape) == 2:
            return table.shape[0]
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, Skipped):
            return tokens.length
        stated = self.number("vocab_size")
        if stated is None and isinstance(tokens, tuple):
            return len(tokens)
        return stated

    @property
    def tied(self) -> bool:
        """Whether the head is the embedding: no output tensor beside known tensors."""
        return "token_embd.weight" in self.tensors and "output.weight" not in self.tensors


def _refused(message: str) -> RefusedModel:
    return RefusedModel(
        "Model cannot be planned",
        message,
        "Choose another file of this model, or plan it by its Hub id.",
    )
