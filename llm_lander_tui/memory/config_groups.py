"""Configs that state storage by groups of modules: compressed-tensors, ModelOpt, Quark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_lander_tui.memory import methods
from llm_lander_tui.memory.config_fields import (
    Values,
    block_shape,
    group_label,
    integer,
    listed,
    mapping,
    unreadable,
    width,
)
from llm_lander_tui.memory.linear_recipe import LinearRecipe
from llm_lander_tui.memory.module_names import Modules, modules
from llm_lander_tui.memory.weights import Recipe, Storage


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way that weights are stored, with the name of the recipe it makes alone."""

    name: str
    family: str
    bits: float
    storage: Storage


def _weight_scheme(weights: Values, form: str) -> Scheme:
    """A `weights` entry of a config group, with the group's storage format."""
    bits = width(weights, "num_bits")
    group = integer(weights, "group_size", default=-1)
    strategy, kind = str(weights.get("strategy") or ""), str(weights.get("type") or "int")
    if kind == "float" and bits == 8:
        block = block_shape(weights, "block_structure")
        if strategy == "block" and block is not None:
            return Scheme("FP8-block", "fp8", 8, methods.fp8_block(*block))
        if strategy == "channel":
            return Scheme("FP8-dynamic", "fp8", 8, methods.FP8_CHANNEL)
        if group == 32:
            return Scheme("MXFP8", "fp8", 8, methods.MXFP8)
        return Scheme("FP8", "fp8", 8, methods.FP8_TENSOR)
    if kind == "float" and bits == 4:
        if form.startswith("mxfp4") or group == 32:
            return Scheme("MXFP4", "mxfp4", 4, methods.MXFP4)
        return Scheme("NVFP4", "nvfp4", 4, methods.NVFP4)
    if kind == "int" and form == "int-quantized":
        return Scheme("W8A8", "int8", bits, methods.INT8_CHANNEL)
    if kind == "int":
        packed = methods.packed_int(
            bits, group, symmetric=weights.get("symmetric") is not False,
            ordered=weights.get("actorder") in ("group", "dynamic", True),
        )  # fmt: skip
        return Scheme(f"W{bits}A16-{group_label(group)}", "compressed-tensors", bits, packed)
    raise unreadable(f"weights of {bits}-bit {kind} are not known")


def compressed_tensors(values: Values) -> Recipe:
    """The recipe of a compressed-tensors config: groups of targets, and modules left out."""
    kept = listed(values, "ignore")
    form = str(values.get("format") or "")
    every: Scheme | None = None
    overrides, schemes = [], []
    for group in mapping(values, "config_groups").values():
        if not isinstance(group, Mapping) or not isinstance(group.get("weights"), Mapping):
            continue
        weights = group["weights"]
        scheme = _weight_scheme(weights, str(group.get("format") or form))
        schemes.append(scheme)
        stated = group.get("targets") or ["Linear"]
        targets = [str(t) for t in stated] if isinstance(stated, list) else ["Linear"]
        named = [t for t in targets if "." in t or t.startswith("re:") or t == "lm_head"]
        if named:
            overrides.append((modules(named), scheme.storage))
        if len(named) < len(targets):
            every = scheme
    if not schemes:
        raise unreadable("it lists no group of quantised weights")
    main = every or min(schemes, key=lambda scheme: scheme.bits)
    body = every.storage if every else None
    name = main.name if len({s.name for s in schemes}) == 1 else "+".join(s.name for s in schemes)
    head = body if kept or overrides else None
    return LinearRecipe(
        name, main.family, main.bits, body, body, head, kept=kept, overrides=tuple(overrides)
    )


