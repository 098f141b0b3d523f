"""The weight formats by name, and the ones that a model can be had in."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache

from llm_lander_tui.errors import SourceError, UsageError
from llm_lander_tui.formats import BF16, F16, F32, INT4, INT8
from llm_lander_tui.memory import methods
from llm_lander_tui.memory.gguf_mix import FILE_TYPES, WIDE_TABLES, GgufRecipe, named_mix
from llm_lander_tui.memory.linear_recipe import LinearRecipe, PlainRecipe
from llm_lander_tui.memory.methods import uniform
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.memory.torchao import torchao
from llm_lander_tui.memory.weights import Recipe
from llm_lander_tui.models.model import Model

_EXL_HEAD_BITS = 6
_W8A16 = methods.packed_int(8, -1)

NAMED: tuple[Recipe, ...] = (
    PlainRecipe("FP32", F32),
    PlainRecipe("BF16", BF16),
    PlainRecipe("FP16", F16),
    PlainRecipe("INT8", INT8),
    PlainRecipe("INT4", INT4),
    uniform("FP8", "fp8", 8, methods.FP8_TENSOR),
    uniform("FP8-dynamic", "fp8", 8, methods.FP8_CHANNEL),
    uniform("FP8-block", "fp8", 8, methods.fp8_block()),
    uniform("W8A8", "int8", 8, methods.INT8_CHANNEL),
    uniform("LLM.int8", "bnb", 8, methods.INT8_CHANNEL),
    uniform("NF4", "bnb", 4, methods.NF4),
    uniform("NF4-DQ", "bnb", 4, methods.NF4_NESTED),
    uniform("FP4", "bnb", 4, methods.FP4),
    uniform("FP4-DQ", "bnb", 4, methods.FP4_NESTED),
    LinearRecipe("MXFP4", "mxfp4", 4, None, methods.MXFP4),
    uniform("NVFP4", "nvfp4", 4, methods.NVFP4),
    LinearRecipe("W8A16", "compressed-tensors", 8, _W8A16, _W8A16),
    *(GgufRecipe(file_type) for file_type in FILE_TYPES),
    *(GgufRecipe(base, tables="Q8_0") for base in WIDE_TABLES.values()),
)
"""Formats whose name says everything."""

_BY_NAME = {recipe.name.lower(): recipe for recipe in NAMED}

_ALIASES = {
    "f32": "fp32", "float32": "fp32", "f16": "fp16", "float16": "fp16", "bfloat16": "bf16",
    "int8-w8a8": "w8a8", "w8a8-int8": "w8a8",
    "fp8-per-tensor": "fp8", "fp8-per-channel": "fp8-dynamic",
    "bnb-nf4": "nf4", "bnb-nf4-dq": "nf4-dq", "bnb-fp4": "fp4", "bnb-fp4-dq": "fp4-dq",
    "bnb-int8": "llm.int8", "nf4_dq": "nf4-dq",
}  # fmt: skip

_GROUPED = re.compile(
    r"(gptq|awq|w4a16|w8a16|autoround|hqq)(?:-?(?:int)?([2-8])(?:-?bit)?)?(?:-g(-1|[1-9]\d{0,4}))?"
)
_EXL = re.compile(r"(exl[23])(?:-([1-8](?:\.\d{1,4})?)(?:bpw)?)?")


def _grouped(method: str, bits: int, group: int) -> Recipe:
    label = f"g{group}"
    if method == "awq":
        return uniform(f"AWQ-{bits}bit-{label}", "awq", bits, methods.awq(bits, group))
    if method == "hqq":
        return uniform(f"HQQ-{bits}bit-{label}", "hqq", bits, methods.hqq(bits, group))
    if method == "gptq":
        return uniform(f"GPTQ-{bits}bit-{label}", "gptq", bits, methods.gptq(bits, group))
    if method == "autoround":
        return uniform(f"AutoRound-{bits}bit-{label}", "gptq", bits, methods.awq(bits, group))
    packed = methods.packed_int(bits, group)
    return uniform(f"W{bits}A16-{label}", "compressed-tensors", bits, packed)


def _exl(method: str, bits: float) -> Recipe:
    storage = methods.exl2 if method == "exl2" else methods.exl3
    body, head = storage(bits), storage(_EXL_HEAD_BITS)
    return LinearRecipe(f"{method.upper()}-{bits:g}bpw", method, bits, body, body, head)


@lru_cache(maxsize=256)
def get(name: str) -> Recipe:
    """The weight format of that name, whatever its case: "FP16", "GPTQ-4bit-g128", "Q4_K_M".

    Raises `UsageError` with near matches for an unknown name.
    """
    key = name.strip().lower()
    key = _ALIASES.get(key, key)
    if key in _BY_NAME:
        return _BY_NAME[key]
    if (gguf := named_mix(key)) is not None:
        return gguf
    if key.startswith("torchao-"):
        groups = re.findall(r"-g?(\d+)", key)
        return torchao(key.removeprefix("torchao-"), int(groups[-1]) if groups else 128)
    if match := _GROUPED.fullmatch(key):
        method, bits, group = match.groups()
        default_bits = int(method[1]) if method[0] == "w" else 4
        default_group = 64 if method == "hqq" else 128
        return _grouped(method, int(bits or default_bits), int(group or default_group))
    if match := _EXL.fullmatch(key):
        return _exl(match[1], float(match[2] or 4))
    if key.startswith("ud-") or key.endswith("_xl"):
        raise UsageError(
            "No rule for this weight format",
            f"{name} mixes types by a rule that its makers do not publish.",
            "Open the GGUF file itself: its header says what every tensor is.",
        )
    near = get_close_matches(key, [*_BY_NAME, "gptq-4bit-g128", "awq-4bit-g128", "exl3-4.0bpw"], 3)
    raise UsageError(
        "Unknown weight format",
        f"There is no weight format {name!r}.",
        f"Try {', '.join(get(n).name for n in near or ['bf16', 'fp8', 'q4_k_m'])}.",
    )


_OFFERED: tuple[str, ...] = (
    "INT8", "FP8", "FP8-block", "W8A8", "LLM.int8", "GPTQ-8bit-g128", "GPTQ-4bit-g128",
    "AWQ-4bit-g128", "W4A16-g128", "NF4", "NF4-DQ", "NVFP4", "HQQ-4bit-g64", "INT4",
    "EXL3-6bpw", "EXL3-5bpw", "EXL3-4bpw", "EXL3-3bpw",
)  # fmt: skip


@lru_cache(maxsize=256)
def offered(model: Model) -> tuple[Recipe, ...]:
    """The formats that the model can be had in: its own first, then from most to fewest bits.

    A checkpoint whose own format cannot be read is offered in the others.
    """
    architecture = model.architecture
    try:
        own: tuple[Recipe, ...] = (recipe_of(model),)
    except SourceError:
        own = ()
    found: list[Recipe] = [
        get("BF16" if architecture.dtype == "bfloat16" else "FP16"),
        *map(get, _OFFERED),
        *(GgufRecipe(file_type) for file_type in FILE_TYPES if file_type not in _RARE),
    ]
    if any(layer.mlp is not None and layer.mlp.kind == "experts" for layer in architecture.layers):
        found += [get("MXFP4"), GgufRecipe("MXFP4_MOE")]
    others = [recipe for recipe in found if recipe.name not in [r.name for r in own]]
    return (*own, *sorted(others, key=lambda recipe: -recipe.bits))


_RARE = frozenset(("F32", "Q1_0", "Q2_0", "TQ1_0", "TQ2_0", "NVFP4", "MXFP4_MOE"))
"""File types for models trained in them, and the one for experts."""
