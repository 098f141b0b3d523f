"""Which ggml type llama-quantize gives each tensor of a file type (memory_models A.5).

The rules are those of llama.cpp's `src/llama-quant.cpp` at the version of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from llm_lander_tui.formats import GGML_TYPE_BY_NAME
from llm_lander_tui.memory.gguf_tensors import GgufTensor, Role, gguf_tensors
from llm_lander_tui.memory.weights import BlockStorage, Weights, WeightTensor
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.attention import GroupedAttention, LatentAttention
from llm_lander_tui.models.mlp import ExpertsMlp
from llm_lander_tui.models.tensors import Tensor

FILE_TYPES = MappingProxyType(
    {
        "Q8_0": ("Q8_0", 8.5), "Q6_K": ("Q6_K", 6.56), "Q5_K_M": ("Q5_K", 5.7),
        "Q5_K_S": ("Q5_K", 5.57), "Q5_1": ("Q5_1", 6.0), "Q5_0": ("Q5_0", 5.59),
        "Q4_K_M": ("Q4_K", 4.89), "Q4_K_S": ("Q4_K", 4.67), "Q4_1": ("Q4_1", 5.1),
        "Q4_0": ("Q4_0", 4.65), "IQ4_NL": ("IQ4_NL", 4.65), "IQ4_XS": ("IQ4_XS", 4.42),
        "Q3_K_L": ("Q3_K", 4.3), "Q3_K_M": ("Q3_K", 4.0), "Q3_K_S": ("Q3_K", 3.64),
        "IQ3_M": ("IQ3_S", 3.76), "IQ3_S": ("IQ3_S", 3.66), "IQ3_XS": ("IQ3_S", 3.5),
        "IQ3_XXS": ("IQ3_XXS", 3.25), "Q2_K": ("Q2_K", 3.16), "Q2_K_S": ("Q2_K", 2.97),
        "IQ2_M": ("IQ2_S", 2.93), "IQ2_S": ("IQ2_XS", 2.74), "IQ2_XS": ("IQ2_XS", 2.59),
        "IQ2_XXS": ("IQ2_XXS", 2.38), "IQ1_M": ("IQ1_M", 2.15), "IQ1_S": ("IQ1_S", 2.0),
        "TQ2_0": ("TQ2_0", 2.56), "TQ1_0": ("TQ1_0", 2.19), "Q2_0": ("Q2_0", 2.7),
        "Q1_0": ("Q1_0", 1.6), "NVFP4": ("NVFP4", 4.65), "MXFP4_MOE": ("MXFP4", 4.25),
        "F32": ("F32", 32.0), "BF16": ("BF16", 16.0), "F16": ("F16", 16.0),
    }
)  # fmt: skip
"""File types with their default tensor type and bits per weight on Llama-3.1-8B (dry runs)."""

_STORAGES = {name: BlockStorage(block) for name, block in GGML_TYPE_BY_NAME.items()}

_SEVENTY_B = frozenset(("qwen2", "olmo", "nemotron-nas", "deci"))
_LLAMA = frozenset(("llama", "mistral"))
"""Model types that llama.cpp loads as its "llama" architecture, where 80 layers are the 70B."""

_KV_HEADS_BY_LAYER = frozenset(
    ("jamba", "nemotron_h", "granitemoehybrid", "lfm2", "lfm2_moe", "kimi_linear", "plamo2")
)
"""Hybrids whose files state KV heads layer by layer, none for a layer without attention."""

_LOW = frozenset(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"))
_E = 8
"""The expert count that llama-quantize treats as Mixtral."""

_FALLBACK = {
    "IQ1_S": "IQ4_NL", "IQ1_M": "IQ4_NL", "IQ2_XXS": "IQ4_NL", "IQ2_XS": "IQ4_NL",
    "IQ2_S": "IQ4_NL", "IQ3_XXS": "IQ4_NL", "IQ3_S": "IQ4_NL", "IQ4_XS": "IQ4_NL",
    "Q2_0": "Q4_0", "Q2_K": "Q4_0", "Q3_K": "Q4_0", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0",
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip
"""What a type becomes where its block does not divide the row."""


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """What of an architecture the rules ask for."""

    layers: int
    gqa: int
    """Query heads per KV head of the first layer (MLA: all heads, its cache is one head)."""
    experts: int
    falcon: bool
    seventy_b: bool
    """llama.cpp's 70B type: 80 layers in the Llama (grouped-query), Qwen2 or OLMo family."""
    tied: bool
    values: int
    """Tensors of the attn_v, attn_qkv and attn_kv_b kinds."""


