"""What is no decoder language model: said by what it is, not by what is missing."""

from __future__ import annotations

from collections.abc import Mapping

from llm_lander_tui.errors import RefusedModel
from llm_lander_tui.models.config.fields import refuse

_ENCODERS = frozenset({
    "albert", "bert", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2",
    "distilbert", "electra", "ernie", "esm", "eurobert", "flaubert", "funnel", "ibert",
    "longformer", "luke", "megatron-bert", "mobilebert", "modernbert", "mpnet", "mra",
    "neobert", "new", "nomic_bert", "nystromformer", "rembert", "roberta",
    "roberta-prelayernorm", "roc_bert", "roformer", "squeezebert", "xlm", "xlm-roberta",
    "xlm-roberta-xl", "xmod", "yoso",
})  # fmt: skip
_ENCODER_DECODERS = frozenset({
    "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "encoder-decoder", "fsmt",
    "led", "longt5", "m2m_100", "marian", "mbart", "moonshine", "mt5", "mvp", "nllb-moe",
    "pegasus", "pegasus_x", "plbart", "prophetnet", "seamless_m4t", "seamless_m4t_v2",
    "speech-encoder-decoder", "speech_to_text", "switch_transformers", "t5", "t5gemma",
    "t5gemma2", "umt5", "vision-encoder-decoder", "whisper", "xlm-prophetnet",
})  # fmt: skip
_VISION = frozenset({
    "align", "beit", "blip", "chinese_clip", "clip", "clip_text_model", "clip_vision_model",
    "clipseg", "convnext", "deit", "detr", "dinov2", "dinov3_vit", "dpt", "efficientnet",
    "mask2former", "owlvit", "resnet", "sam", "sam2", "segformer", "siglip", "siglip2", "swin",
    "vit", "yolos",
})  # fmt: skip
_AUDIO = frozenset({
    "audio-spectrogram-transformer", "bark", "clap", "encodec", "hubert", "mimi", "unispeech",
    "wav2vec2", "wav2vec2-bert", "wavlm", "moshi", "musicgen", "musicgen_melody",
})  # fmt: skip
_KINDS = (
    (_ENCODERS, "an encoder: it makes embeddings or labels and does not generate text"),
    (_ENCODER_DECODERS, "an encoder-decoder model; only decoder language models are planned"),
    (_VISION, "a vision or image-text encoder, not a language model"),
    (_AUDIO, "an audio model, not a decoder language model"),
)
_HEADS = (
    ("ForMaskedLM", "an encoder: it fills gaps and does not generate text"),
    ("ForSequenceClassification", "a classifier or reranker: it scores text and generates none"),
    ("ForTokenClassification", "a token classifier, not a generating model"),
    ("ForQuestionAnswering", "an extractive question-answering model, not a generating one"),
)
_REMEDY = "Choose a decoder language model, or enter one by hand."


def refusal(config: Mapping[str, object], name: str) -> RefusedModel | None:
    """Why the config is not one of a decoder language model; None when nothing says so."""
    what = _what_it_is(config)
    if what is None:
        return None
    return refuse(f"{name or 'this'} is {what}.", _REMEDY)


def _what_it_is(config: Mapping[str, object]) -> str | None:
    if "peft_type" in config or "base_model_name_or_path" in config:
        base = config.get("base_model_name_or_path")
        of = f" of {base[:80]}" if isinstance(base, str) and base else ""
        return f"a LoRA adapter{of}, without the base model's weights"
    if "_diffusers_version" in config or "_class_name" in config:
        return "a diffusion pipeline, not a language model"
    model_type = config.get("model_type")
    if isinstance(model_type, str):
        for types, sentence in _KINDS:
            if model_type in types:
                return f"{model_type}, {sentence}"
        if "eagle" in model_type or "medusa" in model_type or model_type == "mlp_speculator":
            return "a draft head for speculative decoding, which runs only beside its base model"
    classes = config.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes else None
    if isinstance(first, str):
        for suffix, sentence in _HEADS:
            if first.endswith(suffix):
                return sentence
        if "Eagle" in first or "Medusa" in first:
            return "a draft head for speculative decoding, which runs only beside its base model"
    if config.get("is_encoder_decoder") is True:
        return "an encoder-decoder model; only decoder language models are planned"
    return None
