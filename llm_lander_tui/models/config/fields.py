"""Typed, bounded reading of a config.json: one name for what families call by many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llm_lander_tui.errors import RefusedModel

MAX_LAYERS = 2000
"""No decoder comes near; more would only cost time."""
_MAX_INTEGER = 2**40
_MAX_BY_NAME = {
    "num_hidden_layers": MAX_LAYERS,
    "hidden_size": 2**20,
    "num_attention_heads": 2**16,
    "num_key_value_heads": 2**16,
    "head_dim": 2**16,
    "vocab_size": 2**28,
    "intermediate_size": 2**24,
    "moe_intermediate_size": 2**24,
    "num_experts": 2**16,
    "num_experts_per_tok": 2**16,
    "mtp_layers": 64,
}

ALIASES: dict[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size", "n_embd", "n_embed", "d_model", "model_dim"),
    "num_hidden_layers": (
        "num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers",
    ),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads"),
    "num_key_value_heads": (
        "num_key_value_heads", "n_head_kv", "num_kv_heads", "kv_n_heads", "num_attention_groups",
    ),
    "head_dim": ("head_dim", "kv_channels", "attention_head_dim", "qkv_dim"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"),
    "vocab_size": ("padded_vocab_size", "embedding_size", "vocab_size"),
    "max_position_embeddings": (
        "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length",
        "max_context_length", "context_length", "model_max_length", "max_sequence_length",
    ),
    "num_experts": (
        "num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts",
    ),
    "num_experts_per_tok": (
        "num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k", "top_k_experts",
        "num_experts_per_token", "num_selected_experts", "experts_per_token",
    ),
    "moe_intermediate_size": (
        "moe_intermediate_size", "expert_intermediate_size", "moe_ffn_hidden_size",
    ),
    "num_shared_experts": (
        "n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts",
    ),
    "mtp_layers": (
        "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules",
    ),
    "tie_word_embeddings": (
        "tie_word_embeddings", "use_embedding_sharing", "share_input_output_layers", "weight_tying",
    ),
    "dtype": ("dtype", "torch_dtype", "model_dtype"),
    "conv_kernel": ("conv_kernel", "mamba_d_conv", "linear_conv_kernel_dim", "conv_L_cache"),
    "ssm_state_size": ("ssm_state_size", "mamba_d_state", "state_size"),
    "ssm_heads": ("mamba_num_heads", "mamba_n_heads", "num_heads"),
    "ssm_head_dim": ("mamba_head_dim", "mamba_d_head"),
    "ssm_groups": ("mamba_n_groups", "n_groups"),
    "ssm_expand": ("mamba_expand", "expand"),
    "ssm_dt_rank": ("mamba_dt_rank", "time_step_rank"),
    "ssm_conv_bias": ("mamba_conv_bias", "use_conv_bias"),
    "ssm_bias": ("mamba_proj_bias", "use_bias"),
}  # fmt: skip
"""The program's name of a field, and the names that config files give it, first match wins."""


def refuse(message: str, remedy: str = "") -> RefusedModel:
    """The typed failure for a config that cannot be planned."""
    return RefusedModel("Model cannot be planned", message, remedy)


