"""vLLM's footprint: budget, ranks, knobs, releases and the start command."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.engines.base import HOST, Kind, Known
from llm_lander_tui.engines.vllm import VLLM, VllmOptions
from llm_lander_tui.engines.vllm.kv_planner import CacheKind
from llm_lander_tui.engines.vllm.options import batching_of, max_lora_rank, parse_version, rules_of
from llm_lander_tui.engines.vllm.profile import capture_sizes
from llm_lander_tui.engines.vllm.report import startup_report
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus import catalog
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.degrees import Degrees
from llm_lander_tui.memory.lora import adapter_elements
from llm_lander_tui.models import presets
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.scenario import Lora, Scenario
from llm_lander_tui.units import GIB, MIB, format_bytes

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def card(
    total_gib: float = 79.19, used_gib: float = 0.0, name: str = "H100", index: int = 0
) -> Gpu:
    total, used = round(total_gib * GIB), round(used_gib * GIB)
    return Gpu(index, name, total, used_bytes=used, free_bytes=total - used)


def scenario(
    name: str = LLAMA,
    weights: str = "BF16",
    gpus: tuple[Gpu, ...] = (card(),),
    context: int = 8192,
    **more: object,
) -> Scenario:
    return Scenario(
        presets.load(name), VLLM, recipes.get(weights), kv_format("bf16"), gpus, context, **more
    )


def cards(count: int, **more: object) -> tuple[Gpu, ...]:
    return tuple(card(index=i, **more) for i in range(count))


SCENARIOS = {
    "dense": scenario(),
    "hybrid on two": scenario("Qwen/Qwen3-Next-80B-A3B-Instruct", gpus=cards(2), tensor_parallel=2),
    "windows": scenario("google/gemma-3-27b-it", "AWQ-4bit-g128"),
    "stages": scenario(gpus=cards(2), pipeline_parallel=2),
    "experts whole": scenario(
        "Qwen/Qwen3-30B-A3B",
        gpus=cards(4),
        tensor_parallel=4,
        options=VllmOptions(enable_expert_parallel=True),
    ),
    "adapters": scenario(lora=Lora(4, 32)),
    "draft": scenario(draft=presets.load("meta-llama/Llama-3.2-1B-Instruct")),
    "offload": scenario(options=VllmOptions(cpu_offload_gb=4)),
    "old engine": scenario(options=VllmOptions(version="0.6.6", v0=True)),
    "a card too many": scenario(gpus=cards(3), tensor_parallel=2),
}


@pytest.mark.parametrize("given_scenario", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize(("context", "concurrency"), [(0, 1), (1, 1), (8192, 4), (200_000, 2000)])
def test_need_is_the_sum_of_its_items(
    given_scenario: Scenario, context: int, concurrency: int
) -> None:
    footprint = VLLM.footprint(given_scenario)
    found = footprint.allocations(context, concurrency)
    sums = [sum(a.bytes for a in found if a.gpu == i) for i in range(len(given_scenario.gpus))]
    assert list(footprint.needed(context, concurrency)) == sums
    assert all(a.bytes >= 0 and a.why for a in found)
    assert all(a.source and a.spread > 0 for a in found if a.known is Known.CALIBRATED)
    assert len(footprint.budgets) == len(given_scenario.gpus)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(SCENARIOS)),
    context=st.integers(0, 300_000),
    more=st.integers(0, 300_000),
    concurrency=st.integers(1, 3000),
)
def test_need_grows_with_context_and_concurrency(
    name: str, context: int, more: int, concurrency: int
) -> None:
    footprint = VLLM.footprint(SCENARIOS[name])
    here = footprint.needed(context, concurrency)
    longer = footprint.needed(context + more, concurrency)
    wider = footprint.needed(context, concurrency + 1)
    assert all(a <= b for a, b in zip(here, longer, strict=True))
    assert all(a <= b for a, b in zip(here, wider, strict=True))


def test_llama_on_an_h100_by_hand() -> None:
    """The terms of the 0.19 log: 14.99 weights, 1.89 activation, 0.25 libraries, 4 GiB of cache."""
    options = VllmOptions(gpu_memory_utilization=0.95, version="0.19.0")
    asked = scenario(context=32768, options=options, margin_bytes=0)
    footprint = VLLM.footprint(asked)
    by_kind: dict[Kind, int] = {}
    for a in footprint.allocations(32768, 1):
        by_kind[a.kind] = by_kind.get(a.kind, 0) + a.bytes
    # 8,030,261,248 parameters at 2 bytes and a rope table of 131,072 x 128 x 2 bytes.
    assert by_kind[Kind.WEIGHTS] == 2 * 8_030_261_248 + 131_072 * 128 * 2
    assert by_kind[Kind.KV_CACHE] == 4 * GIB
    # 14.5 x 1,024 x 128,256 of sampling, 2 x 8,192 x 4,096 of residual stream, 51 MiB of buffers.
    assert by_kind[Kind.ACTIVATIONS] == 1024 * round(14.5 * 128_256) + 2**26 + 51 * MIB
    report = startup_report(footprint.rank_plans, footprint.available_kv(8192), 8192)
    assert report.available_kv / GIB == pytest.approx(58.11, abs=0.06)
    assert report.capacity_tokens == pytest.approx(476_016, rel=0.001)
    assert report.estimated_max_model_len == 8192


def test_the_budget_is_a_share_of_the_whole_card_and_what_is_outside_of_it() -> None:
    footprint = VLLM.footprint(scenario(margin_bytes=0))
    context = [a for a in footprint.allocations(1, 1) if "context" in a.why]
    assert footprint.budgets[0].bytes == pytest.approx(
        0.92 * 79.19 * GIB + sum(a.bytes for a in context), abs=GIB // 1000
    )
    old = VLLM.footprint(scenario(margin_bytes=0, options=VllmOptions(version="0.19")))
    graphs = sum(a.bytes for a in old.allocations(1, 1) if a.kind is Kind.GRAPHS)
    assert old.budgets[0].bytes == pytest.approx(
        0.9 * 79.19 * GIB + graphs + sum(a.bytes for a in context), abs=GIB // 1000
    )


def test_a_busy_card_is_refused_with_the_utilization_that_works() -> None:
    stated = VllmOptions(gpu_memory_utilization=0.92)
    asked = scenario(gpus=(card(used_gib=20),), options=stated)
    plan = evaluate(asked)
    (refusal,) = plan.problems
    assert "vLLM refuses to start: it wants 0.92 of 79.2 GiB = 72.9 GiB" in refusal
    works = float(refusal.rsplit(" ", 1)[1].rstrip("."))
    again = evaluate(replace(asked, options=VllmOptions(gpu_memory_utilization=works)))
    assert again.problems == ()
    assert again.fits
    beyond = replace(asked, options=VllmOptions(gpu_memory_utilization=works + 0.02))
    assert VLLM.footprint(beyond).budgets[0].refusal is not None


def test_the_default_utilization_is_lowered_to_what_a_busy_card_has_free() -> None:
    asked = scenario(gpus=(card(used_gib=20),))
    footprint = VLLM.footprint(asked)
    # 79.2 GiB less 20 used, less the context and the margin, over 79.2
    assert 0.6 < footprint.utilization < (79.2 - 20) / 79.2
    assert footprint.problems == ()
    assert footprint.budgets[0].refusal is None
    assert f"--gpu-memory-utilization {footprint.utilization:g}" in VLLM.command(asked, 4096)


def test_the_margin_lowers_the_utilization_and_the_command_says_so() -> None:
    asked = scenario("Qwen/Qwen3-0.6B", gpus=(card(8, name="small card"),), margin_bytes=GIB)
    footprint = VLLM.footprint(asked)
    assert footprint.utilization < 0.92
    budget = footprint.budgets[0]
    assert budget.refusal is None
    assert budget.bytes <= 7 * GIB
    assert "would not leave the margin" in budget.why
    words = shlex.split(VLLM.command(asked, 4096))
    flag = words.index("--gpu-memory-utilization")
    assert float(words[flag + 1]) == footprint.utilization


def test_unequal_cards_share_the_tightest_utilization() -> None:
    asked = scenario(gpus=(card(), card(24, index=1)), tensor_parallel=2, margin_bytes=2 * GIB)
    footprint = VLLM.footprint(asked)
    large, small = footprint.budgets
    assert small.bytes < large.bytes
    assert footprint.utilization < 0.92
    assert len({a.bytes for a in footprint.allocations(1, 1) if a.kind is Kind.WEIGHTS}) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (scenario("Qwen/Qwen2.5-14B", gpus=cards(3), tensor_parallel=3), "40 attention heads"),
        (scenario(gpus=cards(2), tensor_parallel=4), "takes 4 GPUs, and 2 are chosen"),
        (
            scenario("Qwen/Qwen2.5-72B", "GPTQ-4bit-g128", gpus=cards(8), tensor_parallel=8),
            "3,696 inputs of ffn_down on a rank",
        ),
        (scenario("Qwen/Qwen3-0.6B", gpus=cards(64), pipeline_parallel=64), "do not fill 64"),
    ],
)
def test_what_cannot_start_says_why(asked: Scenario, words: str) -> None:
    plan = evaluate(asked)
    assert not plan.fits
    assert any(words in problem for problem in plan.problems), plan.problems


def test_illegal_degree_names_the_legal_ones() -> None:
    asked = scenario("Qwen/Qwen2.5-72B", "GPTQ-4bit-g128", gpus=cards(8), tensor_parallel=8)
    (problem,) = VLLM.footprint(asked).problems
    # 29,568 = 231 x 128 columns: no even degree gets whole groups.
    assert problem.endswith("tensor parallel degrees that do: 1.")
    legal = replace(asked, weights=recipes.get("BF16"))
    assert VLLM.footprint(legal).problems == ()


def test_stages_hold_their_own_layers() -> None:
    two = VLLM.footprint(SCENARIOS["stages"])
    first, last = (a.bytes for a in two.allocations(1, 1) if a.kind is Kind.WEIGHTS)
    layer, table, rope = 2 * 218_112_000, 2 * 128_256 * 4096, 2**25
    assert (first, last) == (16 * layer + table + rope, 16 * layer + table + rope + 2 * 4096)
    pool = [a.bytes for a in two.allocations(8192, 1) if a.kind is Kind.KV_CACHE]
    assert pool == [(512 + 1) * 16 * 16 * 8 * 256 * 2] * 2


def test_latent_projections_are_kept_twice() -> None:
    asked = scenario("deepseek-ai/DeepSeek-V3", "FP8-block", gpus=cards(8), tensor_parallel=8)
    weights = next(a for a in VLLM.footprint(asked).allocations(1, 1) if a.kind is Kind.WEIGHTS)
    # 61 layers x 16 heads x (128 + 128) x 512 x 2 bytes.
    assert 61 * 16 * 256 * 512 * 2 == 255_852_544
    assert "244 MiB of latent projections kept twice" in weights.why


@pytest.mark.parametrize(("name", "more"), [("A10G", True), ("RTX 4090", False)])
def test_cards_without_fp8_hold_a_scale_for_each_output(name: str, more: bool) -> None:
    """Marlin repeats the scale of a block of 128 x 128 for each of its 128 outputs, in 16 bits."""
    footprint = VLLM.footprint(
        scenario("Qwen/Qwen3-8B", "FP8-block", (catalog.hypothetical(catalog.find(name), 0),))
    )
    found = next(a for a in footprint.allocations(4096, 1) if a.kind is Kind.WEIGHTS)
    # Elements of a layer's linears; of each block 4 bytes of scale before, and 2 x 128 after.
    linear = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 12288 * 4096
    repeated = 36 * (2 * linear // 128 - 4 * linear // (128 * 128))
    assert ("more of FP8 scales" in found.why) is more
    if more:
        assert f"{format_bytes(repeated)} more of FP8 scales" in found.why


@pytest.mark.parametrize(
    ("name", "stated", "zeros", "order"),
    [
        ("A10G", {}, False, False),
        ("A10G", {"sym": True, "desc_act": True}, False, True),
        ("A10G", {"sym": False, "desc_act": False}, True, False),
        ("T4", {}, True, False),
    ],
)
def test_kernels_keep_of_gptq_what_they_read(name: str, stated: dict, zeros: bool, order: bool):
    """A word of 32 bits for 8 zero points of 4 bits, and one for the place of each input."""
    gpus = (catalog.hypothetical(catalog.find(name), 0),)
    asked = scenario("Qwen/Qwen3-8B", "GPTQ-4bit-g128", gpus)
    asked = replace(asked, model=replace(asked.model, quantization=stated or None))
    found = VLLM.footprint(asked).weight_bytes
    linear = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 12288 * 4096
    inputs = 3 * 4096 + 4096 + 2 * 4096 + 12288
    rope = 2 * 40960 * 128
    # The table and the head at 16 bits, two norms a layer, one of 128 for q and for k.
    plain = 2 * 2 * 151936 * 4096 + 2 * 4096 + 36 * 2 * (2 * 4096 + 2 * 128) + rope
    words = 36 * (zeros * linear // 128 // 2 + order * 4 * inputs)
    assert found == plain + 36 * (linear // 2 + 2 * linear // 128) + words


def test_a_stage_of_an_old_release_takes_all_that_is_left_over() -> None:
    sizes = {}
    for version in ("0.7.3", "0.8.0"):
        options = VllmOptions(version=version)
        asked = scenario(
            "deepseek-ai/DeepSeek-V3", gpus=cards(2), pipeline_parallel=2, options=options
        )
        weights = VLLM.footprint(asked).allocations(4096, 1)
        sizes[version] = [a.why for a in weights if a.kind is Kind.WEIGHTS]
    assert ["30 layers" in sizes["0.7.3"][0], "31 layers" in sizes["0.7.3"][1]] == [True, True]
    assert ["31 layers" in sizes["0.8.0"][0], "30 layers" in sizes["0.8.0"][1]] == [True, True]


def test_tiles_of_mxfp4_experts() -> None:
    """gpt-oss-20b fills 2,880 to 3,072 on Hopper and to 2,944 x 3,072 elsewhere (A.3)."""
    hopper = Gpu(0, "H100", 80 * GIB, 0, 80 * GIB, compute_capability=(9, 0))
    ampere = replace(hopper, compute_capability=(8, 0))
    sizes = [
        VLLM.footprint(scenario("openai/gpt-oss-20b", "MXFP4", gpus=(gpu,))).weight_bytes
        for gpu in (hopper, ampere)
    ]
    assert sizes[0] / GIB == pytest.approx(13.47, abs=0.03)
    # Up and gate have 2,944 rows of 3,072, down 3,072 rows of 2,944, against 3,072 and 2,880.
    assert sizes[1] - sizes[0] == 24 * 32 * 3 * (2944 * 3072 - 3072 * 2880) * 17 // 32


def test_adapters_reserve_room_beside_every_linear() -> None:
    architecture, one = presets.load(LLAMA).architecture, range(1)
    # All seven linears of Llama-3.1-8B have 81,920 inputs and outputs together.
    assert adapter_elements(architecture, one) == 81_920
    # Over two ranks q, k, v, gate and up halve their outputs, o and down their inputs.
    whole = 4096 * 5 + 4096 * 2
    halved = (4096 + 1024 + 1024 + 14336 * 2) // 2 + (4096 + 14336) // 2
    assert adapter_elements(architecture, one, Degrees(2)) == whole + halved
    assert [max_lora_rank(r) for r in (1, 8, 9, 100, 600)] == [8, 8, 16, 128, 600]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_pipeline_keeps_a_step_per_stage_in_flight(asynchronous: bool) -> None:
    # Gemma-3-27B: window - 1 = 1,023 and the tokens of 2 steps of 2,048 in blocks of 16, one more.
    options = VllmOptions(max_num_batched_tokens=2048, async_scheduling=asynchronous)
    asked = scenario("google/gemma-3-27b-it", gpus=cards(2), pipeline_parallel=2, options=options)
    (plan, _) = VLLM.footprint(asked).plans
    window = next(g.cache for g in plan.groups if g.cache.kind is CacheKind.SLIDING)
    assert window.blocks(100_000, plan.rules.in_flight) == -(-(1023 + 2 * 2048) // 16) + 1


def test_a_draft_model_brings_weights_and_cache() -> None:
    plain, drafted = VLLM.footprint(scenario()), VLLM.footprint(SCENARIOS["draft"])
    draft = next(a for a in drafted.allocations(8192, 1) if a.kind is Kind.DRAFT)
    assert draft.bytes == 2 * 1_235_814_400
    assert "drafting 1 tokens a step" in draft.why
    pool = [
        next(a.bytes for a in f.allocations(8192, 1) if a.kind is Kind.KV_CACHE)
        for f in (plain, drafted)
    ]
    # 16 more layers with 8 KV heads of 64: one table, so every block holds them too.
    assert pool[1] - pool[0] == (512 + 1) * 16 * 16 * 8 * 64 * 2 * 2


def test_the_models_own_prediction_layers_draft() -> None:
    asked = scenario(
        "deepseek-ai/DeepSeek-V3", "FP8-block", gpus=cards(8, total_gib=139.8), tensor_parallel=8
    )
    drafting = replace(asked, options=VllmOptions(speculative_tokens=1))
    kinds = {a.kind for a in VLLM.footprint(asked).allocations(1, 1)}
    more = {a.kind for a in VLLM.footprint(drafting).allocations(1, 1)}
    assert more - kinds == {Kind.DRAFT}
    assert '"method": "mtp"' in VLLM.command(drafting, 4096)


def test_offloaded_weights_are_on_the_host() -> None:
    found = VLLM.footprint(SCENARIOS["offload"]).allocations(1, 1)
    host = [a.bytes for a in found if a.gpu == HOST]
    assert host == [4 * GIB]
    plain = VLLM.footprint(scenario()).weight_bytes
    assert VLLM.footprint(SCENARIOS["offload"]).weight_bytes == plain - 4 * GIB


def test_unused_cards_are_left_alone() -> None:
    footprint = VLLM.footprint(SCENARIOS["a card too many"])
    assert footprint.needed(8192, 1)[2] == 0
    assert any("1 of the chosen GPUs stay unused" in note for note in footprint.notes)
    busy = (card(), card(index=1), card(used_gib=79, index=2))
    assert evaluate(scenario(gpus=busy, tensor_parallel=2)).problems == ()


def test_experts_whole_or_sliced_weigh_the_same() -> None:
    whole = SCENARIOS["experts whole"]
    sliced = replace(whole, options=VllmOptions())
    sizes = [VLLM.footprint(s).weight_bytes for s in (whole, sliced)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.33", (0, 33, 0)),
        ("0.6.4.post2.dev", (0, 6, 4)),
        ("0.8.x", (0, 8, 0)),
        ("0.20.1rc1.dev91+ga749a33d8", (0, 21, 0)),
        ("v1", (0, 33, 0)),
        ("0.1.dev19754+g3a0914114", (0, 33, 0)),
    ],
)
def test_versions(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


def test_releases_differ() -> None:
    old, new = (rules_of(VllmOptions(version=v)) for v in ("0.19", "0.33"))
    assert (old.utilization, new.utilization) == (0.9, 0.92)
    assert (old.graphs_in_budget, new.graphs_in_budget) == (False, True)
    assert (old.in_flight_steps, new.in_flight_steps) == (1, 2)
    assert rules_of(VllmOptions(async_scheduling=False)).in_flight_steps == 1
    assert not rules_of(VllmOptions(version="0.10", v0=True)).hybrid
    assert not rules_of(VllmOptions(version="0.19", v0=True)).v0


@pytest.mark.parametrize(
    ("gpu", "options", "context", "step"),
    [
        (card(), VllmOptions(), 8192, (8192, 1024)),
        (card(name="NVIDIA A100-SXM4-80GB"), VllmOptions(), 8192, (2048, 256)),
        (card(178), VllmOptions(), 8192, (16384, 1024)),
        (card(178), VllmOptions(version="0.19"), 8192, (8192, 1024)),
        (card(24), VllmOptions(), 8192, (2048, 256)),
        (card(24), VllmOptions(offline=True), 8192, (8192, 256)),
        (card(24), VllmOptions(max_num_seqs=4), 100, (400, 4)),
        (card(24), VllmOptions(max_num_batched_tokens=64), 8192, (64, 256)),
        (card(24), VllmOptions(version="0.6", v0=True), 8192, (8192, 256)),
        (card(24), VllmOptions(version="0.6", v0=True), 65536, (2048, 256)),
    ],
)
def test_the_step_that_is_profiled(
    gpu: Gpu, options: VllmOptions, context: int, step: tuple[int, int]
) -> None:
    batch = batching_of(options, rules_of(options), (gpu,)).batch(context, 1)
    assert (batch.tokens, batch.sequences) == step


def test_captured_batch_sizes() -> None:
    # 1, 2, 4, then 31 sizes to 248 by 8, then 256 to 512 by 16: 17 more.
    assert capture_sizes(256) == 3 + 31 + 17
    assert capture_sizes(1) == 2
    assert capture_sizes(40) == 3 + 10


def test_eager_mode_captures_nothing() -> None:
    eager = VLLM.footprint(scenario(options=VllmOptions(enforce_eager=True)))
    assert Kind.GRAPHS not in {a.kind for a in eager.allocations(1, 1)}
    assert "--enforce-eager" in VLLM.command(
        scenario(options=VllmOptions(enforce_eager=True)), 4096
    )


def test_the_command_states_what_the_plan_counts_on() -> None:
    gpus = tuple(replace(g, uuid=f"GPU-{g.index}") for g in cards(4))
    asked = scenario(
        "Qwen/Qwen3-30B-A3B",
        gpus=gpus,
        tensor_parallel=2,
        pipeline_parallel=2,
        concurrency=8,
        lora=Lora(2, 10),
        draft=presets.load("Qwen/Qwen3-0.6B"),
        options=VllmOptions(
            max_num_seqs=16, enable_expert_parallel=True, speculative_tokens=3, cpu_offload_gb=2
        ),
    )
    words = shlex.split(VLLM.command(replace(asked, kv=kv_format("fp8")), 16384))
    assert words[:5] == [
        "CUDA_DEVICE_ORDER=PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES=0,1,2,3",
        "vllm",
        "serve",
        "Qwen/Qwen3-30B-A3B",
    ]
    line = " ".join(words)
    for part in (
        "--max-model-len 16384",
        "--max-num-seqs 16",
        "--kv-cache-dtype fp8",
        "--tensor-parallel-size 2",
        "--pipeline-parallel-size 2",
        "--enable-expert-parallel",
        "--cpu-offload-gb 2",
        "--enable-lora --max-loras 2 --max-lora-rank 16",
        '--speculative-config {"model": "Qwen/Qwen3-0.6B", "num_speculative_tokens": 3}',
    ):
        assert part in line, part


@pytest.mark.parametrize(
    ("weights", "capability", "kv", "words"),
    [
        ("BF16", (9, 0), "bf16", ""),
        ("FP16", (9, 0), "f16", "--dtype float16"),
        ("FP32", (9, 0), "bf16", "--dtype float32"),
        ("BF16", (7, 5), "f16", "--dtype float16"),
        ("AWQ-4bit-g128", (9, 0), "fp8", "--kv-cache-dtype fp8"),
    ],
)
def test_number_formats_of_the_command(
    weights: str, capability: tuple[int, int], kv: str, words: str
) -> None:
    gpu = replace(card(), compute_capability=capability)
    line = VLLM.command(replace(scenario(LLAMA, weights, (gpu,)), kv=kv_format(kv)), 4096)
    assert words in line
    assert line.count("dtype") == words.count("dtype")


def test_every_option_is_a_field_with_its_default_among_the_steps() -> None:
    for option in VLLM.options:
        assert getattr(VLLM.default_options, option.name) in option.steps, option.name
        assert option.flag.startswith("--")
        assert option.description


def test_names_are_quoted() -> None:
    model = replace(presets.load(LLAMA), name="a b; rm -rf x")
    line = VLLM.command(replace(scenario(), model=model), 4096)
    assert "'a b; rm -rf x'" in line


@pytest.mark.parametrize(
    ("weights", "runs"),
    [("BF16", True), ("FP8-block", True), ("AWQ-4bit-g128", True), ("Q4_K_M", False),
     ("INT4", False), ("EXL3-4bpw", False), ("NF4", True)],
)  # fmt: skip
def test_formats_that_it_runs(weights: str, runs: bool) -> None:
    assert VLLM.runs(recipes.get(weights), presets.load(LLAMA)) is runs
