"""The tensors of a GGUF file: what llama.cpp's converter makes of an architecture.

Rules: `convert_hf_to_gguf.py` and `conversion/` of llama.cpp at the version of
llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.linear_attention import GatedDeltaNet
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector

_UNSUFFIXED = frozenset(("ssm_a", "ssm_d"))
_BIASES = frozenset(("exp_probs_b",))

_KEEPS_KV_B = frozenset(("minicpm3", "plm"))
"""Latent attention that the converter leaves as it is stored, without absorption."""

_ALWAYS_F32 = frozenset((
    "ffn_gate_inp", "ffn_gate_inp_shexp", "position_embd", "token_types", "ssm_conv1d",
    "ssm_conv1d_q", "ssm_conv1d_k", "ssm_conv1d_v", "shortconv.conv", "altup_correct_coef",
    "altup_predict_coef", "indexer.proj", "time_mix_first", "time_mix_w1", "time_mix_w2",
    "time_mix_decay_w1", "time_mix_decay_w2", "time_mix_lerp_fused", "indexer.q_proj",
    "indexer.k_proj",
))  # fmt: skip
"""Matrices that are F32 in every file."""


_TOKEN_TABLES = frozenset(("ffn_gate_tid2eid",))
"""Tables of integers: DeepSeek-V4's experts by token."""

_POST_ATTENTION = {"ffn_norm": "post_attention_norm"}
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "seed_oss": _POST_ATTENTION,
    "qwen3_next": _POST_ATTENTION,
    "qwen3_5_text": _POST_ATTENTION,
    "qwen3_5_moe_text": _POST_ATTENTION,
    "gpt_oss": _POST_ATTENTION,
    "glm4_moe": _POST_ATTENTION,
    "deepseek_v4": {
        f"indexer.compressor_{part}": f"indexer_compressor_{part}"
        for part in ("ape", "gate", "kv", "norm")
    },
    "ernie4_5_moe": {"ffn_gate_inp.bias": "exp_probs_b"},
    "laguna": {"ffn_gate_inp.bias": "exp_probs_b"},
    "dbrx": {"ffn_norm": "attn_output_norm"},
    "lfm2": {"output_norm": "token_embd_norm"},
    "lfm2_moe": {"output_norm": "token_embd_norm"},
}
"""Stems that llama.cpp's architectures name apart, by model type."""

_DROPS_TIED_HEAD = frozenset((
    "gemma", "gemma2", "hunyuan", "hunyuan_v1_dense", "hunyuan_v1_moe", "deepseek_v2",
    "deepseek_v3", "deepseek_v32", "kimi_k2", "glm4_moe_lite", "glm_moe_dsa",
))  # fmt: skip
"""Model types whose converter leaves a head out that the config ties."""

_SPLITS_UP = frozenset(("granitemoehybrid", "granitemoe", "granitemoeshared", "openelm"))
"""Model types whose fused gate and up matrix the converter splits."""

_NEVER_QUANTISED = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel",
    "per_layer_model_proj", "position_embd", "token_types", "ssm_conv1d", "shortconv.conv.weight",
    "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w",
    "time_mix_v", "time_mix_a", "time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w",
    "time_mix_lerp_fused.weight", "attn_rel_b.weight",
)  # fmt: skip
"""Parts of names that llama-quantize leaves in their type."""


