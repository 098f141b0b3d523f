"""The graphs of the feed-forward kinds (llama-graph.cpp `build_ffn`, `build_moe_ffn`)."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.llamacpp.blocks import Blocks
from llm_lander_tui.engines.llamacpp.graph import F32, Tensor
from llm_lander_tui.models.architecture import Mlp
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp


@dataclass(frozen=True, slots=True)
class Routing:
    """How a router turns its logits into weights.

    `normalised` divides by their sum, `late_softmax` takes the softmax of the chosen ones only
    (gpt-oss), `weighted_inputs` scales the experts' inputs and not their outputs (Llama 4).
    """

    normalised: bool = True
    late_softmax: bool = False
    weighted_inputs: bool = False


def feed_forward(b: Blocks, mlp: Mlp, source: Tensor, hidden: int, routing: Routing) -> Tensor:
    """The feed-forward part of a layer."""
    if isinstance(mlp, ExpertsMlp):
        return _experts(b, mlp, source, hidden, routing)
    if isinstance(mlp, DenseMlp):
        names = {t.name for t in mlp.tensors()}
        fused = mlp.gated and "ffn_gate" not in names
        return _dense(b, source, hidden, mlp.intermediate, gated=mlp.gated, fused=fused,
                      bias=mlp.bias)  # fmt: skip
    raise TypeError(f"no graph for {type(mlp).__name__}")


def _dense(
    b: Blocks,
    source: Tensor,
    hidden: int,
    width: int,
    *,
    gated: bool,
    fused: bool = False,
    bias: bool = False,
    suffix: str = "",
) -> Tensor:
    up_name, gate_name, down_name = (f"ffn_{n}{suffix}" for n in ("up", "gate", "down"))
    up_width = 2 * width if fused else width
    up = b.project(up_name, up_width, source)
    if bias:
        up = b.bias(up_name, up_width, up)
    if fused:
        active = b.op("swiglu", width, (up,))
    elif gated:
        gate = b.project(gate_name, width, source)
        if bias:
            gate = b.bias(gate_name, width, gate)
        active = b.op("swiglu", width, (gate, up))
    else:
        active = b.unary("activation", width, up)
    down = b.project(down_name, hidden, active)
    return b.bias(down_name, hidden, down) if bias else down


def _experts(b: Blocks, mlp: ExpertsMlp, source: Tensor, hidden: int, routing: Routing) -> Tensor:
    k, width = mlp.active, mlp.intermediate
    weights, chosen = _route(b, mlp, source, routing)
    b.graph.expand(weights)

    def stack(name: str, size: int, value: Tensor) -> Tensor:
        found = b.op(name, size, (value, chosen), weights=(b.weight(name, experts=True),))
        if mlp.expert_bias:
            bias = b.weight(name, bias=True, experts=True)
            found = b.op(name, size, (found, chosen), weights=(bias,), reuses=True)
        return found

    if routing.weighted_inputs:
        repeated = b.op("repeat", k * hidden, (source,))
        each = b.op("weighted", k * hidden, (repeated, weights), reuses=True)
    else:
        each = source
    up = stack("ffn_up_exps", k * width, each)
    if mlp.gated:
        gate = stack("ffn_gate_exps", k * width, each)
        active = b.op("swiglu", k * width, (gate, up))
    else:
        active = b.unary("activation", k * width, up)
    experts = stack("ffn_down_exps", k * hidden, active)
    if not routing.weighted_inputs:
        experts = b.op("weighted", k * hidden, (experts, weights), reuses=True)
    b.graph.expand(experts)
    if k == 1:
        out = b.op("cont", hidden, (experts,))
    else:
        out = b.add("sum", hidden, experts, experts)
        for _ in range(k - 2):
            b.graph.expand(out)
            out = b.add("sum", hidden, out, experts)
    b.graph.expand(out)
    if not mlp.shared_intermediate:
        return out
    shared = _dense(b, source, hidden, mlp.shared_intermediate, gated=mlp.gated, suffix="_shexp")
    if mlp.shared_gate:
        gate = b.unary("sigmoid", 1, b.project("ffn_gate_inp_shexp", 1, source))
        shared = b.op("shared gate", hidden, (shared, gate), reuses=True)
    return b.add("shared", hidden, out, shared)


def _route(b: Blocks, mlp: ExpertsMlp, source: Tensor, routing: Routing) -> tuple[Tensor, Tensor]:
    """The weights of the chosen experts, and their numbers (a view of the sorted ones)."""
    n, k = mlp.experts, mlp.active
    names = {(t.name, t.bias) for t in mlp.tensors()}
    probabilities = b.project("ffn_gate_inp", n, source)
    if ("ffn_gate_inp", True) in names:
        probabilities = b.bias("ffn_gate_inp", n, probabilities)
    if not routing.late_softmax:
        probabilities = b.unary("probabilities", n, probabilities)
    selection = probabilities
    if any(name == "exp_probs_b" for name, _ in names):
        selection = b.bias("exp_probs_b", n, selection)
    chosen = Tensor("argsort", b.graph.size(((b.columns, F32 * n),)), (selection,), rows=b.columns)
    weights = b.op("weights", k, (probabilities, chosen))
    if routing.late_softmax:
        weights = b.op("softmax", k, (weights,))
    if routing.normalised:
        total = b.unary("clamp", 1, b.op("sum", 1, (weights,)))
        weights = b.op("normalise", k, (weights, total))
    return weights, chosen
