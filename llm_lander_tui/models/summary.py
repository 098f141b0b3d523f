"""What a model is made of, as plain values: for `llm-lander model`, the Model screen, the API."""

from __future__ import annotations

from itertools import groupby

from llm_lander_tui.errors import RefusedModel
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.tensors import Part

_OTHER = (Part.MIXER, Part.TOWER, Part.OTHER)


def summary(model: Model) -> dict[str, object]:
    """The JSON object of one model, without the weight formats (`llm-lander model`).

    `parts` sums to `parameters`; `layers` counts by attention kind and by MLP kind;
    `kv_bytes_per_token` is at 16 bits with no window, `state_bytes_per_sequence` with 16-bit
    convolution columns and FP32 recurrence; `context_limit` is null where the model has none.
    """
    architecture = model.architecture
    limit = architecture.context_limit
    return {
        "name": model.name,
        "model_type": architecture.model_type,
        "parameters": architecture.parameters,
        "active_parameters": architecture.active_parameters,
        "parts": parts(architecture),
        "layers": layers(architecture),
        "kv_bytes_per_token": architecture.kv_bytes_per_token,
        "state_bytes_per_sequence": architecture.state_bytes_per_sequence,
        "context_limit": limit.trained if limit is not None else None,
        "context_limit_why": limit.why if limit is not None else "the config states none",
        "mtp_parameters": mtp_parameters(architecture),
        "notes": [*architecture.notes, *model.warnings],
        "refused": None,
    }


def refusal(name: str, error: RefusedModel) -> dict[str, object]:
    """The JSON object of a model that cannot be planned."""
    return {"name": name, "refused": error.message}


def parts(architecture: Architecture) -> dict[str, int]:
    """Parameters by part, as the parameter tables of the project count them.

    "other" holds state-space and linear mixers, towers and small projections.
    """
    found = architecture.parts
    return {
        "embedding": found[Part.EMBEDDING],
        "lm_head": found[Part.LM_HEAD],
        "attention": found[Part.ATTENTION],
        "mlp": found[Part.MLP],
        "norms": found[Part.NORM],
        "other": sum(found[part] for part in _OTHER),
    }


def layers(architecture: Architecture) -> dict[str, dict[str, int]]:
    """How many layers have each attention kind, and how many each MLP kind."""
    attention: dict[str, int] = {}
    mlp: dict[str, int] = {}
    for layer, count in architecture.layer_groups:
        attention[layer.kind] = attention.get(layer.kind, 0) + count
        kind = mlp_kind(layer)
        mlp[kind] = mlp.get(kind, 0) + count
    return {"attention": attention, "mlp": mlp}


def mlp_kind(layer: Layer) -> str:
    """The layer's MLP kind, "none" without one."""
    return layer.mlp.kind if layer.mlp is not None else "none"


def pattern(architecture: Architecture) -> tuple[tuple[str, str, int], ...]:
    """The layers in order as runs of (attention kind, MLP kind, how many)."""
    kinds = ((layer.kind, mlp_kind(layer)) for layer in architecture.layers)
    return tuple((*kind, sum(1 for _ in run)) for kind, run in groupby(kinds))


def mtp_parameters(architecture: Architecture) -> int:
    """Parameters of the multi-token-prediction layers, which `parameters` leaves out."""
    inner = sum(t.parameters for layer in architecture.mtp for t in layer.tensors())
    return inner + sum(t.parameters for t in architecture.mtp_outer)
