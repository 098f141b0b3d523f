"""Towers of single families: Llama's, Kimi's, Step's, Qwen's audio encoder, the Gemmas'."""

from __future__ import annotations

from llm_lander_tui.models.config.fields import Fields
from llm_lander_tui.models.config.towers import Blocks, Parts
from llm_lander_tui.models.tensors import Tensor

GEMMA3N_MOBILENET = 294_126_912
"""Parameters of the MobileNetV5 encoder, which no field of the config sizes (timm)."""


def llama4(vision: Fields, hidden: int) -> list[Tensor]:
    """The Llama 4 encoder: unfolded patches, a pixel-shuffle adapter of two matrices."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    parts = Parts("vision_model")
    side = vision.positive("image_size") // patch
    parts.vector("class_embedding", h)
    parts.table("positional_embedding", side * side + 1, h)
    parts.linear("patch_embedding.linear", h, 3 * patch * patch, bias=False)
    ff = vision.positive("intermediate_size")
    Blocks(vision.positive("num_hidden_layers"), h, ff).add(parts, "layers")
    parts.norm("layernorm_pre", h)
    parts.norm("layernorm_post", h)
    middle, out = vision.positive("projector_input_dim"), vision.positive("projector_output_dim")
    parts.linear("vision_adapter.mlp.fc1", middle, ff, bias=False)
    parts.linear("vision_adapter.mlp.fc2", out, middle, bias=False)
    parts.linear("multi_modal_projector.linear_1", hidden, out, bias=False)
    return parts.tensors


def mllama(vision: Fields, hidden: int) -> list[Tensor]:
    """The Llama 3.2 Vision encoder: local and gated global blocks, positions for each tiling."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    tiles = vision.positive("max_num_tiles")
    ratios = 1 + sum(tiles // i for i in range(1, min(tiles, 64) + 1))
    side = vision.positive("image_size") // patch
    patches = side * side + 1
    parts = Parts("vision_model")
    parts.vector("class_embedding", h)
    parts.table("patch_embedding", h, 3 * patch * patch)
    parts.vector("gated_positional_embedding.gate", 1)
    parts.table("gated_positional_embedding.embedding", patches, h)
    parts.table("gated_positional_embedding.tile_embedding", ratios, tiles * patches * h)
    for where in ("pre", "post"):
        parts.vector(f"{where}_tile_positional_embedding.gate", 1)
        parts.table(f"{where}_tile_positional_embedding.embedding", ratios, tiles * h)
        parts.norm(f"layernorm_{where}", h)
    ff, extra = vision.positive("intermediate_size"), vision.positive("num_global_layers")
    for name, n in (("transformer", vision.positive("num_hidden_layers")), ("global", extra)):
        Blocks(n, h, ff, attention_bias=False).add(parts, f"{name}.layers")
    parts.vector("global.layers.gate_attn", 1, extra)
    parts.vector("global.layers.gate_ffn", 1, extra)
    parts.linear("multi_modal_projector", hidden, vision.positive("vision_output_dim"))
    return parts.tensors


def kimi(vision: Fields, hidden: int) -> list[Tensor]:
    """MoonViT with a projector over merged patches (Kimi K2.5)."""
    h = vision.integer("vt_hidden_size", 0) or vision.positive("hidden_size")
    ff = vision.integer("vt_intermediate_size", 0) or vision.positive("intermediate_size")
    n = vision.integer("vt_num_hidden_layers", 0) or vision.positive("num_hidden_layers")
    height = vision.integer("init_pos_emb_height", 0) or vision.positive("pos_emb_height")
    width = vision.integer("init_pos_emb_width", 0) or vision.positive("pos_emb_width")
    patch = vision.positive("patch_size")
    merge = vision.integers("merge_kernel_size") or (2, 2)
    merged = h * merge[0] * merge[-1]
    parts = Parts("vision_tower")
    parts.table("patch_embed.proj", h, 3 * patch * patch)
    parts.vector("patch_embed.proj", h, bias=True)
    parts.table("patch_embed.pos_emb", height * width, h)
    Blocks(n, h, ff).add(parts, "layers")
    parts.norm("final_layernorm", h)
    parts.norm("mm_projector.pre_norm", h)
    parts.linear("mm_projector.in_proj", merged, merged)
    parts.linear("mm_projector.out_proj", hidden, merged)
    return parts.tensors


def step(vision: Fields, hidden: int) -> list[Tensor]:
    """The Step 3.7 encoder: scaled residuals and two down-sampling convolutions."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    ff = vision.integer("step_intermediate_size", 0) or vision.positive("intermediate_size")
    n = vision.positive("num_hidden_layers")
    side = vision.positive("image_size") // patch
    parts = Parts("vision_model")
    parts.table("patch_embedding", h, 3 * patch * patch)
    parts.table("position_embedding", side * side, h)
    parts.norm("pre_layernorm", h)
    Blocks(n, h, ff).add(parts, "layers")
    parts.vector("layers.lambda_1", h, n)
    parts.vector("layers.lambda_2", h, n)
    parts.table("downsampler1", 2 * h, 9 * h)
    parts.vector("downsampler1", 2 * h, bias=True)
    parts.table("downsampler2", 4 * h, 18 * h)
    parts.vector("downsampler2", 4 * h, bias=True)
    parts.linear("multi_modal_projector", hidden, 4 * h, bias=False)
    return parts.tensors


def qwen2_audio(audio: Fields, hidden: int) -> list[Tensor]:
    """Whisper's encoder with one linear projector (Qwen2-Audio)."""
    parts = _whisper(audio)
    h = audio.positive("hidden_size")
    parts.table("embed_positions", audio.positive("max_source_positions"), h)
    parts.linear("multi_modal_projector.linear", hidden, h)
    return parts.tensors


def omni_audio(audio: Fields, hidden: int) -> list[Tensor]:
    """Whisper's encoder with begin and end tokens and a projection (Qwen2.5-Omni)."""
    parts = _whisper(audio)
    parts.table("audio_bos_eos_token", 2, hidden)
    parts.linear("proj", hidden, audio.positive("hidden_size"))
    return parts.tensors


def _whisper(audio: Fields) -> Parts:
    """Two convolutions over the spectrogram and the encoder blocks; keys have no bias."""
    h, ff = audio.positive("hidden_size"), audio.positive("encoder_ffn_dim")
    parts = Parts("audio_tower")
    parts.table("conv1", h, 3 * audio.positive("num_mel_bins"))
    parts.vector("conv1", h, bias=True)
    parts.table("conv2", h, 3 * h)
    parts.vector("conv2", h, bias=True)
    Blocks(audio.positive("encoder_layers"), h, ff, key_bias=False).add(parts, "layers")
    parts.norm("layer_norm", h)
    return parts


def gemma4_vision(vision: Fields, hidden: int) -> list[Tensor]:
    """The Gemma 4 encoder: gated, four norms, two position tables."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    parts = Parts("vision_tower")
    parts.table(
        "patch_embedder.position_embedding_table", vision.positive("position_embedding_size"), h, 2
    )
    parts.linear("patch_embedder.input_proj", h, 3 * patch * patch, bias=False)
    Blocks(
        vision.positive("num_hidden_layers"),
        h,
        vision.positive("intermediate_size"),
        gated=True,
        attention_bias=False,
        mlp_bias=False,
        norm_bias=False,
        norms=4,
        head_norm=vision.positive("head_dim"),
    ).add(parts, "encoder.layers")
    parts.linear("embed_vision.embedding_projection", hidden, h, bias=False)
    return parts.tensors


def _conformer_ends(parts: Parts, path: str, h: int, n: int, kernel: int) -> None:
    """What the audio encoders of Gemma 3n and 4 share in a block: two MLPs, a convolution."""
    for which in ("start", "end"):
        parts.linear(f"{path}.ffw_{which}.ffw_layer_1", 4 * h, h, n, bias=False)
        parts.linear(f"{path}.ffw_{which}.ffw_layer_2", h, 4 * h, n, bias=False)
        parts.norm(f"{path}.ffw_{which}.pre_layer_norm", h, n, bias=False)
        parts.norm(f"{path}.ffw_{which}.post_layer_norm", h, n, bias=False)
    for which in ("q_proj", "k_proj", "v_proj", "post", "relative_position"):
        parts.linear(f"{path}.attn.{which}", h, h, n, bias=False)
    parts.linear(f"{path}.lconv1d.linear_start", 2 * h, h, n, bias=False)
    parts.table(f"{path}.lconv1d.depthwise_conv1d", h, kernel, n)
    parts.linear(f"{path}.lconv1d.linear_end", h, h, n, bias=False)
    for which in ("pre_attn", "post_attn", "lconv_pre", "lconv_conv", "out"):
        parts.norm(f"{path}.{which}_norm", h, n, bias=False)


def _subsampling(parts: Parts, h: int, first: int, second: int, bands: int) -> None:
    """Two convolutions over the spectrogram, each halving it, and a projection."""
    parts.table("subsample_conv.0", first, 9)
    parts.norm("subsample_conv.0.norm", first, bias=False)
    parts.table("subsample_conv.1", second, 9 * first)
    parts.norm("subsample_conv.1.norm", second, bias=False)
    parts.linear("subsample_conv.input_proj_linear", h, bands // 4 * second, bias=False)


def gemma4_audio(audio: Fields, hidden: int) -> list[Tensor]:
    """The Gemma 4 audio encoder: conformer blocks behind two convolutions."""
    h, n = audio.positive("hidden_size"), audio.positive("num_hidden_layers")
    channels = audio.integers("subsampling_conv_channels") or (128, 32)
    parts = Parts("audio_tower")
    _subsampling(parts, h, channels[0], channels[-1], 128)
    _conformer_ends(parts, "layers", h, n, audio.positive("conv_kernel_size"))
    parts.vector("layers.attn.per_dim_scale", h // audio.positive("num_attention_heads"), n)
    out = audio.positive("output_proj_dims")
    parts.linear("output_proj", out, h)
    parts.linear("embed_audio.embedding_projection", hidden, out, bias=False)
    return parts.tensors


def gemma3n_vision(vision: Fields, hidden: int) -> list[Tensor]:
    """MobileNetV5 and its embedder (Gemma 3n)."""
    h = vision.positive("hidden_size")
    parts = Parts("vision_tower")
    parts.table("timm_model", 1, GEMMA3N_MOBILENET)
    _embedder(parts, "embed_vision", vision.positive("vocab_size"), h, hidden)
    return parts.tensors


def gemma3n_audio(audio: Fields, hidden: int) -> list[Tensor]:
    """The Gemma 3n audio encoder and its embedder."""
    h, n = audio.positive("hidden_size"), audio.positive("conf_num_hidden_layers")
    parts = Parts("audio_tower")
    _subsampling(parts, h, 128, 32, audio.positive("input_feat_size"))
    _conformer_ends(parts, "conformer", h, n, audio.positive("conf_conv_kernel_size"))
    heads = audio.positive("conf_num_attention_heads")
    parts.vector("conformer.attn.per_dim_scale", h // heads, n)
    _embedder(parts, "embed_audio", audio.positive("vocab_size"), h, hidden)
    return parts.tensors


def _embedder(parts: Parts, path: str, vocab: int, width: int, hidden: int) -> None:
    """Special tokens of a modality, two norms and a projection to the decoder."""
    parts.table(f"{path}.embedding", vocab, width)
    parts.norm(f"{path}.hard_embedding_norm", width, bias=False)
    parts.norm(f"{path}.soft_embedding_norm", width, bias=False)
    parts.linear(f"{path}.embedding_projection", hidden, width, bias=False)


def internvl(vision: Fields, hidden: int) -> list[Tensor]:
    """InternViT with a pixel-shuffle projector (InternVL 2 to 3.5).

    The large encoder (InternViT-6B) has RMS norms, no biases on queries, keys and values, and norms
    over their full width; totals were checked against the published ones of both sizes.
    """
    h, ff = vision.positive("hidden_size"), vision.positive("intermediate_size")
    n = vision.positive("num_hidden_layers")
    image, patch = (_side(vision, name) for name in ("image_size", "patch_size"))
    large = vision.text("norm_type", "layer_norm") == "rms_norm"
    normed = vision.flag("qk_normalization") or vision.flag("use_qk_norm")
    parts = Parts("vision_tower")
    parts.vector("cls_token", h)
    parts.table("patch_embedding", h, 3 * patch * patch)
    parts.vector("patch_embedding", h, bias=True)
    parts.table("position_embeddings", (image // patch) ** 2 + 1, h)
    blocks = Blocks(
        n,
        h,
        ff,
        attention_bias=vision.flag("qkv_bias", default=not large),
        output_bias=True,
        norm_bias=not large,
        head_norm=h if normed else 0,
    )
    blocks.add(parts, "encoder.layer")
    parts.vector("encoder.layer.lambda_1", h, n)
    parts.vector("encoder.layer.lambda_2", h, n)
    parts.norm("multi_modal_projector.layer_norm", 4 * h)
    parts.linear("multi_modal_projector.linear_1", hidden, 4 * h)
    parts.linear("multi_modal_projector.linear_2", hidden, hidden)
    return parts.tensors


def _side(vision: Fields, name: str) -> int:
    """A size in pixels that is one number or a pair."""
    value = vision.get(name)
    if isinstance(value, list):
        pair = vision.integers(name)
        return max(1, pair[0]) if pair else 1
    return vision.positive(name)