_ALGORITHMS = {
    "FP8": Scheme("FP8", "fp8", 8, methods.FP8_TENSOR),
    "FP8_PER_CHANNEL_PER_TOKEN": Scheme("FP8-dynamic", "fp8", 8, methods.FP8_CHANNEL),
    "FP8_PB_WO": Scheme("FP8-block", "fp8", 8, methods.fp8_block()),
    "FP8_PB_REAL": Scheme("FP8-block", "fp8", 8, methods.fp8_block()),
    "NVFP4": Scheme("NVFP4", "nvfp4", 4, methods.NVFP4),
    "NVFP4_AWQ": Scheme("NVFP4", "nvfp4", 4, methods.NVFP4),
    "W4A16_NVFP4": Scheme("NVFP4", "nvfp4", 4, methods.NVFP4),
    "W4A8_NVFP4_FP8": Scheme("NVFP4", "nvfp4", 4, methods.NVFP4),
    "W4A8_MXFP4_FP8": Scheme("MXFP4", "mxfp4", 4, methods.MXFP4),
    "MXFP8": Scheme("MXFP8", "fp8", 8, methods.MXFP8),
    "INT4_AWQ": Scheme("AWQ-4bit-g128", "awq", 4, methods.packed_int(4, 128)),
    "W4A16_AWQ": Scheme("AWQ-4bit-g128", "awq", 4, methods.packed_int(4, 128)),
    "W8A8_SQ_PER_CHANNEL": Scheme("W8A8", "int8", 8, methods.INT8_CHANNEL),
    "INT8_SQ": Scheme("W8A8", "int8", 8, methods.INT8_CHANNEL),
}
"""ModelOpt's `quant_algo`."""


def quantized_layers(values: Values) -> tuple[tuple[Modules, Storage], ...]:
    """The modules that ModelOpt lists one by one, by storage."""
    by_algorithm: dict[str, list[str]] = {}
    for name, entry in mapping(values, "quantized_layers").items():
        if isinstance(entry, Mapping):
            by_algorithm.setdefault(str(entry.get("quant_algo")).upper(), []).append(name)
    for algorithm in by_algorithm:
        if algorithm not in _ALGORITHMS:
            raise unreadable(f"the algorithm {algorithm} is not known")
    return tuple((modules(n), _ALGORITHMS[a].storage) for a, n in by_algorithm.items())


def modelopt(values: Values) -> Recipe:
    """The recipe of a ModelOpt config: one algorithm, or one for each listed module."""
    algorithm = str(values.get("quant_algo") or "").upper()
    kept = listed(values, "ignore", "exclude_modules")
    layers = quantized_layers(values)
    if algorithm == "MIXED_PRECISION" and layers:
        name = "+".join(dict.fromkeys(s.name.upper() for _, s in layers))
        least = min(layers, key=lambda entry: entry[1].matrix_bytes(128, 128))[1]
        family = least.name if least.name in ("fp8", "nvfp4") else "mxfp4"
        bits = 8 if family == "fp8" else 4
        return LinearRecipe(name, family, bits, None, None, kept=kept, overrides=layers)
    scheme = _ALGORITHMS.get(algorithm)
    if scheme is None:
        raise unreadable(f"the algorithm {algorithm or '(none stated)'} is not known")
    return LinearRecipe(
        scheme.name, scheme.family, scheme.bits, scheme.storage, scheme.storage,
        kept=kept, overrides=layers,
    )  # fmt: skip


_QUARK = {
    "fp8_e4m3": Scheme("FP8", "fp8", 8, methods.FP8_TENSOR),
    "fp8_e5m2": Scheme("FP8", "fp8", 8, methods.FP8_TENSOR),
    "int8": Scheme("W8A8", "int8", 8, methods.INT8_CHANNEL),
    "fp4": Scheme("MXFP4", "mxfp4", 4, methods.MXFP4),
    "int4": Scheme("W4A16-g128", "compressed-tensors", 4, methods.packed_int(4, 128)),
}


def quark(values: Values) -> Recipe:
    """The recipe of an AMD Quark config: a weight type for all, others by layer name."""

    def scheme(entry: Values) -> Scheme:
        weight = entry.get("weight")
        first = weight[0] if isinstance(weight, list) and weight else weight
        kind = str(first.get("dtype")) if isinstance(first, Mapping) else "none"
        if kind not in _QUARK:
            raise unreadable(f"weights of the type {kind} are not known")
        found = _QUARK[kind]
        per_channel = isinstance(first, Mapping) and first.get("qscheme") == "per_channel"
        if per_channel and found.family == "fp8":
            return Scheme("FP8-dynamic", "fp8", 8, methods.FP8_CHANNEL)
        return found

    main = scheme(mapping(values, "global_quant_config"))
    overrides = [
        (modules([name]), scheme(entry).storage)
        for name, entry in mapping(values, "layer_quant_config").items()
        if isinstance(entry, Mapping) and entry.get("weight")
    ]
    return LinearRecipe(
        main.name, main.family, main.bits, main.storage, main.storage,
        kept=listed(values, "exclude"), overrides=tuple(overrides),
    )  # fmt: skip
