"""The format that a model's own checkpoint is in: its weights, and its KV cache where it says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod

from llm_lander_tui.errors import SourceError
from llm_lander_tui.formats import BF16, F16, F32, KvFormat, kv_format
from llm_lander_tui.memory import quantization_config
from llm_lander_tui.memory.config_fields import unreadable
from llm_lander_tui.memory.gguf_mix import named_mix
from llm_lander_tui.memory.linear_recipe import LinearRecipe, PlainRecipe
from llm_lander_tui.memory.stored import StoredRecipe
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Checkpoint, Model

PLAIN = {
    "float32": PlainRecipe("FP32", F32),
    "float16": PlainRecipe("FP16", F16),
    "bfloat16": PlainRecipe("BF16", BF16),
}
"""Unquantised checkpoints by their dtype."""


@lru_cache(maxsize=256)
def recipe_of(model: Model) -> Recipe:
    """The format that the model's checkpoint is in.

    Headers are exact ("as stored"); without them the quantization_config decides, then the dtype.
    Raises `SourceError` with the reason where a quantised checkpoint cannot be read.
    """
    checkpoint = model.checkpoint
    if checkpoint is not None and (
        checkpoint.container == "gguf" or model.source in {"gguf", "ollama"}
    ):
        return _gguf(checkpoint)
    if not model.quantization:
        return PLAIN.get(model.architecture.dtype, PLAIN["bfloat16"])
    if checkpoint is None or not checkpoint.tensors:
        return quantization_config.read(model.quantization)
    try:
        stated = quantization_config.read(model.quantization)
    except SourceError:
        # The headers count every byte, also of a method that is not known.
        method = str(model.quantization.get("quant_method") or "unknown")
        stated = LinearRecipe(checkpoint.format or method, method, _bits(checkpoint), None, None)
    return StoredRecipe(stated.name, stated.bits, checkpoint.tensors, stated)


def _gguf(checkpoint: Checkpoint) -> Recipe:
    """A GGUF file's types by its header, else by the rules of the mix that it is named after."""
    if checkpoint.tensors:
        return StoredRecipe(checkpoint.format, _bits(checkpoint), checkpoint.tensors)
    mix = named_mix(checkpoint.format)
    if mix is None:
        raise unreadable(f"no rule is known for a {checkpoint.format or 'nameless'} GGUF file")
    return mix


def _bits(checkpoint: Checkpoint) -> float:
    """Stored bits per stored element."""
    elements = sum(prod(tensor.shape) for tensor in checkpoint.tensors)
    return 8 * sum(tensor.bytes for tensor in checkpoint.tensors) / max(elements, 1)


_KV_ALGORITHMS = {"FP8": "fp8", "NVFP4": "nvfp4", "INT8": "int8"}


def kv_format_of(model: Model) -> KvFormat | None:
    """The KV format that the checkpoint's config fixes for engines; None when it fixes none.

    compressed-tensors states a `kv_cache_scheme`, ModelOpt a `kv_cache_quant_algo`.
    """
    values: Mapping[str, object] = model.quantization or {}
    inner = values.get("quantization")
    if isinstance(inner, Mapping):
        values = inner
    scheme = values.get("kv_cache_scheme")
    if isinstance(scheme, Mapping) and scheme.get("num_bits") == 8:
        return kv_format("int8" if scheme.get("type") == "int" else "fp8")
    if isinstance(scheme, Mapping) and scheme.get("num_bits") == 4:
        return kv_format("nvfp4" if scheme.get("type") == "float" else "int4")
    stated = str(scheme if isinstance(scheme, str) else values.get("kv_cache_quant_algo")).upper()
    name = _KV_ALGORITHMS.get(stated)
    return None if name is None else kv_format(name)
