"""The feed-forward kinds: dense, and a mixture of experts."""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.models.architecture import Mlp
from llm_lander_tui.models.tensors import Part, Shard, Tensor, vector


@dataclass(frozen=True, slots=True)
class DenseMlp(Mlp):
    """Two matrices, or three where `gated` (SwiGLU, GeGLU): gate, up and down.

    `fused` is where the checkpoint holds gate and up as one matrix (Phi-3, ChatGLM, GLM-4).
    """

    hidden: int
    intermediate: int
    gated: bool = True
    bias: bool = False
    fused: bool = False
    module: str = "mlp"

    @property
    def kind(self) -> str:
        return "dense"

    def tensors(self) -> tuple[Tensor, ...]:
        part, h, ff, m = Part.MLP, self.hidden, self.intermediate, self.module
        if self.gated and self.fused:
            inner = [("ffn_up", f"{m}.gate_up_proj", 2 * ff)]
        elif self.gated:
            inner = [("ffn_gate", f"{m}.gate_proj", ff), ("ffn_up", f"{m}.up_proj", ff)]
        else:
            inner = [("ffn_up", f"{m}.up_proj", ff)]
        found = [Tensor(name, path, part, n, h, Shard.COLUMN) for name, path, n in inner]
        found.append(Tensor("ffn_down", f"{m}.down_proj", part, h, ff, Shard.ROW))
        if self.bias:
            found += [
                vector(name, path, part, n, Shard.COLUMN, bias=True) for name, path, n in inner
            ]
            found.append(vector("ffn_down", f"{m}.down_proj", part, h, bias=True))
        return tuple(found)

    @property
    def active_elements(self) -> int:
        return sum(t.parameters for t in self.tensors())


@dataclass(frozen=True, slots=True)
class ExpertsMlp(Mlp):
    """A mixture of `experts` routed experts of width `intermediate`, `active` used per token.

    `shared_intermediate` is the total width of the experts that every token uses (0: none);
    `shared_gate` scales them by one learned logit (Qwen2-MoE). `router_bias` is a bias of the
    router; `score_correction` a stored correction per expert that is no parameter (DeepSeek-V3);
    `expert_bias` gives each expert's matrices a bias (gpt-oss). `latent` is the width that tokens
    are projected to before the routed experts (Nemotron 3 Super; 0: none).
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
    score_correction: bool = False
    latent: int = 0
    router_scales: int = 0
    """Elements of further learned scales in the router (Gemma 4)."""
    latent_norm: bool = False
    shared_bias: bool = False
    module: str = "mlp"
    router: str = "gate"
    """The router's name below `module`."""
    shared: str = "shared_experts"
    """The shared experts' name below `module`."""
    shared_suffix: str = "_shexp"
    """What ggml appends to the shared part's names; empty where it is the plain part (Gemma 4)."""

    @property
    def kind(self) -> str:
        return "experts"

    def tensors(self) -> tuple[Tensor, ...]:
        return (*self._router(), *self._routed(), *self._shared())

    def _path(self, name: str) -> str:
        """The Hugging Face path of a module of this part inside the layer."""
        return f"{self.module}.{name}" if self.module else name

    def _router(self) -> list[Tensor]:
        part, n, path = Part.MLP, self.experts, self._path(self.router)
        found = [Tensor("ffn_gate_inp", path, part, n, self.hidden)]
        if self.router_bias:
            found.append(vector("ffn_gate_inp", path, part, n, bias=True))
        if self.score_correction:
            bias = f"{path}.e_score_correction_bias"
            found.append(vector("exp_probs_b", bias, part, n, buffer=True))
        if self.router_scales:
            found.append(vector("ffn_gate_inp.scale", f"{path}.scale", part, self.router_scales))
        return found

    def _routed(self) -> list[Tensor]:
        part, ff, n = Part.MLP, self.intermediate, self.experts
        path, width = self._path("experts"), self.latent or self.hidden
        inner = ["gate", "up"] if self.gated else ["up"]
        found = [
            Tensor(f"ffn_{x}_exps", f"{path}.{x}_proj", part, ff, width, Shard.EXPERTS, n)
            for x in inner
        ]
        found.append(
            Tensor("ffn_down_exps", f"{path}.down_proj", part, width, ff, Shard.EXPERTS_ROW, n)
        )
        if self.expert_bias:
            found += [
                vector(
                    f"ffn_{x}_exps", f"{path}.{x}_proj", part, ff, Shard.EXPERTS,
                    copies=n, bias=True,
                )
                for x in inner
            ]  # fmt: skip
            down = f"{path}.down_proj"
            found.append(vector("ffn_down_exps", down, part, width, copies=n, bias=True))
        if self.latent:
            down, up = self._path("fc1_latent_proj"), self._path("fc2_latent_proj")
            found += [
                Tensor("ffn_latent_down", down, part, width, self.hidden),
                Tensor("ffn_latent_up", up, part, self.hidden, width),
            ]
            if self.latent_norm:
                norm = self._path("latent_norm")
                found.append(vector("ffn_latent_norm", norm, Part.NORM, width))
        return found

    def _shared(self) -> list[Tensor]:
        part, h, s = Part.MLP, self.hidden, self.shared_intermediate
        found: list[Tensor] = []
        if s:
            path = self._path(self.shared)
            inner = ["gate", "up"] if self.gated else ["up"]
            found = [
                Tensor(f"ffn_{x}{self.shared_suffix}", f"{path}.{x}_proj", part, s, h, Shard.COLUMN)
                for x in inner
            ]
            found.append(
                Tensor(f"ffn_down{self.shared_suffix}", f"{path}.down_proj", part, h, s, Shard.ROW)
            )
            if self.shared_bias:
                found += [
                    vector(
                        f"ffn_{x}{self.shared_suffix}",
                        f"{path}.{x}_proj",
                        part,
                        s,
                        Shard.COLUMN,
                        bias=True,
                    )
                    for x in inner
                ]
                down = f"{path}.down_proj"
                found.append(vector(f"ffn_down{self.shared_suffix}", down, part, h, bias=True))
        if self.shared_gate:
            gate = self._path("shared_expert_gate")
            found.append(Tensor("ffn_gate_inp_shexp", gate, part, 1, h))
        return found

    @property
    def active_elements(self) -> int:
        """All parameters less the routed experts that a token leaves out."""
        idle = (self.experts - self.active) * sum(
            t.rows * t.columns for t in self._routed() if t.copies > 1
        )
        return sum(t.parameters for t in self.tensors()) - idle
