"""Vision and audio towers: weights that a multimodal model loads beside its decoder.

A tower is counted part by part like the decoder; equal blocks stand as one tensor with `copies`.
Only families whose tower follows from the config are here; the others say so in the notes.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.models.config.fields import Fields
from llm_lander_tui.models.tensors import Part, Shard, Tensor


class Parts:
    """Collects the tensors of one tower under a common path."""

    def __init__(self, path: str, part: Part = Part.TOWER) -> None:
        self.path = path
        self.part = part
        self.tensors: list[Tensor] = []

    def linear(
        self,
        name: str,
        rows: int,
        columns: int,
        n: int = 1,
        *,
        bias: bool = True,
        shard: Shard = Shard.REPLICATED,
    ) -> None:
        """A linear layer, `n` times."""
        path = f"{self.path}.{name}"
        self.tensors.append(Tensor("v", path, self.part, rows, columns, shard, copies=n))
        if bias:
            self.vector(name, rows, n, bias=True)

    def table(self, name: str, rows: int, columns: int, n: int = 1) -> None:
        """An embedding or a convolution, `n` times."""
        path = f"{self.path}.{name}"
        self.tensors.append(Tensor("v", path, self.part, rows, columns, copies=n, linear=False))

    def vector(self, name: str, length: int, n: int = 1, *, bias: bool = False) -> None:
        """A vector, `n` times."""
        path = f"{self.path}.{name}"
        self.tensors.append(
            Tensor("v", path, self.part, 1, length, copies=n, linear=False, bias=bias)
        )

    def norm(self, name: str, width: int, n: int = 1, *, bias: bool = True) -> None:
        """A norm with or without bias, `n` times."""
        self.vector(name, width, n)
        if bias:
            self.vector(name, width, n, bias=True)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Equal transformer blocks of an encoder."""

    layers: int
    width: int
    intermediate: int
    gated: bool = False
    attention_bias: bool = True
    mlp_bias: bool = True
    norm_bias: bool = True
    norms: int = 2
    head_norm: int = 0
    """The head size of query and key norms (0: none)."""
    key_bias: bool = True
    output_bias: bool = False
    """A bias on the output projection alone, where the others have none."""

    def add(self, parts: Parts, path: str) -> None:
        """The tensors of all blocks."""
        n, h, ff = self.layers, self.width, self.intermediate
        for which in ("q", "k", "v"):
            bias = self.attention_bias and (self.key_bias or which != "k")
            parts.linear(f"{path}.attn.{which}_proj", h, h, n, bias=bias, shard=Shard.COLUMN)
        output_bias = self.attention_bias or self.output_bias
        parts.linear(f"{path}.attn.out_proj", h, h, n, bias=output_bias, shard=Shard.ROW)
        inner = ("gate", "up") if self.gated else ("up",)
        for which in inner:
            parts.linear(
                f"{path}.mlp.{which}_proj", ff, h, n, bias=self.mlp_bias, shard=Shard.COLUMN
            )
        parts.linear(f"{path}.mlp.down_proj", h, ff, n, bias=self.mlp_bias, shard=Shard.ROW)
        for i in range(self.norms):
            parts.norm(f"{path}.norm{i + 1}", h, n, bias=self.norm_bias)
        if self.head_norm:
            for which in ("q", "k"):
                parts.norm(f"{path}.attn.{which}_norm", self.head_norm, n, bias=False)


def _patches(fields: Fields) -> int:
    side = fields.positive("image_size") // fields.positive("patch_size")
    return side * side


def _siglip(parts: Parts, fields: Fields) -> int:
    """A SigLIP encoder without pooling head; returns its width."""
    h, patch = fields.positive("hidden_size"), fields.positive("patch_size")
    parts.table("patch_embedding", h, 3 * patch * patch)
    parts.vector("patch_embedding", h, bias=True)
    parts.table("position_embedding", _patches(fields), h)
    Blocks(fields.positive("num_hidden_layers"), h, fields.positive("intermediate_size")).add(
        parts, "encoder.layers"
    )
    parts.norm("post_layernorm", h)
    return h


def gemma3(vision: Fields, hidden: int) -> list[Tensor]:
    """SigLIP with a projection and a norm (Gemma 3)."""
    parts = Parts("vision_tower")
    h = _siglip(parts, vision)
    parts.linear("multi_modal_projector.mm_input_projection", hidden, h, bias=False)
    parts.norm("multi_modal_projector.mm_soft_emb_norm", h, bias=False)
    return parts.tensors


def paligemma(vision: Fields, hidden: int) -> list[Tensor]:
    """SigLIP with one linear projector (PaliGemma)."""
    parts = Parts("vision_tower")
    parts.linear("multi_modal_projector.linear", hidden, _siglip(parts, vision))
    return parts.tensors


def paddleocr(vision: Fields, hidden: int) -> list[Tensor]:
    """SigLIP and a projector over merged patches, which counts as part of the decoder."""
    parts = Parts("visual")
    h = _siglip(parts, vision)
    merged = h * vision.positive("spatial_merge_size") ** 2
    projector = Parts("projector", Part.OTHER)
    projector.linear("linear_1", merged, merged)
    projector.linear("linear_2", hidden, merged)
    norm = Parts("projector", Part.NORM)
    norm.norm("pre_norm", h)
    return parts.tensors + projector.tensors + norm.tensors