class Fields:
    """A config's fields, the class defaults of its model type behind them.

    Reading follows one rule: what the config states counts, else the class default, else the
    caller's default, else the model is refused with the name of the field. A stated null is no
    absence: the class default does not apply to it, the caller's does. A value of the wrong type
    or size is always refused.
    """

    def __init__(self, values: Mapping[str, object], defaults: Mapping[str, object]) -> None:
        self._values = values
        self._defaults = defaults
        self._integers: dict[str, tuple[int, ...] | None] = {}
        self._names: dict[str, tuple[str, ...] | None] = {}
        self.assumed: dict[str, object] = {}
        """Shape fields that were taken from the class defaults, by name."""

    def stated(self, name: str) -> bool:
        """Whether the config itself has the field (null counts)."""
        return any(key in self._values for key in ALIASES.get(name, (name,)))

    def get(self, name: str) -> object:
        """The raw value: stated, else the class default; None for null or when neither is there."""
        stated = False
        for key in ALIASES.get(name, (name,)):
            value = self._values.get(key)
            if value is not None:
                return value
            stated = stated or key in self._values
        if stated:
            return None
        value = self._defaults.get(name)
        if value is not None:
            self.assumed[name] = value
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A number of zero or more."""
        value = self.get(name)
        if value is None:
            if default is None:
                raise refuse(
                    f"the config has no {name}.", "Check the file, or enter the model by hand."
                )
            return default
        return bounded(name, value)

    def positive(self, name: str, default: int | None = None) -> int:
        """A number of one or more."""
        value = self.integer(name, default)
        if value < 1:
            raise refuse(f"{name} is {value}, and must be at least 1.")
        return value

    def optional_integer(self, name: str) -> int | None:
        """A number, or None where the config says null or neither file nor class has it."""
        value = self.get(name)
        return None if value is None else bounded(name, value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise refuse(f"{name} is {shown(value)}, and must be true or false.")
        return value

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            raise refuse(f"{name} is {shown(value)}, and must be a number.")
        return float(value)

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise refuse(f"{name} is {shown(value)}, and must be a string.")
        return value

    def mapping(self, name: str) -> Mapping[str, object]:
        """A nested object, empty when there is none."""
        value = self.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise refuse(f"{name} is {shown(value)}, and must be an object.")
        return value

    def items(self, name: str) -> Sequence[object] | None:
        """A list, None when there is none (an empty one counts as none)."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise refuse(f"{name} is {shown(value)}, and must be a list.")
        if len(value) > 2 * MAX_LAYERS:
            raise refuse(f"{name} lists {len(value):,} items, more than any model has layers.")
        return value or None

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A list of numbers, None when there is none."""
        # Builders ask once a layer; the list is checked once.
        if name not in self._integers:
            values = self.items(name)
            self._integers[name] = (
                None if values is None else tuple(bounded(name, value) for value in values)
            )
        return self._integers[name]

    def names(self, name: str) -> tuple[str, ...] | None:
        """A list of strings, None when there is none."""
        if name not in self._names:
            self._names[name] = _words(name, self.items(name))
        return self._names[name]

    def per_layer(self, name: str, layers: int, default: int | None = None) -> tuple[int, ...]:
        """One number for each layer, from a list of that length or from one number for all."""
        value = self.get(name)
        if isinstance(value, Sequence) and not isinstance(value, str):
            found = self.integers(name) or ()
            if len(found) < layers:
                raise refuse(f"{name} lists {len(found)} numbers for {layers} layers.")
            return found[:layers]
        return (self.integer(name, default),) * layers

    def inner(self, name: str) -> Fields:
        """The fields of a nested object."""
        return Fields(self.mapping(name), {})


def _words(name: str, values: Sequence[object] | None) -> tuple[str, ...] | None:
    """`values` as words; refused when one is none."""
    if values is None:
        return None
    found = []
    for value in values:
        if not isinstance(value, str):
            raise refuse(f"{name} holds {shown(value)}, and must list words.")
        found.append(value)
    return tuple(found)


def bounded(name: str, value: object) -> int:
    """`value` as an integer within the bounds of the field `name`; refused otherwise."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(f"{name} is {shown(value)}, and must be a whole number.")
    limit = _MAX_BY_NAME.get(name, _MAX_INTEGER)
    if not 0 <= value <= limit:
        raise refuse(f"{name} is {shown(value)}, outside 0 to {limit:,}.")
    return value


def shown(value: object) -> str:
    """A short form of any value for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**18:
        return "a number of more than 18 digits"
    if isinstance(value, str | int | float | bool) or value is None:
        text = repr(value)
        return text if len(text) <= 40 else text[:37] + "…"
    return f"a {type(value).__name__}"
