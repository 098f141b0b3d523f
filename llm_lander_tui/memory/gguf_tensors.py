"""The tensors of a GGUF file: what llama.cpp's converter makes of an architecture.

Rules: `convert_hf_to_gguf.py` and `conversion/` of llama.cpp at the version of
llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import LatentAttention
from llm_lander_tui.models.linear_attention import GatedDeltaNet
from llm_lander_tui.models.tensors import Part, Tensor

_UNSUFFIXED = frozenset(("ssm_a", "ssm_d"))

_KEEPS_KV_B = frozenset(("minicpm3", "plm"))
"""Latent attention that the converter leaves as it is stored, without absorption."""

_ALWAYS_F32 = frozenset((
    "ffn_gate_inp", "ffn_gate_inp_shexp", "position_embd", "token_types", "ssm_conv1d",
    "ssm_conv1d_q", "ssm_conv1d_k", "ssm_conv1d_v", "shortconv.conv", "altup_correct_coef",
    "altup_predict_coef", "indexer.proj", "time_mix_first", "time_mix_w1", "time_mix_w2",
    "time_mix_decay_w1", "time_mix_decay_w2", "time_mix_lerp_fused",
))  # fmt: skip
"""Matrices that are F32 in every file."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of the file: its name there ("blk.3.attn_q.weight"), its layer and its shape."""

    name: str
    layer: int | None
    tensor: Tensor

    @property
    def matrix(self) -> bool:
        """Whether it has two dimensions or more, as ggml counts them."""
        return self.tensor.rows * self.tensor.copies > 1

    @property
    def always_f32(self) -> bool:
        """Whether the converter writes it as F32 whatever the file type."""
        if not self.matrix or self.tensor.name in _ALWAYS_F32:
            return True
        return self.name.endswith("_norm.weight") or not self.name.endswith(".weight")


@lru_cache(maxsize=64)
def gguf_tensors(architecture: Architecture) -> tuple[GgufTensor, ...]:
    """The tensors of the file in llama-quantize's order.

    Those outside the layers come first, then layer by layer, each by name. Towers and projectors
    are left out: they live in a file of their own.
    """
    outer = (t for t in architecture.outer if t.part is not Part.TOWER)
    found = sorted(
        (GgufTensor(_name(None, t), None, t) for t in outer), key=lambda entry: entry.name
    )
    keeps_kv_b = architecture.model_type in _KEEPS_KV_B
    known: dict[Layer, tuple[Tensor, ...]] = {}
    for number, layer in enumerate(architecture.layers):
        if layer not in known:
            converted = layer.tensors() if keeps_kv_b else _converted(layer)
            known[layer] = tuple(sorted(converted, key=lambda t: _name(None, t)))
        found += (GgufTensor(_name(number, t), number, t) for t in known[layer])
    return tuple(found)


def _name(layer: int | None, tensor: Tensor) -> str:
    stem = tensor.name if layer is None else f"blk.{layer}.{tensor.name}"
    if tensor.name in _UNSUFFIXED:
        return stem
    return f"{stem}.{'bias' if tensor.bias else 'weight'}"


def _converted(layer: Layer) -> Iterator[Tensor]:
    """The layer's tensors, split and renamed as the converter does."""
    latent = next((m for m in layer.mixers if isinstance(m, LatentAttention)), None)
    delta = next((m for m in layer.mixers if isinstance(m, GatedDeltaNet)), None)
    for tensor in layer.tensors():
        if latent is not None and tensor.name == "attn_kv_b":
            yield from _absorbed(latent, tensor)
        elif delta is not None and tensor.name == "ssm_in":
            yield from _unfused(delta, tensor)
        else:
            yield tensor


def _absorbed(latent: LatentAttention, tensor: Tensor) -> tuple[Tensor, Tensor]:
    """kv_b_proj by head, its key half transposed, so that llama.cpp attends in the latent."""
    rank = latent.kv_lora_rank
    keys = replace(
        tensor, name="attn_k_b", rows=rank, columns=latent.qk_nope_head_dim, copies=latent.heads
    )
    values = replace(tensor, name="attn_v_b", rows=latent.v_head_dim, copies=latent.heads)
    return keys, values


def _unfused(delta: GatedDeltaNet, tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Qwen3-Next's in_proj_qkvz as queries, keys and values, and the output gate."""
    gate = delta.value_heads * delta.value_dim
    return (
        replace(tensor, name="attn_qkv", rows=tensor.rows - gate),
        replace(tensor, name="attn_gate", rows=gate),
    )
