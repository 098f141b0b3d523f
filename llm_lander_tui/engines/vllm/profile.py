"""What vLLM holds beside weights and cache: activations, CUDA graphs, libraries.

The laws are physics with fitted constants; every constant says from which logs, and how far those
lie from the law.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.vllm.options import Batch, Rules
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.units import GIB, MIB, ceil_div


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes with their relative spread, why and whence."""

    bytes: int
    spread: float
    why: str
    source: str


SAMPLER_SORTING = 38.0
"""Bytes per sequence and vocabulary entry up to 0.16: logits, FP32 copy, sort and its indices."""
SAMPLER = 14.5
"""The same since 0.17, which samples without the full sort."""
SAMPLER_SORTING_UNTIL = (0, 17, 0)
FIXED_ACTIVATION = 51 * MIB
"""The step's inputs and small buffers."""
ACTIVATION_SOURCE = "profile runs in vLLM 0.6 to 0.31 logs, mostly llm-d-planner's on H100"
ACTIVATION_SPREAD = 0.06


@dataclass(frozen=True, slots=True)
class Split:
    """How the model is divided: tensor and pipeline parallel degrees, experts whole or sliced."""

    tensor: int = 1
    pipeline: int = 1
    experts: bool = False


@dataclass(frozen=True, slots=True)
class ActivationLaw:
    """The peak of the profile run as bytes per sequence and per token of the step.

    The larger of sampling (on the last pipeline stage) and the widest MLP, beside the residual
    stream, the buffers of the fused experts and fixed buffers (memory_models C.2).
    """

    sampling: int
    """Bytes per sequence."""
    mlp: int
    """Bytes per token."""
    always: int
    """Bytes per token."""
    fixed: int

    def peak(self, batch: Batch) -> int:
        """Bytes above the weights."""
        sampling, mlp = self.sampling * batch.sequences, self.mlp * batch.tokens
        return max(sampling, mlp) + self.always * batch.tokens + self.fixed


def activation_law(
    architecture: Architecture, split: Split, rules: Rules, *, last: bool
) -> ActivationLaw:
    """The law for the ranks of a pipeline stage, `last` where the tokens are sampled."""
    h = architecture.hidden_size
    sampler = SAMPLER_SORTING if rules.version < SAMPLER_SORTING_UNTIL else SAMPLER
    mlp = experts = 0
    for layer, _ in architecture.layer_groups:
        if isinstance(layer.mlp, DenseMlp):
            width = ceil_div(layer.mlp.intermediate * (2 + layer.mlp.gated), split.tensor)
            mlp = max(mlp, 2 * (width + 2 * h))
        elif isinstance(layer.mlp, ExpertsMlp):
            experts = max(experts, _expert_buffers(layer.mlp, split))
    return ActivationLaw(
        round(sampler * architecture.vocab_size) if last else 0,
        mlp,
        2 * h + experts + (4 * h if split.pipeline > 1 else 0),
        FIXED_ACTIVATION,
    )


def _expert_buffers(mlp: ExpertsMlp, split: Split) -> int:
    """Bytes per token of the two workspaces of the fused expert kernels, 16 bits a value."""
    width = mlp.intermediate if split.experts else ceil_div(mlp.intermediate, split.tensor)
    return 2 * mlp.active * (max(width, mlp.hidden) + max(2 * width, mlp.hidden))


GRAPHS = GIB
GRAPHS_SPREAD = 0.5
GRAPHS_SOURCE = "CUDA graph memory of 20 vLLM logs, 0.17 to 2.4 GiB"


def graphs(*, enforce_eager: bool) -> Estimate:
    """Memory that captured CUDA graphs hold."""
    if enforce_eager:
        return Estimate(0, 0.0, "no CUDA graphs with --enforce-eager", GRAPHS_SOURCE)
    return Estimate(GRAPHS, GRAPHS_SPREAD, "CUDA graphs of the captured batch sizes", GRAPHS_SOURCE)


def libraries(rules: Rules, tensor_parallel: int) -> Estimate:
    """What CUDA libraries allocate beside PyTorch: cuBLAS, FlashInfer, NCCL under TP."""
    source = "non-torch memory in vLLM logs"
    if tensor_parallel > 1:
        modern = rules.version >= (0, 18, 0)
        size = int((2.1 if modern else 0.55) * GIB)
        return Estimate(size, 0.3, "NCCL and custom all-reduce buffers, cuBLAS workspaces", source)
    size = int((0.25 if rules.version >= (0, 18, 0) else 0.13) * GIB)
    return Estimate(size, 0.5, "cuBLAS and attention workspaces", source)
