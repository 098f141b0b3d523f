"""The feed-forward kinds: dense, and a mixture of experts."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.models.architecture import Mlp
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector


@dataclass(frozen=True, slots=True)
class DenseMlp(Mlp):
    """Two matrices, or three where `gated` (SwiGLU, GeGLU): gate, up and down."""

    hidden: int
    intermediate: int
    gated: bool = True
    bias: bool = False

    @property
    def kind(self) -> str:
        return "dense"

    def tensors(self) -> tuple[Tensor, ...]:
        part, h, ff = Part.MLP, self.hidden, self.intermediate
        found = [Tensor("ffn_up", "mlp.up_proj", part, ff, h, Shard.COLUMN)]
        if self.gated:
            found.insert(0, Tensor("ffn_gate", "mlp.gate_proj", part, ff, h, Shard.COLUMN))
        found.append(Tensor("ffn_down", "mlp.down_proj", part, h, ff, Shard.ROW))
        if self.bias:
            found.append(vector("ffn_up", "mlp.up_proj", part, ff, Shard.COLUMN, bias=True))
            if self.gated:
                found.append(vector("ffn_gate", "mlp.gate_proj", part, ff, Shard.COLUMN, bias=True))
            found.append(vector("ffn_down", "mlp.down_proj", part, h, bias=True))
        return tuple(found)

    @property
    def active_elements(self) -> int:
        return sum(t.elements for t in self.tensors())


@dataclass(frozen=True, slots=True)
class ExpertsMlp(Mlp):
    """A mixture of `experts` routed experts of width `intermediate`, `active` used per token.

    `shared_intermediate` is the total width of the experts that every token uses (0: none);
    `shared_gate` scales them by one learned logit (Qwen2-MoE). `router_bias` is a bias or score
    correction per expert; `expert_bias` gives each expert's matrices a bias (gpt-oss).
    """

    hidden: int
    experts: int
    active: int
    intermediate: int
    shared_intermediate: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False
    gated: bool = True

    @property
    def kind(self) -> str:
        return "experts"

    def tensors(self) -> tuple[Tensor, ...]:
        part, h, ff, n = Part.MLP, self.hidden, self.intermediate, self.experts
        found = [Tensor("ffn_gate_inp", "mlp.gate", part, n, h)]
        if self.router_bias:
            found.append(vector("exp_probs_b", "mlp.gate.e_score_correction_bias", part, n))
        if self.gated:
            found.append(
                Tensor("ffn_gate_exps", "mlp.experts.gate_proj", part, ff, h, Shard.EXPERTS, n)
            )
        found += [
            Tensor("ffn_up_exps", "mlp.experts.up_proj", part, ff, h, Shard.EXPERTS, n),
            Tensor("ffn_down_exps", "mlp.experts.down_proj", part, h, ff, Shard.EXPERTS_ROW, n),
        ]
        if self.expert_bias:
            if self.gated:
                found.append(
                    vector(
                        "ffn_gate_exps", "mlp.experts.gate_proj", part, ff, Shard.EXPERTS,
                        copies=n, bias=True,
                    )
                )  # fmt: skip
            found += [
                vector(
                    "ffn_up_exps",
                    "mlp.experts.up_proj",
                    part,
                    ff,
                    Shard.EXPERTS,
                    copies=n,
                    bias=True,
                ),
                vector("ffn_down_exps", "mlp.experts.down_proj", part, h, copies=n, bias=True),
            ]
        if self.shared_intermediate:
            s = self.shared_intermediate
            if self.gated:
                found.append(
                    Tensor(
                        "ffn_gate_shexp", "mlp.shared_experts.gate_proj", part, s, h, Shard.COLUMN
                    )
                )
            found += [
                Tensor("ffn_up_shexp", "mlp.shared_experts.up_proj", part, s, h, Shard.COLUMN),
                Tensor("ffn_down_shexp", "mlp.shared_experts.down_proj", part, h, s, Shard.ROW),
            ]
        if self.shared_gate:
            found.append(Tensor("ffn_gate_inp_shexp", "mlp.shared_expert_gate", part, 1, h))
        return tuple(found)

    @property
    def active_elements(self) -> int:
        """All elements less the routed experts that a token leaves out."""
        idle = self.experts - self.active
        return sum(
            t.elements - (idle * t.rows * t.columns if t.copies > 1 else 0) for t in self.tensors()
        )