def llava(vision: Fields, hidden: int) -> list[Tensor]:
    """CLIP or Pixtral with two linear layers (LLaVA)."""
    parts = Parts("vision_tower")
    if vision.text("model_type") == "pixtral":
        h = _pixtral(parts, vision)
    elif vision.text("model_type") == "siglip_vision_model":
        h = _siglip(parts, vision)
    else:
        h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
        parts.vector("class_embedding", h)
        parts.table("patch_embedding", h, 3 * patch * patch)
        parts.table("position_embedding", _patches(vision) + 1, h)
        parts.norm("pre_layrnorm", h)
        Blocks(vision.positive("num_hidden_layers"), h, vision.positive("intermediate_size")).add(
            parts, "encoder.layers"
        )
        parts.norm("post_layernorm", h)
    parts.linear("multi_modal_projector.linear_1", hidden, h)
    parts.linear("multi_modal_projector.linear_2", hidden, hidden)
    return parts.tensors


def _pixtral(parts: Parts, vision: Fields) -> int:
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    parts.table("patch_conv", h, 3 * patch * patch)
    parts.norm("ln_pre", h, bias=False)
    Blocks(
        vision.positive("num_hidden_layers"),
        h,
        vision.positive("intermediate_size"),
        gated=True,
        attention_bias=False,
        mlp_bias=False,
        norm_bias=False,
    ).add(parts, "transformer.layers")
    return h


def mistral3(vision: Fields, hidden: int) -> list[Tensor]:
    """Pixtral with a patch merger (Mistral Small 3.1, Ministral 3, Devstral 2)."""
    parts = Parts("vision_tower")
    h = _pixtral(parts, vision)
    merge = vision.positive("spatial_merge_size", 2) ** 2
    parts.norm("multi_modal_projector.norm", h, bias=False)
    parts.linear("multi_modal_projector.patch_merger.merging_layer", h, merge * h, bias=False)
    parts.linear("multi_modal_projector.linear_1", hidden, h, bias=False)
    parts.linear("multi_modal_projector.linear_2", hidden, hidden, bias=False)
    return parts.tensors


def qwen2_vl(vision: Fields, hidden: int) -> list[Tensor]:
    """The Qwen2-VL encoder: patches in space and time, a merger of two by two."""
    h, patch = vision.positive("embed_dim"), vision.positive("patch_size")
    parts = Parts("visual")
    parts.table("patch_embed.proj", h, 3 * vision.positive("temporal_patch_size") * patch * patch)
    ff = vision.positive("mlp_ratio") * h
    Blocks(vision.positive("depth"), h, ff).add(parts, "blocks")
    merged = h * vision.positive("spatial_merge_size") ** 2
    parts.norm("merger.ln_q", h)
    parts.linear("merger.mlp.0", merged, merged)
    parts.linear("merger.mlp.2", hidden, merged)
    return parts.tensors


def qwen2_5_vl(vision: Fields, hidden: int) -> list[Tensor]:
    """The Qwen2.5-VL encoder: gated, RMS norms."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    parts = Parts("visual")
    parts.table("patch_embed.proj", h, 3 * vision.positive("temporal_patch_size") * patch * patch)
    ff = vision.positive("intermediate_size")
    Blocks(vision.positive("depth"), h, ff, gated=True, norm_bias=False).add(parts, "blocks")
    merged = h * vision.positive("spatial_merge_size") ** 2
    parts.norm("merger.ln_q", h, bias=False)
    parts.linear("merger.mlp.0", merged, merged)
    parts.linear("merger.mlp.2", hidden, merged)
    return parts.tensors


def qwen3_vl(vision: Fields, hidden: int) -> list[Tensor]:
    """The Qwen3-VL and Qwen3.5 encoder: learned positions, a merger for each tapped layer."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    parts = Parts("visual")
    parts.table("patch_embed.proj", h, 3 * vision.positive("temporal_patch_size") * patch * patch)
    parts.vector("patch_embed.proj", h, bias=True)
    parts.table("pos_embed", vision.positive("num_position_embeddings"), h)
    ff = vision.positive("intermediate_size")
    Blocks(vision.positive("depth"), h, ff).add(parts, "blocks")
    merged = h * vision.positive("spatial_merge_size") ** 2
    tapped = vision.items("deepstack_visual_indexes")
    for name, norm, n in (("merger", h, 1), ("deepstack_merger_list", merged, len(tapped or ()))):
        if n:
            parts.norm(f"{name}.norm", norm, n)
            parts.linear(f"{name}.linear_fc1", merged, merged, n)
            parts.linear(f"{name}.linear_fc2", hidden, merged, n)
    return parts.tensors


def glm4v(vision: Fields, hidden: int) -> list[Tensor]:
    """The GLM-4.1V encoder: gated, with a convolution that halves the grid."""
    h, patch = vision.positive("hidden_size"), vision.positive("patch_size")
    out = vision.positive("out_hidden_size", hidden)
    merge = vision.positive("spatial_merge_size")
    parts = Parts("visual")
    parts.table("position_embedding", _patches(vision), h)
    parts.table("patch_embed.proj", h, 3 * vision.positive("temporal_patch_size") * patch * patch)
    parts.vector("patch_embed.proj", h, bias=True)
    Blocks(
        vision.positive("depth"),
        h,
        out,
        gated=True,
        attention_bias=vision.flag("attention_bias"),
        mlp_bias=False,
        norm_bias=False,
    ).add(parts, "blocks")
    inner = vision.positive("intermediate_size")
    parts.linear("merger.proj", out, out, bias=False)
    parts.norm("merger.post_projection_norm", out)
    for which in ("gate", "up"):
        parts.linear(f"merger.{which}_proj", inner, out, bias=False)
    parts.linear("merger.down_proj", out, inner, bias=False)
    parts.norm("post_conv_layernorm", h, bias=False)
    parts.table("downsample", out, h * merge * merge)
    parts.vector("downsample", out, bias=True)
    parts.norm("post_layernorm", h, bias=False)
    return parts.tensors
