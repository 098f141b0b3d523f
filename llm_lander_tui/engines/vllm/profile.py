"""What vLLM holds beside weights and cache: activations, CUDA graphs, libraries.

The laws are physics with fitted constants; every constant says from which logs, and how far those
lie from the law.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_lander_tui.engines.vllm.options import Batch, Rules
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.step import dense_elements, expert_elements
from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.mlp import DenseMlp, ExpertsMlp
from llm_lander_tui.models.tensors import Part
from llm_lander_tui.units import GIB, MIB


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes with their relative spread, why and whence.

    `lawful` is False where logs follow no law that is known, and a middle stands for them.
    """

    bytes: int
    spread: float
    why: str
    source: str
    lawful: bool = True


@dataclass(frozen=True, slots=True)
class Sampler:
    """Bytes per sequence and vocabulary entry while tokens are sampled.

    `working` comes on top of the logits in the model's format, `kept` is what the sampler holds for
    good (counts of generated tokens, a bit per prompt token). `spread` is how far logs lie from the
    activation peak that follows.
    """

    working: float
    spread: float
    kept: float = 0.0


SORTING = Sampler(36.0, 0.3)
"""Up to 0.16: FP32 logits, their sort with 64-bit indices, probabilities. 15 logs lie within 6 %; 4
lie 60 % below, as the fused sampler would (its library, FlashInfer, was optional)."""
FUSED = Sampler(12.5, 0.06)
"""Since 0.17: FP32 logits, probabilities and noise, without the sort. 27 logs within 6 %."""
COUNTING = Sampler(4.0, 0.25, kept=4.125)
"""Model runner V2: an FP32 copy; int32 counts and a bit mask are kept. One log, 13 % above."""
COUNTING_WARM = Sampler(8.0, 0.25, kept=4.125)
"""0.33 profiles with all sampling parameters on, which adds FP32 probabilities (by its source)."""

RUNNER_V2_DENSE = (0, 25, 0)
"""Pull request 44443."""
RUNNER_V2 = (0, 30, 0)
"""Pull request 53183."""

FIXED_ACTIVATION = 51 * MIB
"""A step's inputs and small buffers; ± 20 MiB."""
ACTIVATION_SOURCE = "law of memory_models C.2, fitted to 48 profile runs of vLLM 0.6 to 0.31"

WORKSPACE_SINCE = (0, 14, 0)
"""Since when the experts' buffers are kept while tokens are sampled."""
EXPERT_CHUNK = 16384
"""Gathered tokens that expert kernels take at once (vllm/envs.py VLLM_FUSED_MOE_CHUNK_SIZE)."""
PIXELS_PER_TOKEN = 28
"""Side of the image square behind one token: patches of 14 pixels, merged 2 x 2."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """What the kernels compute in: bytes of an activation; whether experts need workspaces."""

    element: int = 2
    expert_workspaces: bool = True


@dataclass(frozen=True, slots=True)
class ActivationLaw:
    """The peak of the profile run as bytes per sequence and per token of the step.

    The larger of sampling (on the last pipeline stage) and the widest MLP, beside the residual
    stream, the buffers of the fused experts and fixed buffers (memory_models C.2).
    """

    sampling: int
    """Bytes per sequence."""
    mlp: int
    """Bytes per token, freed before sampling."""
    experts: int
    """Bytes per token of the expert kernels' buffers, freed before sampling unless `keeps`."""
    keeps: bool
    gathered: int
    """Data-parallel ranks whose tokens the experts of each see, all-gathered."""
    always: int
    """Bytes per token."""
    fixed: int
    kept: int
    """Bytes per sequence that stay after the run."""
    spread: float

    def peak(self, batch: Batch) -> int:
        """Bytes above the weights that are free again after the run."""
        tokens = batch.tokens
        seen = min(self.gathered * tokens, max(tokens, EXPERT_CHUNK))
        experts = self.experts * seen
        freed = max(self.sampling * batch.sequences, self.mlp * tokens)
        peak = freed + experts if self.keeps else max(freed, experts)
        return peak + self.always * tokens + self.fixed

    def total(self, batch: Batch) -> int:
        """All bytes above the weights."""
        return self.peak(batch) + self.kept * batch.sequences


def activation_law(
    architecture: Architecture, degrees: Degrees, rules: Rules, kernels: Kernels, *, last: bool
) -> ActivationLaw:
    """The law for the ranks of a pipeline stage, `last` where the tokens are sampled."""
    h, size = architecture.hidden_size, kernels.element
    dense = all(not isinstance(g.mlp, ExpertsMlp) for g, _ in architecture.layer_groups)
    sampler = _sampler(rules, dense=dense and not architecture.states)
    mlp = experts = 0
    for layer, _ in architecture.layer_groups:
        if isinstance(layer.mlp, DenseMlp):
            mlp = max(mlp, size * (dense_elements(layer.mlp, degrees) + 2 * h))
        elif isinstance(layer.mlp, ExpertsMlp) and kernels.expert_workspaces:
            experts = max(experts, size * expert_elements(layer.mlp, degrees))
    always = size * h
    if any(tensor.part is Part.TOWER for tensor in architecture.outer):
        always += size * (h + 3 * PIXELS_PER_TOKEN**2)
    if degrees.pipeline > 1:
        always += 2 * size * h
    return ActivationLaw(
        round((size + sampler.working) * architecture.vocab_size) if last else 0,
        mlp,
        experts,
        rules.version >= WORKSPACE_SINCE,
        degrees.data,
        always,
        FIXED_ACTIVATION,
        round(sampler.kept * architecture.vocab_size),
        sampler.spread,
    )


