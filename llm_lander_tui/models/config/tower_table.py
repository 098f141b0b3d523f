"""Which tower a model type carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_lander_tui.models.config import towers, towers_more
from llm_lander_tui.models.config.defaults import class_defaults
from llm_lander_tui.models.config.fields import Fields
from llm_lander_tui.models.tensors import Tensor

_Builder = Callable[[Fields, int], list[Tensor]]


@dataclass(frozen=True, slots=True)
class _Tower:
    """A tower: the config's key for it, the class whose defaults hold, and its builder."""

    key: str
    defaults: str
    build: _Builder
    required: bool = True
    """Built from class defaults where the config leaves it out; False: then there is none."""


_QWEN3_VL = towers.qwen3_vl
_VISION = "vision_config"
_GEMMA3N = (
    _Tower(_VISION, "gemma3n_vision", towers_more.gemma3n_vision),
    _Tower("audio_config", "gemma3n_audio", towers_more.gemma3n_audio),
)

_OMNI = (
    _Tower(_VISION, "qwen2_5_omni_vision_encoder", towers.qwen2_5_vl),
    _Tower("audio_config", "qwen2_5_omni_audio_encoder", towers_more.omni_audio),
)

TOWERS: dict[str, tuple[_Tower, ...]] = {
    "gemma3": (_Tower(_VISION, "siglip_vision_model", towers.gemma3),),
    "paligemma": (_Tower(_VISION, "siglip_vision_model", towers.paligemma),),
    "gemma3n": _GEMMA3N,
    "gemma4": (
        _Tower(_VISION, "gemma4_vision", towers_more.gemma4_vision, required=False),
        _Tower("audio_config", "gemma4_audio", towers_more.gemma4_audio, required=False),
    ),
    "llava": (_Tower(_VISION, "", towers.llava),),
    "mistral3": (_Tower(_VISION, "pixtral", towers.mistral3),),
    "qwen2_vl": (_Tower(_VISION, "qwen2_vl_vision", towers.qwen2_vl),),
    "qwen2_5_vl": (_Tower(_VISION, "qwen2_5_vl_vision", towers.qwen2_5_vl),),
    "qwen2_5_omni": _OMNI,
    "qwen2_5_omni_thinker": _OMNI,
    "qwen3_vl": (_Tower(_VISION, "qwen3_vl_vision", _QWEN3_VL),),
    "qwen3_vl_moe": (_Tower(_VISION, "qwen3_vl_moe_vision", _QWEN3_VL),),
    "qwen3_5": (_Tower(_VISION, "qwen3_5_vision", _QWEN3_VL),),
    "qwen3_5_moe": (_Tower(_VISION, "qwen3_5_moe_vision", _QWEN3_VL),),
    "glm4v": (_Tower(_VISION, "glm4v_vision", towers.glm4v),),
    "glm4v_moe": (_Tower(_VISION, "glm4v_moe_vision", towers.glm4v),),
    "llama4": (_Tower(_VISION, "llama4_vision_model", towers_more.llama4),),
    "mllama": (_Tower(_VISION, "mllama_vision_model", towers_more.mllama),),
    "kimi_k25": (_Tower(_VISION, "kimi_k25_vision", towers_more.kimi),),
    "step3p7": (_Tower(_VISION, "step3p5_vision", towers_more.step),),
    "paddleocr_vl": (_Tower(_VISION, "paddleocr_vl_vision", towers.paddleocr),),
    "qwen2_audio": (_Tower("audio_config", "qwen2_audio_encoder", towers_more.qwen2_audio),),
    "internvl": (_Tower(_VISION, "internvl_vision", towers_more.internvl),),
    "internvl_chat": (_Tower(_VISION, "internvl_vision", towers_more.internvl),),
}
_ENCODERS = {"clip_vision_model", "pixtral", "siglip_vision_model"}
"""Encoders that several model types carry; the config's own word for them counts."""
_UNCOUNTED = {"qwen2_5_omni": "talker and speech decoder are not counted, engines load the thinker"}
"""What a model type has beside decoder and towers."""
_MODALITIES = ("vision_config", "audio_config", "vision_tower_cfg", "img_processor", "vit_config")


def tower_tensors(config: Mapping[str, object], hidden: int) -> tuple[tuple[Tensor, ...], str]:
    """The tensors of a model's towers, and a note where it has one that cannot be counted.

    `config` is the whole config, `hidden` the decoder's hidden size. Raises `RefusedModel`.
    """
    model_type = config.get("model_type")
    known = TOWERS.get(model_type) if isinstance(model_type, str) else None
    if known is None:
        present = any(config.get(key) for key in _MODALITIES)
        return (), "the vision or audio tower is not counted" if present else ""
    found: list[Tensor] = []
    thinker = config.get("thinker_config")
    inner = thinker if isinstance(thinker, Mapping) else config
    for tower in known:
        values = inner.get(tower.key)
        if not isinstance(values, Mapping):
            if not tower.required:
                continue
            values = {}
        stated = values.get("model_type")
        encoder = stated if isinstance(stated, str) and stated in _ENCODERS else tower.defaults
        found += tower.build(Fields(values, class_defaults(encoder)), hidden)
    return tuple(found), _UNCOUNTED.get(str(model_type), "")