def _more(position: int, count: int) -> bool:
    """The first and last eighth, and every third between."""
    return (
        position < count // 8
        or position >= 7 * count // 8
        or (position - count // 8) % 3 == 2
    )  # fmt: skip


_COUNTED = (Role.VALUE, Role.DOWN, Role.UP, Role.GATE)
"""Kinds of tensors whose type may hang on how many of them came before."""


@dataclass(slots=True)
class _Mix:
    """One run over a file's tensors in order; counts as llama-quantize counts."""

    file_type: str
    imatrix: bool
    facts: GgufFacts
    tables: str = ""
    pure: bool = False
    value: int = 0
    down: int = 0
    up: int = 0
    gate: int = 0
    known: dict[int, str] = field(default_factory=dict)
    """Types of tensors that do not hang on the running counts; equal layers share theirs."""

    def chosen(self, entry: GgufTensor) -> str:
        """The ggml type of a tensor that may be quantised."""
        if entry.role in _COUNTED:
            return self._chosen(entry)
        kind = self.known.get(id(entry.tensor))
        if kind is None:
            kind = self.known[id(entry.tensor)] = self._chosen(entry)
        return kind

    def _chosen(self, entry: GgufTensor) -> str:
        default = FILE_TYPES[self.file_type][0]
        if GGML_TYPE_BY_NAME[default].size == 1:
            return default
        columns = entry.tensor.columns
        wanted = self._wanted(default, entry)
        if columns % GGML_TYPE_BY_NAME[wanted].size:
            wanted = _FALLBACK.get(wanted, wanted)
            if columns % GGML_TYPE_BY_NAME[wanted].size:
                return "F16"
        return wanted

    def _wanted(self, default: str, entry: GgufTensor) -> str:
        role, tensor = entry.role, entry.tensor
        if self.tables and role in (Role.HEAD, Role.TABLE):
            return self.tables
        if self.pure:
            return default
        if role is Role.HEAD or (role is Role.TABLE and self.facts.tied):
            return self._output(default, tensor)
        if self.file_type == "MXFP4_MOE":
            return "MXFP4" if tensor.copies > 1 else "Q8_0"
        if role is Role.TABLE:
            return _TABLE.get(self.file_type, default)
        rule = _RULES.get(role)
        return default if rule is None else rule(self, default, entry.layer or 0)

    def _output(self, default: str, tensor: Tensor) -> str:
        indivisible = tensor.columns % GGML_TYPE_BY_NAME[default].size
        if self.file_type == "MXFP4_MOE" or self.facts.falcon or indivisible:
            return "Q8_0"
        if self.file_type in _LOW or self.file_type == "IQ3_XXS":
            return "Q5_K"
        return default if default == "Q8_0" else "Q6_K"

    def attention_value(self, default: str, _layer: int) -> str:
        position, self.value = self.value, self.value + 1
        file_type, facts = self.file_type, self.facts
        grouped = facts.gqa >= 4
        if file_type in _LOW:
            if grouped or facts.experts >= 4:
                return "Q4_K"
            return "IQ3_S" if file_type in ("IQ2_S", "IQ2_M") else "Q2_K"
        found = default
        if file_type == "Q2_K":
            found = "Q4_K" if grouped else "Q3_K"
        elif file_type in ("Q2_K_S", "IQ3_XS", "IQ3_S"):
            found = "Q4_K" if grouped else default
        elif file_type == "IQ3_XXS":
            found = "Q4_K" if grouped else "IQ3_XXS" if self.imatrix else "IQ3_S"
        elif file_type == "IQ3_M":
            found = "Q4_K"
        elif file_type == "Q3_K_M":
            found = "Q5_K" if position < 2 else "Q4_K"
        elif file_type == "Q3_K_L":
            found = "Q5_K"
        elif file_type in ("IQ4_NL", "IQ4_XS"):
            found = "Q5_K" if grouped else default
        elif file_type in ("Q4_K_M", "Q5_K_M"):
            found = "Q6_K" if _more(position, facts.values) else default
        elif file_type == "Q4_K_S":
            found = "Q5_K" if position < 4 else default
        if facts.seventy_b and found in ("Q3_K", "Q4_K"):
            found = "Q5_K"
        return "Q8_0" if facts.experts == _E else found

    def attention_key(self, default: str, layer: int) -> str:
        if self.facts.experts == _E:
            return "Q4_K" if self.file_type in _LOW else "Q8_0"
        return self.attention_query(default, layer)

    def attention_query(self, default: str, _layer: int) -> str:
        return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(self.file_type, default)

    def ffn_down(self, default: str, layer: int) -> str:
        running, self.down = self.down, self.down + 1
        file_type, count = self.file_type, self.facts.layers
        if file_type in _LOW:
            if running >= count // 8:
                return default
            return "IQ3_S" if file_type in ("IQ2_S", "IQ2_M") else "Q2_K"
        position = layer if self.facts.experts > 1 else running
        early, more = position < count // 8, _more(position, count)
        falcon = self.facts.falcon
        if file_type in ("Q2_K", "Q3_K_L"):
            return "Q3_K" if file_type == "Q2_K" else "Q4_K" if falcon else "Q5_K"
        if file_type == "Q2_K_S":
            return "Q4_K" if early else default
        if file_type == "IQ3_XXS" and not self.imatrix:
            return "Q4_K" if early else "Q3_K"
        if file_type == "Q3_K_M":
            if position < count // 16:
                return "Q5_K"
            return "Q4_K" if more or not falcon else "Q3_K"
        if file_type == "IQ3_M":
            return "Q4_K" if early or (self.facts.experts == _E and more) else default
        if file_type == "Q4_K_M" and falcon:
            return "Q6_K" if position < count // 16 else "Q5_K" if more else default
        if file_type in ("Q4_K_M", "Q5_K_M"):
            return "Q6_K" if more else default
        if file_type in ("IQ4_NL", "IQ4_XS"):
            return "Q5_K" if early and not self.imatrix else default
        if file_type == "Q4_K_S":
            return "Q5_K" if early and not falcon else default
        if file_type in ("Q4_0", "Q5_0") and self.imatrix and early:
            return "Q4_1" if file_type == "Q4_0" else "Q5_1"
        return default

    def attention_output(self, default: str, _layer: int) -> str:
        if self.facts.falcon and self.file_type not in _LOW:
            return "Q4_K" if self.file_type == "Q3_K_L" else default
        if self.facts.experts == _E:
            return "Q5_K" if self.file_type in _EIGHT_OUTPUT else default
        return _OUTPUT.get(self.file_type, default)

    def ffn_up(self, default: str, layer: int) -> str:
        running, self.up = self.up, self.up + 1
        return self._inner(default, layer if self.facts.experts > 1 else running)

    def ffn_gate(self, default: str, layer: int) -> str:
        running, self.gate = self.gate, self.gate + 1
        return self._inner(default, layer if self.facts.experts > 1 else running)

    def _inner(self, default: str, position: int) -> str:
        count = self.facts.layers
        middle = count // 8 <= position < 7 * count // 8
        return "IQ3_XXS" if self.file_type == "IQ3_XS" and middle else default


_TABLE = {
    "IQ2_XXS": "Q2_K", "IQ2_XS": "Q2_K", "IQ1_S": "Q2_K", "IQ1_M": "Q2_K",
    "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S", "IQ3_XXS": "IQ3_S",
    "TQ1_0": "Q4_K", "TQ2_0": "Q4_K", "Q2_0": "Q4_K",
}  # fmt: skip
_OUTPUT = {
    "Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K",
    "IQ1_S": "IQ2_XXS", "IQ1_M": "IQ2_XXS", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S",
}  # fmt: skip
_EIGHT_OUTPUT = _LOW | {
    "Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S",
    "IQ3_M", "IQ4_XS",
}  # fmt: skip

_RULES: Mapping[Role, Callable[[_Mix, str, int], str]] = {
    Role.VALUE: _Mix.attention_value,
    Role.KEY: _Mix.attention_key,
    Role.QUERY: _Mix.attention_query,
    Role.OUTPUT: _Mix.attention_output,
    Role.UP: _Mix.ffn_up,
    Role.GATE: _Mix.ffn_gate,
    Role.DOWN: _Mix.ffn_down,
}


@lru_cache(maxsize=64)
def gguf_facts(architecture: Architecture) -> GgufFacts:
    """What llama-quantize knows of the model when it mixes types."""
    roles = [entry.role for entry in gguf_tensors(architecture)]
    count = len(architecture.layers)
    gqa = _query_heads_per_kv_head(architecture)
    kind = architecture.model_type
    mlps = [layer.mlp for layer in architecture.layers]
    return GgufFacts(
        layers=count,
        gqa=gqa,
        experts=max((mlp.experts for mlp in mlps if isinstance(mlp, ExpertsMlp)), default=0),
        falcon=kind == "falcon",
        seventy_b=count == 80 and (kind in _SEVENTY_B or (kind in _LLAMA and gqa > 1)),
        tied=Role.HEAD not in roles,
        values=roles.count(Role.VALUE),
    )


def _query_heads_per_kv_head(architecture: Architecture) -> int:
    """Query heads per KV head of the first layer, as the file's metadata state them."""
    first, *others = [layer.mixers for layer in architecture.layers] or [()]
    searched = [first] if architecture.model_type in _KV_HEADS_BY_LAYER else [first, *others]
    for mixer in (mixer for mixers in searched for mixer in mixers):
        if isinstance(mixer, LatentAttention):
            return mixer.heads
        if isinstance(mixer, GroupedAttention):
            return mixer.heads // mixer.kv_heads
    return 0


_RELEASED_IN_MXFP4 = frozenset(("gpt_oss",))
"""Model types whose checkpoints hold MXFP4 experts, which the converter keeps."""

_SHARED_NAMES = frozenset(("F32", "F16", "BF16", "NVFP4"))
"""File types whose name other weight formats have too."""

WIDE_TABLES = MappingProxyType(
    {
        "Q2_K_L": "Q2_K", "Q3_K_XL": "Q3_K_L", "Q4_K_L": "Q4_K_M", "Q5_K_L": "Q5_K_M",
        "Q6_K_L": "Q6_K",
    }
)  # fmt: skip
"""Names of files whose embedding and output are Q8_0, with the file type of the rest."""


@dataclass(frozen=True, slots=True)
class GgufRecipe:
    """A file type of llama-quantize, with an importance matrix or without.

    `tables` is the type of embedding and output where it is chosen apart (--token-embedding-type
    and --output-tensor-type); `pure` gives every tensor the default type (--pure).
    """

    file_type: str
    imatrix: bool = True
    tables: str = ""
    pure: bool = False

    @property
    def name(self) -> str:
        if self.file_type in _SHARED_NAMES:
            return f"GGUF-{self.file_type}"
        if self.tables:
            return next(name for name, base in WIDE_TABLES.items() if base == self.file_type)
        pure = "-pure" if self.pure else ""
        return f"{self.file_type}{pure}" + ("" if self.imatrix else "-static")

    @property
    def family(self) -> str:
        return "gguf"

    @property
    def _unquantised(self) -> bool:
        return GGML_TYPE_BY_NAME[FILE_TYPES[self.file_type][0]].size == 1

    @property
    def bits(self) -> float:
        return FILE_TYPES[self.file_type][1] + (0.05 if self.tables else 0)

    def storages(self, architecture: Architecture) -> Weights:
        """Every ggml tensor with its type (memory_models A.5)."""
        mix = _Mix(self.file_type, self.imatrix, gguf_facts(architecture), self.tables, self.pure)
        kept = "F32" if self.file_type == "F32" else "F16"
        released = self._unquantised and architecture.model_type in _RELEASED_IN_MXFP4
        found = []
        for entry in gguf_tensors(architecture):
            kind = mix.chosen(entry) if entry.quantised else entry.fixed or kept
            if released and entry.quantised and entry.tensor.copies > 1:
                kind = "MXFP4"
            found.append(WeightTensor(entry.layer, entry.tensor, _STORAGES[kind]))
        return Weights(tuple(found))


def named_mix(name: str) -> GgufRecipe | None:
    """The mix of that name, whatever its case, or None.

    Beside the file types: "Q4_K_L" (Q8_0 tables), "Q4_K" (Q4_K_M), "gguf-bf16", "q4_k_m-static"
    (no importance matrix) and "iq4_xs-pure".
    """
    match = re.fullmatch(r"(?:GGUF-)?(\w+?)(-PURE)?(-STATIC)?", name.strip().upper())
    if match is None:
        return None
    file_type = _SHORT.get(match[1], match[1])
    if file_type in WIDE_TABLES:
        return GgufRecipe(WIDE_TABLES[file_type], not match[3], tables="Q8_0")
    if file_type not in FILE_TYPES:
        return None
    return GgufRecipe(file_type, not match[3], pure=bool(match[2]))


_SHORT = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "FP16": "F16", "FP32": "F32"}
