"""A checkpoint's own weight format, read from its quantization_config (memory_models A.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llm_lander_tui.errors import UsageError
from llm_lander_tui.memory import methods
from llm_lander_tui.memory.config_fields import (
    Values,
    block_shape,
    flag,
    group_label,
    integer,
    listed,
    mapping,
    unreadable,
    width,
)
from llm_lander_tui.memory.config_groups import (
    compressed_tensors,
    modelopt,
    quantized_layers,
    quark,
)
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.memory.module_names import NO_MODULES, modules
from llm_lander_tui.memory.torchao import torchao
from llm_lander_tui.memory.weights import Recipe, Storage


def read(config: Values) -> Recipe:
    """The recipe that a quantization_config, or the content of hf_quant_config.json, states.

    Raises `SourceError` with the reason where the method is not known or lacks its parameters.
    """
    inner = config.get("quantization")
    values: Values = inner if isinstance(inner, Mapping) and "quant_algo" in inner else config
    method = str(values.get("quant_method") or _implied(values)).lower().replace("_", "-")
    reader = _READERS.get(method)
    if reader is None:
        raise unreadable(f"the quantisation method {method or '(none stated)'!r} is not known")
    return reader(values)


def _implied(values: Values) -> str:
    """The method of a config that names none: ModelOpt's, or bitsandbytes'."""
    if "quant_algo" in values:
        return "modelopt"
    if "load_in_4bit" in values or "load_in_8bit" in values:
        return "bitsandbytes"
    return "mlx" if "bits" in values and "group_size" in values else ""


def _gptq(values: Values) -> Recipe:
    bits, group = width(values, "bits"), integer(values, "group_size", default=-1)
    storage = methods.gptq(bits, group)
    skipped, overrides = [], []
    for pattern, change in mapping(values, "dynamic").items():
        if pattern.startswith("-:"):
            skipped.append(f"re:{pattern[2:]}")
        elif isinstance(change, Mapping):
            entry = modules([f"re:{pattern.removeprefix('+:')}"])
            other = methods.gptq(
                width(change, "bits", default=bits),
                integer(change, "group_size", default=group),
            )
            overrides.append((entry, other))
    kept = skipped or values.get("modules_to_not_convert") or []
    return LinearRecipe(
        f"GPTQ-{bits}bit-{group_label(group)}", "gptq", bits, storage, storage,
        head=storage if flag(values, "lm_head") else None,
        kept=modules(map(str, kept)) if isinstance(kept, list) else NO_MODULES,
        overrides=tuple(overrides),
    )  # fmt: skip


def _awq(values: Values) -> Recipe:
    bits = width(values, "bits", "w_bit")
    group = integer(values, "group_size", "q_group_size", default=-1)
    storage = methods.awq(bits, group)
    return LinearRecipe(
        f"AWQ-{bits}bit-{group_label(group)}", "awq", bits, storage, storage,
        kept=listed(values, "modules_to_not_convert"),
    )  # fmt: skip


def _auto_round(values: Values) -> Recipe:
    bits, group = width(values, "bits"), integer(values, "group_size", default=128)
    storage = methods.awq(bits, group)
    kept, overrides = [], []
    for name, change in mapping(values, "extra_config").items():
        if isinstance(change, Mapping):
            other = width(change, "bits", default=bits)
            if other >= 16:
                kept.append(name)
            elif other != bits:
                groups = integer(change, "group_size", default=group)
                overrides.append((modules([name]), methods.awq(other, groups)))
    return LinearRecipe(
        f"AutoRound-{bits}bit-{group_label(group)}", "gptq", bits, storage, storage,
        kept=modules(kept), overrides=tuple(overrides),
    )  # fmt: skip


def _fp8(values: Values) -> Recipe:
    kept = listed(values, "modules_to_not_convert", "ignored_layers")
    layers = quantized_layers(values)
    block = block_shape(values, "weight_block_size")
    static = values.get("activation_scheme") == "static"
    if block is not None:
        storage, name = methods.fp8_block(*block), "FP8-block"
    else:
        storage = methods.FP8_TENSOR
        name = "FP8" if static or "activation_scheme" not in values else "FP8-dynamic"
    if layers:
        listed_first = layers[0][1]
        family = listed_first.name if listed_first.name in ("nvfp4", "mxfp4") else "fp8"
        name = f"{listed_first.name.upper()}+{name}"
        return LinearRecipe(name, family, 4, storage, storage, kept=kept, overrides=layers)
    if values.get("expert_dtype") == "fp4":
        # DeepSeek-V4 states its experts beside the quantization_config.
        name = f"MXFP4+{name}"
        return LinearRecipe(name, "mxfp4", 4, storage, methods.MXFP4, kept=kept)
    return LinearRecipe(name, "fp8", 8, storage, storage, kept=kept)


def _fbgemm(values: Values) -> Recipe:
    storage = methods.FP8_CHANNEL
    kept = listed(values, "modules_to_not_convert")
    return LinearRecipe("FP8-dynamic", "fp8", 8, storage, storage, kept=kept)


def _bitsandbytes(values: Values) -> Recipe:
    kept = listed(values, "llm_int8_skip_modules")
    if flag(values, "load_in_8bit", "_load_in_8bit"):
        storage: Storage = methods.INT8_CHANNEL
        return LinearRecipe("LLM.int8", "bnb", 8, storage, storage, kept=kept)
    kind = str(values.get("bnb_4bit_quant_type") or "fp4")
    nested = flag(values, "bnb_4bit_use_double_quant")
    if kind == "nf4":
        storage = methods.NF4_NESTED if nested else methods.NF4
    else:
        storage = methods.FP4_NESTED if nested else methods.FP4
    name = kind.upper() + ("-DQ" if nested else "")
    return LinearRecipe(name, "bnb", 4, storage, storage, kept=kept)


def _mxfp4(values: Values) -> Recipe:
    kept = listed(values, "modules_to_not_convert")
    return LinearRecipe("MXFP4", "mxfp4", 4, None, methods.MXFP4, kept=kept)


def _hqq(values: Values) -> Recipe:
    stated = mapping(mapping(values, "quant_config"), "weight_quant_params") or values
    bits, group = width(stated, "nbits", "bits"), integer(stated, "group_size", default=64)
    storage = methods.hqq(bits, group)
    kept = listed(values, "skip_modules")
    name = f"HQQ-{bits}bit-{group_label(group)}"
    return LinearRecipe(name, "hqq", bits, storage, storage, kept=kept)


def _exl(method: str, storage_of: Callable[[float], Storage]) -> Callable[[Values], Recipe]:
    def reader(values: Values) -> Recipe:
        bits, head = values.get("bits"), values.get("head_bits")
        if not isinstance(bits, int | float) or not 1 <= bits <= 16:
            raise unreadable("it states no bits")
        body = storage_of(float(bits))
        top = storage_of(float(head)) if isinstance(head, int | float) and 1 <= head <= 16 else body
        return LinearRecipe(f"{method.upper()}-{bits:g}bpw", method, float(bits), body, body, top)

    return reader


def _torchao(values: Values) -> Recipe:
    stated = values.get("quant_type")
    kept = listed(values, "modules_to_not_convert")
    if isinstance(stated, Mapping):
        # torchao's own serialised configs: {"default": {"_type": ..., "_data": {...}}}.
        default = mapping(stated, "default") or stated
        kind, data = str(default.get("_type") or ""), mapping(default, "_data")
    else:
        kind, data = str(stated or ""), mapping(values, "quant_type_kwargs")
    try:
        return torchao(kind, integer(data, "group_size", default=128), kept)
    except UsageError as error:
        raise unreadable(f"the torchao config {kind!r} is not known") from error


def _eetq(values: Values) -> Recipe:
    kept = listed(values, "modules_to_not_convert")
    storage = methods.INT8_CHANNEL
    return LinearRecipe("W8A16", "int8", 8, storage, storage, kept=kept)


def _quanto(values: Values) -> Recipe:
    kept = listed(values, "modules_to_not_convert")
    kind = str(values.get("weights"))
    if kind in ("int8", "float8"):
        storage: Storage = methods.INT8_CHANNEL
        return LinearRecipe(f"quanto-{kind}", "quanto", 8, storage, storage, kept=kept)
    if kind in ("int4", "int2"):
        storage = methods.hqq(int(kind[3]), 128)
        return LinearRecipe(f"quanto-{kind}", "quanto", int(kind[3]), storage, storage, kept=kept)
    raise unreadable(f"quanto weights of the type {kind} are not known")


def _bitnet(values: Values) -> Recipe:
    storage = methods.BITNET
    kept = listed(values, "modules_to_not_convert")
    return LinearRecipe("BitNet", "bitnet", 2, storage, storage, kept=kept)


_READERS: Mapping[str, Callable[[Values], Recipe]] = {
    "gptq": _gptq,
    "gptqmodel": _gptq,
    "awq": _awq,
    "auto-round": _auto_round,
    "fp8": _fp8,
    "fbgemm-fp8": _fbgemm,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "hqq": _hqq,
    "exl2": _exl("exl2", methods.exl2),
    "exl3": _exl("exl3", methods.exl3),
    "compressed-tensors": compressed_tensors,
    "modelopt": modelopt,
    "modelopt-fp4": modelopt,
    "quark": quark,
    "torchao": _torchao,
    "eetq": _eetq,
    "quanto": _quanto,
    "bitnet": _bitnet,
}
