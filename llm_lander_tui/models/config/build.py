"""From a reading to an architecture: layers, embeddings, head, norms, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.config.context import context_limit, rope_tables
from llm_lander_tui.models.config.fields import refuse
from llm_lander_tui.models.config.norms import norm_tensors
from llm_lander_tui.models.config.tower_table import tower_tensors
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector

if TYPE_CHECKING:
    from llm_lander_tui.models.config.reading import Reading

_EARLY = {"bloom", "codegen", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "mamba", "opt"}
_DIMENSIONS = ("hidden_size", "num_hidden_layers")
_DTYPES = ("float32", "float16", "bfloat16")


def build(reading: Reading) -> Architecture:
    """The architecture that the config describes. Raises `RefusedModel`."""
    fields = reading.fields
    tied = fields.flag("tie_word_embeddings")
    layers = _layers(reading)
    _note_assumed(reading)
    mtp, mtp_outer = reading.family.mtp(reading)
    towers, note = tower_tensors(reading.outer, reading.hidden)
    if note:
        reading.notes.append(note)
    return Architecture(
        model_type=reading.model_type,
        hidden_size=reading.hidden,
        vocab_size=reading.vocab,
        layers=layers,
        outer=(*_outer(reading, tied=tied), *reading.family.outers(reading), *towers),
        context_limit=context_limit(reading),
        tied_embeddings=tied,
        dtype=_dtype(reading),
        mtp=mtp,
        mtp_outer=mtp_outer,
        notes=tuple(reading.notes),
        rope=rope_tables(reading),
    )


def _note_assumed(reading: Reading) -> None:
    """Say where the dimensions come from the class; refuse a file that states no model at all.

    The language model inside a multimodal config may leave out what its class gives (LLaVA 1.5).
    """
    assumed = {k: v for k, v in reading.fields.assumed.items() if k in _DIMENSIONS}
    if len(assumed) == len(_DIMENSIONS) and not reading.nested:
        raise refuse(f"the config of type {reading.model_type} states no dimensions.")
    for name, value in assumed.items():
        reading.notes.append(f"{name} is not stated: {value} by the class of {reading.model_type}")


def _layers(reading: Reading) -> tuple[Layer, ...]:
    """All layers; equal ones are one object."""
    family = reading.family
    norms = tuple(
        t
        for name, path in family.norms
        for t in norm_tensors(family.norm, name, path, reading.hidden)
    )
    distinct: dict[Layer, Layer] = {}
    found = []
    for i in range(reading.layers):
        others = norms + family.others(reading, i)
        layer = Layer(family.mixers(reading, i), family.mlp(reading, i), others)
        found.append(distinct.setdefault(layer, layer))
    return tuple(found)


def _outer(reading: Reading, *, tied: bool) -> tuple[Tensor, ...]:
    """Embeddings, the final norm and the output head."""
    family, h, vocab = reading.family, reading.hidden, reading.vocab
    width = reading.fields.positive(family.embedding_width, h) if family.embedding_width else h
    found = [
        Tensor(
            "token_embd",
            "model.embed_tokens",
            Part.EMBEDDING,
            vocab + family.extra_rows,
            width,
            Shard.VOCAB,
            linear=False,
        )
    ]
    if family.positions:
        rows = reading.fields.positive(family.positions) + family.position_offset
        found.append(
            Tensor("position_embd", "model.embed_positions", Part.EMBEDDING, rows, h, linear=False)
        )
    if family.embedding_norm:
        found += norm_tensors(family.norm, "token_embd_norm", "model.embed_norm", h)
    if width != h:
        found += [
            Tensor("token_embd_in", "model.project_in", Part.OTHER, h, width),
            Tensor("token_embd_out", "model.project_out", Part.OTHER, width, h),
        ]
    if reading.switch(family.final_norm):
        found += norm_tensors(family.norm, "output_norm", "model.norm", h)
    if not tied:
        found.append(Tensor("output", "lm_head", Part.LM_HEAD, vocab, width, Shard.VOCAB))
    if reading.switch(family.head_bias):
        found.append(vector("output", "lm_head", Part.LM_HEAD, vocab, Shard.VOCAB, bias=True))
    return tuple(found)


def _dtype(reading: Reading) -> str:
    """The number format that the checkpoint states.

    Files from before 2023 that state none hold float32; newer ones leave it out where they are
    quantised, and compute in bfloat16.
    """
    stated = reading.fields.text("dtype") or str(reading.outer.get("torch_dtype") or "")
    stated = stated.removeprefix("torch.")
    if stated in _DTYPES:
        return stated
    return "float32" if not stated and reading.model_type in _EARLY else "bfloat16"