class Role(Enum):
    """The kinds of tensors that llama-quantize tells apart by name."""

    HEAD = ("output.weight",)
    TABLE = ("token_embd.weight", "per_layer_token_embd.weight")
    VALUE = ("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight")
    KEY = ("attn_k.weight",)
    QUERY = ("attn_q.weight",)
    OUTPUT = ("attn_output.weight",)
    UP = ("ffn_up",)
    GATE = ("ffn_gate",)
    DOWN = ("ffn_down",)
    OTHER = ()


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of the file: its name there, its layer, its shape, and what quantising it does.

    `quantised` is whether llama-quantize touches it, `fixed` the type that the converter writes it
    in whatever the file type ("": that of the file).
    """

    name: str
    layer: int | None
    tensor: Tensor
    role: Role
    quantised: bool
    fixed: str


@lru_cache(maxsize=64)
def gguf_tensors(architecture: Architecture) -> tuple[GgufTensor, ...]:
    """The tensors of the file in llama-quantize's order.

    Those outside the layers come first, then layer by layer, each by name. Towers and projectors
    are left out: they live in a file of their own.
    """
    kind = architecture.model_type
    stored = (*architecture.outer, *_stored_head(architecture))
    outer = (t for t in stored if t.part is not Part.TOWER)
    found = list(_entries(None, (*_renamed(kind, outer), *_rope_factors(architecture))))
    known: dict[Layer, tuple[GgufTensor, ...]] = {}
    for number, layer in enumerate(architecture.layers):
        if layer not in known:
            known[layer] = _entries(number, _renamed(kind, _converted(kind, layer)))
            found += known[layer]
        else:
            found += (
                GgufTensor(_name(number, e.tensor), number, e.tensor, e.role, e.quantised, e.fixed)
                for e in known[layer]
            )
    return tuple(found)


def _stored_head(architecture: Architecture) -> tuple[Tensor, ...]:
    """The head that a checkpoint stores although its config ties it: the converter keeps it."""
    if not architecture.stored_head or architecture.model_type in _DROPS_TIED_HEAD:
        return ()
    table = next(t for t in architecture.outer if t.part is Part.EMBEDDING)
    rows = architecture.vocab_size
    return (Tensor("output", "lm_head", Part.LM_HEAD, rows, table.columns, Shard.VOCAB),)


def _rope_factors(architecture: Architecture) -> Iterator[Tensor]:
    """The factors of a scaled rotary embedding, which the converter computes and stores."""
    for table in architecture.rope:
        names: tuple[str, ...] = ()
        pairs = table.dim // 2
        if table.scaling == "llama3":
            names = ("rope_freqs",)
        elif table.scaling in ("longrope", "su"):
            names = ("rope_factors_long", "rope_factors_short")
        elif table.scaling == "proportional":
            # Gemma 4 states them for the whole head, also where it is not rotated.
            heads = (m for layer in architecture.layers for m in layer.mixers)
            pairs = max(m.head_dim for m in heads if isinstance(m, GroupedAttention)) // 2
            names = ("rope_freqs",)
        if names:
            yield from (vector(name, "model.rotary_emb", Part.OTHER, pairs) for name in names)
            return


def _entries(layer: int | None, tensors: Iterable[Tensor]) -> tuple[GgufTensor, ...]:
    """The tensors of one layer with what their names decide, by name."""
    return tuple(sorted((_entry(layer, t) for t in tensors), key=lambda entry: entry.name))


def _entry(layer: int | None, tensor: Tensor) -> GgufTensor:
    name = _name(layer, tensor)
    matrix = tensor.rows * tensor.copies > 1
    left = any(part in name for part in _NEVER_QUANTISED)
    return GgufTensor(
        name, layer, tensor, _role(name),
        quantised=matrix and name.endswith("weight") and not left,
        fixed="F32" if not matrix or not name.endswith(".weight") else _fixed(tensor.name),
    )  # fmt: skip


def _fixed(stem: str) -> str:
    """The type of a weight matrix in every file, "" where the file type decides."""
    if stem in _TOKEN_TABLES:
        return "I32"
    return "F32" if stem in _ALWAYS_F32 or stem.endswith("_norm") else ""


def _role(name: str) -> Role:
    for role in (Role.HEAD, Role.TABLE):
        if name in role.value:
            return role
    by_part = (r for r in Role if r not in (Role.HEAD, Role.TABLE))
    return next((r for r in by_part if any(part in name for part in r.value)), Role.OTHER)


def _name(layer: int | None, tensor: Tensor) -> str:
    stem = tensor.name if layer is None else f"blk.{layer}.{tensor.name}"
    if tensor.name in _UNSUFFIXED:
        return stem
    return f"{stem}.{'bias' if tensor.bias or tensor.name in _BIASES else 'weight'}"


def _renamed(kind: str, tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """The tensors under the names that the model type's architecture has in llama.cpp."""
    names = _RENAMED.get(kind, {})
    for tensor in tensors:
        name = names.get(f"{tensor.name}.bias" if tensor.bias else tensor.name)
        yield tensor if name is None else replace(tensor, name=name)


def _converted(kind: str, layer: Layer) -> Iterator[Tensor]:
    """The layer's tensors, split and reshaped as the converter does."""
    latent = next((m for m in layer.mixers if isinstance(m, LatentAttention)), None)
    delta = next((m for m in layer.mixers if isinstance(m, GatedDeltaNet)), None)
    for tensor in layer.tensors():
        if latent is not None and tensor.name == "attn_kv_b" and kind not in _KEEPS_KV_B:
            yield from _absorbed(latent, tensor)
        elif delta is not None and tensor.name == "ssm_in":
            yield from _unfused(delta, tensor)
        elif kind in _SPLITS_UP and tensor.module.endswith(_FUSED_UP):
            yield from _split_up(tensor)
        else:
            yield tensor


_FUSED_UP = ("gate_up_proj", "input_linear", "proj_1")


def _split_up(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """A fused gate and up matrix as two."""
    gate = tensor.name.replace("ffn_up", "ffn_gate", 1)
    half = replace(tensor, rows=tensor.rows // 2)
    return replace(half, name=gate), half


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
