"""What every engine on PyTorch modules and on a token pool keeps to."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.engines.autoawq import AUTOAWQ
from llm_lander_tui.engines.autogptq import AUTOGPTQ
from llm_lander_tui.engines.base import Engine, Kind, Known
from llm_lander_tui.engines.exllama import EXLLAMA
from llm_lander_tui.engines.fastchat import FASTCHAT
from llm_lander_tui.engines.lmdeploy import LMDEPLOY
from llm_lander_tui.engines.pytorch import PYTORCH
from llm_lander_tui.engines.sglang import SGLANG
from llm_lander_tui.engines.tensorrt_llm import TENSORRT_LLM
from llm_lander_tui.engines.tgi import TGI
from llm_lander_tui.engines.transformers import TRANSFORMERS
from llm_lander_tui.engines.vllm import VLLM
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.stored_head import as_configured
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB

ON_MODULES = (TRANSFORMERS, AUTOGPTQ, AUTOAWQ, EXLLAMA, PYTORCH, FASTCHAT)
ON_POOLS = (SGLANG, TENSORRT_LLM, TGI, LMDEPLOY)
ENGINES = (*ON_MODULES, *ON_POOLS)
COMPRESSED = "deepseek-ai/DeepSeek-V4-Pro"
MODELS = (
    "meta-llama/Llama-3.1-8B-Instruct",
    "google/gemma-3-27b-it",
    "deepseek-ai/DeepSeek-V3",
    "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-Next-80B-A3B-Instruct",
)
LLAMA = MODELS[0]


def card(index: int = 0, gib: int = 80) -> Gpu:
    return Gpu(index, "card", gib * GIB, used_bytes=0, free_bytes=gib * GIB)


def scenario(engine: Engine, name: str = LLAMA, gpus: int = 1, **more: object) -> Scenario:
    model: Model = presets.load(name)
    weights = more.pop("weights", None)
    recipe = (
        recipes.get(weights)
        if weights is not None
        else next(
            (r for r in recipes.offered(model) if engine.runs(r, model)),
            # The sums hold for models that the engine does not know as well.
            recipes.get("AWQ-4bit-g128" if engine is AUTOAWQ else "BF16"),
        )
    )
    parallel = gpus if engine.tensor_parallel else 1
    return Scenario(
        model,
        engine,
        recipe,
        kv_format(more.pop("kv", engine.kv_formats[0])),
        tuple(card(i) for i in range(gpus)),
        more.pop("context", 4096),
        tensor_parallel=more.pop("tensor_parallel", parallel),
        **more,
    )


@pytest.mark.parametrize("engine", [TRANSFORMERS, SGLANG, VLLM], ids=lambda e: e.id)
def test_a_stored_head_that_the_config_ties_is_left_out_and_said(engine: Engine):
    asked = scenario(engine, "Qwen/Qwen3-1.7B", weights="BF16")
    tied = replace(asked.model, architecture=as_configured(asked.model.architecture))
    stored = [
        next(a for a in engine.footprint(s).allocations(4096, 1) if a.kind is Kind.WEIGHTS)
        for s in (asked, replace(asked, model=tied))
    ]
    assert stored[0].bytes == stored[1].bytes
    assert "without the head that the checkpoint stores again" in stored[0].why
    assert "head that" not in stored[1].why


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("gpus", [1, 2])
def test_the_sum_of_the_allocations_is_what_is_needed(engine: Engine, name: str, gpus: int):
    footprint = engine.footprint(scenario(engine, name, gpus))
    for context, concurrency in [(0, 0), (1, 1), (4096, 3), (131072, 2)]:
        sums = [0] * gpus
        for allocation in footprint.allocations(context, concurrency):
            assert allocation.bytes > 0
            assert allocation.why.endswith(".")
            sums[allocation.gpu] += allocation.bytes
        assert list(footprint.needed(context, concurrency)) == sums


@pytest.mark.parametrize("engine", [TRANSFORMERS, SGLANG], ids=lambda e: e.id)
def test_a_compressed_past_grows_by_a_row_every_so_many_tokens(engine: Engine):
    footprint = engine.footprint(scenario(engine, COMPRESSED))
    cached = [
        sum(a.bytes for a in footprint.allocations(n, 1) if a.kind is Kind.KV_CACHE)
        for n in (100_000, 200_000)
    ]
    rows = presets.load(COMPRESSED).architecture.kv_rows
    more = sum(
        n * 2 * (r.compressed.dim + r.compressed.indexer_dim) * 100_000 // r.compressed.ratio
        for r, n in rows
        if r.compressed is not None
    )
    assert more
    assert any(r.span.size for r, _ in rows)
    if engine is TRANSFORMERS:
        assert cached[1] - cached[0] == pytest.approx(more, rel=0.001)
    else:
        assert cached[1] - cached[0] >= more * 0.999


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
def test_what_is_not_exact_tells_its_spread_and_source(engine: Engine):
    for allocation in engine.footprint(scenario(engine)).allocations(4096, 1):
        if allocation.known is not Known.EXACT:
            assert allocation.spread > 0
        assert allocation.source


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
@pytest.mark.parametrize("name", [MODELS[1], MODELS[4]])
@settings(max_examples=30, deadline=None)
@given(
    context=st.integers(0, 200_000),
    longer=st.integers(0, 50_000),
    concurrency=st.integers(0, 64),
    more=st.integers(0, 8),
)
def test_more_tokens_or_sequences_never_need_less(
    engine: Engine, name: str, context: int, longer: int, concurrency: int, more: int
):
    footprint = engine.footprint(scenario(engine, name, 2))
    least = footprint.needed(context, concurrency)
    most = footprint.needed(context + longer, concurrency + more)
    assert all(a <= b for a, b in zip(least, most, strict=True))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
@pytest.mark.parametrize("name", [LLAMA, "/models/it's a; rm -rf $HOME"])
def test_a_start_command_can_be_pasted(engine: Engine, name: str):
    asked = scenario(engine, gpus=2)
    asked = replace(asked, model=replace(asked.model, name=name))
    comment, _, command = engine.command(asked, 8192).rpartition("\nCUDA_DEVICE_ORDER")
    if comment:
        command = "CUDA_DEVICE_ORDER" + command
        weights = asked.weights.name
        named = f"{name.rpartition('/')[2]}-{weights}"
        assert comment == f"# Put a checkpoint of {name} in {weights} at {named}"
    else:
        named = name
    if engine is not TGI:
        assert command.startswith("CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0,1 ")
    _, heredoc, code = command.partition("python - <<'EOF'\n")
    if heredoc:
        code = code.removesuffix("\nEOF")
        compile(code, "snippet", "exec")
        assert repr(named) in code
    else:
        assert named in shlex.split(command)
    if engine in ON_POOLS:
        assert "8192" in command


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
def test_a_format_that_is_not_loaded_is_refused_with_those_that_are(engine: Engine):
    (problem, *_) = engine.footprint(scenario(engine, weights="EXL2-4.0bpw")).problems or ("",)
    if "exl2" in engine.families:
        assert problem == ""
    else:
        assert "does not load EXL2-4bpw" in problem
        assert all(family in problem for family in engine.families)


@pytest.mark.parametrize("engine", ON_MODULES, ids=lambda e: e.id)
def test_engines_that_place_layers_refuse_tensor_parallelism(engine: Engine):
    asked = scenario(engine, gpus=2, tensor_parallel=2)
    assert any("degree: 1" in p for p in engine.footprint(asked).problems)


@pytest.mark.parametrize("engine", ON_POOLS, ids=lambda e: e.id)
def test_an_illegal_degree_is_refused_with_the_legal_ones(engine: Engine):
    (problem, *_) = engine.footprint(scenario(engine, gpus=3)).problems
    assert "32 attention heads do not divide over 3 GPUs" in problem
    assert "1, 2, 4, 8, 16, 32" in problem


@pytest.mark.parametrize("engine", ON_POOLS, ids=lambda e: e.id)
def test_ranks_beyond_the_cards_are_refused(engine: Engine):
    asked = scenario(engine, gpus=1, tensor_parallel=2)
    assert any("takes 2 GPUs, and 1 are chosen" in p for p in engine.footprint(asked).problems)


@pytest.mark.parametrize("engine", [TGI, LMDEPLOY], ids=lambda e: e.id)
def test_engines_without_stages_refuse_pipelines(engine: Engine):
    asked = scenario(engine, gpus=2, tensor_parallel=1, pipeline_parallel=2)
    assert any("no pipeline parallelism" in p for p in engine.footprint(asked).problems)


@pytest.mark.parametrize("engine", ON_POOLS, ids=lambda e: e.id)
def test_tensor_parallelism_halves_the_weights_and_the_kv_heads(engine: Engine):
    one, two = (engine.footprint(scenario(engine, gpus=n, weights="BF16")) for n in (1, 2))
    # Llama-3.1-8B: 8 KV heads of 128, keys and values at 16 bits, 32 layers.
    assert one.bytes_per_token(0) == 32 * 8 * 128 * 2 * 2
    assert two.bytes_per_token(0) == two.bytes_per_token(1) == 32 * 4 * 128 * 2 * 2
    weights = [
        sum(a.bytes for a in f.allocations(1, 1) if a.kind is Kind.WEIGHTS and a.gpu == 0)
        for f in (one, two)
    ]
    assert weights[1] == pytest.approx(weights[0] / 2, rel=0.005)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
def test_no_card_is_no_crash(engine: Engine):
    footprint = engine.footprint(scenario(engine, gpus=0, tensor_parallel=1))
    assert footprint.budgets == ()
    assert list(footprint.needed(4096, 1)) == []
    assert footprint.allocations(4096, 1) == ()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.id)
def test_every_option_has_its_default_among_its_steps_or_none(engine: Engine):
    for option in engine.options:
        value = getattr(engine.default_options, option.name)
        assert value in option.steps