def _sampler(rules: Rules, *, dense: bool) -> Sampler:
    """The sampler of the release; the new model runner came to dense models first."""
    if rules.version < (0, 17, 0):
        return SORTING
    if rules.version < (RUNNER_V2_DENSE if dense else RUNNER_V2):
        return FUSED
    return COUNTING if rules.version < (0, 33, 0) else COUNTING_WARM


GRAPH_BYTES = 20 * MIB
"""Per captured batch size, piecewise and full graph together: 0.91 GiB for 51 sizes (0.19)."""
V0_GRAPH_BYTES = 10 * MIB
"""Per captured batch size of the old engine: 0.17 to 0.36 GiB for 35 sizes."""
GRAPHS_SPREAD = 0.5
"""Relative, over those logs."""
GRAPHS_SOURCE = "CUDA graph memory of 20 vLLM logs, 0.17 to 2.4 GiB"
LARGEST_CAPTURE = 512
V0_LARGEST_CAPTURE = 256
"""Largest batch captured, in sequences (config/vllm.py, _set_cudagraph_sizes)."""


def capture_sizes(sequences: int, largest: int = LARGEST_CAPTURE) -> int:
    """How many batch sizes are captured: 1, 2, 4, then 8 to 256 by 8 and to `largest` by 16.

    The largest is twice the sequences at most (config/vllm.py, _set_cudagraph_sizes).
    """
    top = min(2 * sequences, largest)
    small = sum(size <= top for size in (1, 2, 4))
    return small + min(top, 248) // 8 + max(0, (top - 240) // 16)


def graphs(rules: Rules, sequences: int, *, enforce_eager: bool) -> Estimate:
    """Memory that captured CUDA graphs hold."""
    if enforce_eager:
        return Estimate(0, 0.0, "no CUDA graphs with --enforce-eager", GRAPHS_SOURCE)
    largest = V0_LARGEST_CAPTURE if rules.v0 else LARGEST_CAPTURE
    sizes = capture_sizes(sequences, largest)
    size = sizes * (V0_GRAPH_BYTES if rules.v0 else GRAPH_BYTES)
    why = f"CUDA graphs of {sizes} batch sizes"
    return Estimate(size, GRAPHS_SPREAD, why, GRAPHS_SOURCE, lawful=False)


LIBRARIES = ((0, 18, 0), 130 * MIB, 255 * MIB)
"""cuBLAS and attention workspaces on one GPU, before and since 0.18; logs 0.05 to 0.3 GiB."""
V0_LIBRARIES = 80 * MIB
LINKED = ((0, 18, 0), 560 * MIB, 2150 * MIB)
"""With NCCL, custom all-reduce and symmetric memory over NVLink; 0.18 added the latter."""
UNLINKED = 220 * MIB
"""With NCCL over PCIe: 0.09 to 0.36 GiB in 7 logs."""
STAGED = 72 * MIB
"""On a pipeline stage of one GPU: no all-reduce, cuBLAS later."""
LARGE_CARD = 40 * GIB
"""Where no catalogue tells, cards above this are taken to have NVLink."""


def libraries(rules: Rules, gpus: tuple[Gpu, ...], degrees: Degrees, *, experts: bool) -> Estimate:
    """What CUDA libraries allocate beside PyTorch: cuBLAS, FlashInfer, NCCL between ranks.

    Copies of a model with routed `experts` exchange tokens as tensor parallel ranks do: 0.61 GiB
    with two copies in a log of 0.12.
    """
    source = "non-torch memory of 60 vLLM logs"
    if degrees.tensor > 1 or (experts and degrees.experts > 1):
        since, before, after = LINKED
        size = UNLINKED
        if all(_linked(gpu) for gpu in gpus) and not rules.v0:
            size = after if rules.version >= since else before
        return Estimate(size, 0.3, "NCCL and custom all-reduce buffers, cuBLAS workspaces", source)
    if degrees.pipeline > 1:
        return Estimate(STAGED, 0.5, "cuBLAS and NCCL of a pipeline stage", source)
    since, before, after = LIBRARIES
    size = V0_LIBRARIES if rules.v0 else after if rules.version >= since else before
    return Estimate(size, 0.5, "cuBLAS and attention workspaces", source)


def _linked(gpu: Gpu) -> bool:
    if gpu.spec is not None:
        return bool(gpu.spec.nvlink_gb_s)
    return bool(gpu.nvlinks) or gpu.total_bytes > LARGE_CARD
