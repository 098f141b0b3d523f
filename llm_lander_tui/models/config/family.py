"""What tells one family of models from another, as data: norms, biases, patterns, builders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Mixer, Mlp
from llm_lander_tui.models.attention import QkNorm
from llm_lander_tui.models.config import mtp
from llm_lander_tui.models.config.norms import Norm
from llm_lander_tui.models.config.parts import feed_forward, grouped
from llm_lander_tui.models.config.patterns import all_full, every_layer
from llm_lander_tui.models.tensors import Tensor

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading


ATTENTION_AND_MLP = (("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"))
ONE = (("attn_norm", "input_layernorm"),)
AFTER = (
    ("post_attention_norm", "post_attention_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
)
AROUND = (
    ("attn_norm", "input_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
)


def stated_layers(reading: Reading) -> int:
    """The number of layers that the config states."""
    return reading.fields.positive("num_hidden_layers")


def stated_kv_heads(reading: Reading) -> int:
    """The KV heads that the config states; as many as attention heads without."""
    return reading.fields.positive("num_key_value_heads", reading.heads)


def stated_width(reading: Reading) -> int:
    """The feed-forward width that the config states."""
    return reading.fields.positive("intermediate_size")


def no_others(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """No further tensors in a layer."""
    return ()


def no_outers(reading: Reading) -> tuple[Tensor, ...]:
    """No further tensors outside the layers."""
    return ()


@dataclass(frozen=True, slots=True)
class Family:
    """One line of the table of families.

    A trait given as a string is the name of the config field that states it. `norms` are the
    (ggml, Hugging Face) names of a layer's norms over the hidden size. `mixers`, `mlp`, `others`
    and `outers` build what the traits cannot say; `pattern` gives the layer types and `sparse` the
    expert layers where the config does not list them.
    """

    norm: Norm = Norm.RMS
    norms: tuple[tuple[str, str], ...] = ATTENTION_AND_MLP
    qkv_bias: bool | str = False
    out_bias: bool | str = False
    mlp_bias: bool | str = False
    head_bias: bool | str = False
    qk_norm: QkNorm = QkNorm.NONE
    qk_norm_switch: bool | str = True
    qk_norm_bias: bool = False
    fused_qkv: bool = False
    fused_mlp: bool = False
    gated: bool = True
    sinks: bool = False
    output_gate: bool = False
    final_norm: bool | str = True
    embedding_norm: bool = False
    rotary: bool = True
    """Whether attention rotates queries and keys."""
    positions: str = ""
    """The field with the rows of a learned position embedding."""
    position_offset: int = 0
    """Rows that the position embedding has beyond that (OPT)."""
    attention_module: str = "self_attn"
    mlp_module: str = "mlp"
    router: str = "gate"
    shared: str = "shared_experts"
    score_correction: bool | str = False
    router_bias: bool | str = False
    expert_bias: bool = False
    shared_gate: bool = False
    count: Callable[[Reading], int] = stated_layers
    embedding_width: str = ""
    """The field with the embedding's width, where it can differ from the hidden size (OPT)."""
    extra_rows: int = 0
    """Rows of the embedding beyond the head's (Llama 3.2 Vision)."""
    kv_heads: Callable[[Reading], int] = stated_kv_heads
    width: Callable[[Reading], int] = stated_width
    mixers: Callable[[Reading, int], tuple[Mixer, ...]] = grouped
    mlp: Callable[[Reading, int], Mlp | None] = feed_forward
    others: Callable[[Reading, int], tuple[Tensor, ...]] = no_others
    outers: Callable[[Reading], tuple[Tensor, ...]] = no_outers
    mtp: Callable[[Reading], mtp.Found] = mtp.none
    pattern: Callable[[Reading], tuple[str, ...]] = all_full
    sparse: Callable[[Reading], tuple[bool, ...]] = every_layer
