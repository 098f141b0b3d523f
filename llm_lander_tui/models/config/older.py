"""Rules of the earlier families: who shares heads, how wide an unstated feed-forward part is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.config.fields import refuse
from llm_lander_tui.models.tensors import Part, Tensor, vector

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading


def all_heads(reading: Reading) -> int:
    """Multi-head attention, whatever a KV field says."""
    return reading.heads


def multi_query(reading: Reading) -> int:
    """StarCoder, SantaCoder: one KV head where `multi_query` is set."""
    return 1 if reading.fields.flag("multi_query") else reading.heads


def falcon_kv_heads(reading: Reading) -> int:
    """Falcon: `num_kv_heads` counts in the new decoder only; before it `multi_query` does."""
    if reading.fields.flag("new_decoder_architecture"):
        return reading.fields.positive("num_key_value_heads", reading.heads)
    return multi_query(reading)


def chatglm_kv_heads(reading: Reading) -> int:
    """ChatGLM: `multi_query_group_num`, only with `multi_query_attention`."""
    if reading.fields.flag("multi_query_attention"):
        return reading.fields.positive("multi_query_group_num")
    return reading.heads


def four_times(reading: Reading) -> int:
    """Four times the hidden size where the config states no width."""
    return reading.fields.positive("intermediate_size", 4 * reading.hidden)


def by_ratio(reading: Reading) -> int:
    """MPT: `expansion_ratio` times the hidden size."""
    return reading.fields.positive("expansion_ratio", 4) * reading.hidden


def half(reading: Reading) -> int:
    """Qwen 1, Molmo: the stated width is that of gate and up together."""
    width = reading.fields.positive("intermediate_size")
    if width % 2:
        raise refuse(f"intermediate_size is {width}, and must be even for this model type.")
    return width // 2


def falcon_norms(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """One norm for a parallel block, two for the new decoder or a sequential block."""
    fields, h = reading.fields, reading.hidden
    two = fields.integer("num_ln_in_parallel_attn", 2) > 1
    if fields.flag("new_decoder_architecture") and two:
        names = [("attn_norm", "ln_attn"), ("attn_norm_2", "ln_mlp")]
    elif fields.flag("parallel_attn", default=True):
        names = [("attn_norm", "input_layernorm")]
    else:
        names = [("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")]
    return tuple(
        vector(name, path, Part.NORM, h, bias=bias)
        for name, path in names
        for bias in (False, True)
    )


def stablelm_norms(reading: Reading, layer: int) -> tuple[Tensor, ...]:
    """Two LayerNorms, one for a parallel block; a norm per head where `qk_layernorm` is set."""
    fields, h = reading.fields, reading.hidden
    names = [("attn_norm", "input_layernorm")]
    if not fields.flag("use_parallel_residual"):
        names.append(("ffn_norm", "post_attention_layernorm"))
    found = [
        vector(name, path, Part.NORM, h, bias=bias)
        for name, path in names
        for bias in (False, True)
    ]
    if fields.flag("qk_layernorm"):
        for which, heads in (("q", reading.heads), ("k", reading.kv_heads)):
            path = f"self_attn.{which}_layernorm"
            found.append(vector(f"attn_{which}_norm", path, Part.NORM, heads * reading.head_dim))
    return tuple(found)
