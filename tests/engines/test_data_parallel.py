"""Copies of a model side by side: what they hold together, and what each holds for itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.base import Kind
from llm_lander_tui.engines.sglang import SGLANG, SglangOptions
from llm_lander_tui.engines.vllm import VLLM, VllmOptions
from llm_lander_tui.errors import UsageError
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.own_format import recipe_of
from llm_lander_tui.models import presets
from llm_lander_tui.planner import moves
from llm_lander_tui.planner.division import divide
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.question import Question, scenario_of
from llm_lander_tui.planner.scenario import Lora, Scenario
from llm_lander_tui.units import GIB

MOE = "Qwen/Qwen3-30B-A3B"
DENSE = "Qwen/Qwen3-8B"
EXPERTS = 48 * 128 * 3 * 2048 * 768
"""Elements of the routed experts of Qwen3-30B-A3B."""
ROPE = 40960 * 128
"""Elements of the rotary table of Qwen3 models: positions x head_dim."""


def scenario(engine, name, count, options, **more):
    return Scenario(
        presets.load(name),
        engine,
        recipes.get("BF16"),
        kv_format("bf16"),
        parse_gpus(f"{count}x H100 SXM"),
        8192,
        margin_bytes=0,
        options=options,
        **more,
    )


def held(footprint, kind, context=8192, concurrency=1):
    """Bytes of a kind by GPU."""
    found = footprint.allocations(context, concurrency)
    return [
        sum(a.bytes for a in found if a.kind is kind and a.gpu == gpu)
        for gpu in range(len(footprint.budgets))
    ]


@pytest.mark.parametrize("whole", [False, True])
def test_copies_of_vllm_hold_the_experts_together(whole):
    """A log of two copies prints 29.88 GiB of weights, 5.58 of activations, 0.61 of libraries."""
    options = VllmOptions(
        data_parallel=2, enable_expert_parallel=whole, version="0.12", enforce_eager=True
    )
    footprint = VLLM.footprint(scenario(VLLM, MOE, 2, options))
    assert footprint.problems == ()
    # Half of the experts, whole or in slices, all else twice: (30,532,122,624 - E) + E / 2.
    each = 2 * (30_532_122_624 - EXPERTS + EXPERTS // 2) + 2 * ROPE
    assert held(footprint, Kind.WEIGHTS) == [each, each]
    assert each / GIB == pytest.approx(29.88, abs=0.005)
    assert footprint.printed_activation(8192) / GIB == pytest.approx(5.58, abs=0.02)
    libraries = next(
        a for a in footprint.allocations(8192, 1) if "NCCL" in a.why and a.kind is Kind.RUNTIME
    )
    assert libraries.bytes / GIB == pytest.approx(0.61, rel=libraries.spread)


def test_copies_of_a_dense_model_share_nothing():
    one = VLLM.footprint(scenario(VLLM, DENSE, 1, VllmOptions()))
    two = VLLM.footprint(scenario(VLLM, DENSE, 2, VllmOptions(data_parallel=2)))
    assert held(two, Kind.WEIGHTS) == held(one, Kind.WEIGHTS) * 2
    assert held(two, Kind.RUNTIME) == held(one, Kind.RUNTIME) * 2
    # Each copy serves its own sequences: of 7 the fuller one has 4.
    assert held(two, Kind.KV_CACHE, concurrency=7) == held(one, Kind.KV_CACHE, concurrency=4) * 2


def test_experts_see_the_tokens_of_all_copies():
    # Workspaces of 8 experts a token at 16 bits: whole width 768 is below h = 2048, so
    # 2 x 8 x (2048 + 2048) bytes for 16,384 gathered tokens, against the 8,192 of one copy.
    kept = [
        VLLM.footprint(
            scenario(VLLM, MOE, n, VllmOptions(data_parallel=n, enable_expert_parallel=True))
        ).printed_activation(8192)
        for n in (1, 2, 8)
    ]
    assert kept[1] - kept[0] == 2 * 8 * 4096 * (16384 - 8192)
    # The kernels take no more than 16,384 tokens at once.
    assert kept[2] == kept[1]


@pytest.mark.parametrize(
    "more",
    [
        {"tensor_parallel": 2},
        {"pipeline_parallel": 2},
        {"tensor_parallel": 2, "lora": Lora(2, 16), "draft": presets.load(DENSE)},
    ],
    ids=["tensor", "pipeline", "beside"],
)
@pytest.mark.parametrize("engine", [VLLM, SGLANG], ids=["vllm", "sglang"])
def test_need_is_the_sum_of_its_items(engine, more):
    options = replace(engine.default_options, data_parallel=2)
    footprint = engine.footprint(scenario(engine, MOE, 4, options, **more))
    assert footprint.problems == ()
    for context, concurrency in ((1, 1), (8192, 7), (40_000, 3)):
        found = footprint.allocations(context, concurrency)
        sums = [sum(a.bytes for a in found if a.gpu == gpu) for gpu in range(4)]
        assert list(footprint.needed(context, concurrency)) == sums


def test_copies_of_sglang_stand_behind_a_router():
    two = SGLANG.footprint(scenario(SGLANG, MOE, 2, SglangOptions(), tensor_parallel=2))
    four = SGLANG.footprint(
        scenario(SGLANG, MOE, 4, SglangOptions(data_parallel=2), tensor_parallel=2)
    )
    assert held(four, Kind.WEIGHTS) == held(two, Kind.WEIGHTS) * 2
    assert held(four, Kind.KV_CACHE, concurrency=8) == held(two, Kind.KV_CACHE, concurrency=4) * 2


def test_dp_attention_copies_the_attention_within_the_ranks():
    options = SglangOptions(data_parallel=2, dp_attention=True)
    footprint = SGLANG.footprint(scenario(SGLANG, DENSE, 4, options, tensor_parallel=4))
    assert footprint.problems == ()
    # Qwen3-8B on one of four ranks: q, k, v, o (16,777,216 + 2 x 4,194,304 + 16,777,216) and the
    # embedding over two, gate, up, down (3 x 4096 x 12288) and the head over all four; norms whole.
    layer = 41_943_040 // 2 + 150_994_944 // 4 + 2 * 4096 + 2 * 128
    table = 151_936 * 4096
    tensors = 36 * layer + table // 2 + table // 4 + 4096
    # SGLang's rotary tables are FP32.
    assert held(footprint, Kind.WEIGHTS) == [2 * tensors + 4 * ROPE] * 4
    # 4 of 8 KV heads of 128, keys and values at 16 bits, for 5 of 10 sequences.
    token = 36 * 4 * 128 * 2 * 2
    assert held(footprint, Kind.KV_CACHE, 8192, 10) == [5 * 8192 * token] * 4


def test_dp_attention_divides_the_latent_cache_that_tensor_parallelism_copies():
    name = "deepseek-ai/DeepSeek-V2-Lite"
    copied = SGLANG.footprint(scenario(SGLANG, name, 4, SglangOptions(), tensor_parallel=4))
    options = SglangOptions(data_parallel=4, dp_attention=True)
    divided = SGLANG.footprint(scenario(SGLANG, name, 4, options, tensor_parallel=4))
    # 27 layers of 512 + 64 elements at 16 bits.
    assert held(copied, Kind.KV_CACHE, 8192, 16) == [16 * 8192 * 27 * 576 * 2] * 4
    assert held(divided, Kind.KV_CACHE, 8192, 16) == [4 * 8192 * 27 * 576 * 2] * 4


def test_dp_attention_needs_equal_groups():
    options = SglangOptions(data_parallel=3, dp_attention=True)
    (problem,) = SGLANG.footprint(scenario(SGLANG, DENSE, 4, options, tensor_parallel=4)).problems
    assert "into equal groups, not into 3; degrees of --dp-size that do: 1, 2, 4." in problem


@pytest.mark.parametrize("engine", [VLLM, SGLANG], ids=["vllm", "sglang"])
def test_copies_want_cards_of_their_own(engine):
    options = replace(engine.default_options, data_parallel=4)
    (problem,) = engine.footprint(scenario(engine, DENSE, 4, options, tensor_parallel=2)).problems
    assert problem == (
        "Tensor parallel 2 x pipeline parallel 1 x data parallel 4 takes 8 GPUs, and 4 are chosen."
    )


@pytest.mark.parametrize(
    ("command", "tensor", "options"),
    [
        (
            f"vllm serve {MOE} -tp 2 -dp 2 --enable-expert-parallel",
            2,
            VllmOptions(data_parallel=2, enable_expert_parallel=True),
        ),
        (f"vllm serve {MOE} --data-parallel-size=4", 1, VllmOptions(data_parallel=4)),
        (
            f"sglang serve --model-path {MOE} --tp 4 --dp 2 --enable-dp-attention",
            4,
            SglangOptions(data_parallel=2, dp_attention=True),
        ),
        (
            f"python -m sglang.launch_server --model-path {MOE} --tp-size 2 --dp-size 2",
            2,
            SglangOptions(data_parallel=2),
        ),
    ],
)
def test_start_commands_name_copies_and_are_read_back(command, tensor, options):
    launched = parse_command(command, lambda _: False)
    assert launched.unread == ()
    asked = scenario_of(launched.question, presets.load(MOE), parse_gpus("8x H100 SXM"))
    assert (asked.tensor_parallel, asked.options, len(asked.gpus)) == (tensor, options, 4)
    again = parse_command(asked.engine.command(asked, 8192), lambda _: False).question
    assert again.tensor_parallel == tensor
    assert again.options.data_parallel == options.data_parallel
    assert getattr(again.options, "dp_attention", False) == getattr(options, "dp_attention", False)


def test_copies_divide_the_cards_anew():
    asked = moves.with_gpus(scenario(VLLM, DENSE, 4, None), parse_gpus("4x H100 SXM"))
    assert (asked.tensor_parallel, asked.pipeline_parallel) == (4, 1)
    halved = moves.with_options(asked, VllmOptions(data_parallel=2))
    assert (halved.tensor_parallel, VLLM.footprint(halved).problems) == (2, ())
    stepped = moves.step_tensor_parallel(halved, -1)
    assert (stepped.tensor_parallel, stepped.pipeline_parallel) == (1, 2)
    assert moves.with_options(halved, VllmOptions()).tensor_parallel == 4
    found = divide(halved)
    assert (found.gpus, found.tensor_parallel, found.pipeline_parallel) == (2, 1, 1)


def test_more_copies_than_cards_are_refused():
    question = Question("vllm", tensor_parallel=2, options=VllmOptions(data_parallel=4))
    with pytest.raises(UsageError, match="x data parallel 4 needs 8 GPUs"):
        scenario_of(question, presets.load(DENSE), parse_gpus("4x H100 SXM"))


def test_eight_copies_have_eight_pools():
    """A log of eight copies on B200 prints 156.9 requests of 1,048,576 tokens, 19.6 a pool."""
    options = VllmOptions(
        gpu_memory_utilization=0.95,
        max_num_seqs=256,
        max_num_batched_tokens=8192,
        data_parallel=8,
        enable_expert_parallel=True,
        version="0.25",
    )
    model, length = presets.load("deepseek-ai/DeepSeek-V4-Flash"), 1_048_576
    footprint = VLLM.footprint(
        Scenario(
            model,
            VLLM,
            recipe_of(model),
            kv_format("fp8"),
            parse_gpus("8x B200"),
            length,
            margin_bytes=0,
            options=options,
        )
    )
    pools = [
        plan.max_concurrency(available, length)
        for plan, available in zip(
            footprint.rank_plans, footprint.available_kv(length), strict=True
        )
    ]
    assert sum(pools) == pytest.approx(156.9, rel=0.05)
