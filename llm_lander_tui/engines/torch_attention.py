"""How Transformers computes a model's attention, which need not be as asked."""

from __future__ import annotations

from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.attention import GroupedAttention
from llm_lander_tui.models.compressed_attention import CompressedAttention

EAGER_NOTE = (
    "Attention sinks need scores that PyTorch's SDPA does not take, and Transformers refuses it: "
    "planned and started with eager attention, whose scores grow with the square of the prompt."
)


def attention_run(architecture: Architecture, asked: Attention) -> Attention:
    """The attention that Transformers runs the model with where `asked` is asked for.

    Models with attention sinks have no SDPA, and those that compress their cache no
    FlashAttention either (`_supports_sdpa` and `_supports_flash_attn` of modeling_gpt_oss.py and
    modeling_deepseek_v4.py, Transformers 5.23).
    """
    mixers = [mixer for layer, _ in architecture.layer_groups for mixer in layer.mixers]
    if any(isinstance(mixer, CompressedAttention) for mixer in mixers):
        return Attention.EAGER
    sinks = any(isinstance(mixer, GroupedAttention) and mixer.sinks for mixer in mixers)
    return Attention.EAGER if sinks and asked is Attention.SDPA else asked


def attention_notes(architecture: Architecture, asked: Attention) -> tuple[str, ...]:
    """What to say where another attention is run than is asked for."""
    return () if attention_run(architecture, asked) is asked else (EAGER_NOTE,)
