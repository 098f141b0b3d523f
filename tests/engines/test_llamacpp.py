"""llama.cpp: placement, caches and plans against sums made by hand."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_lander_tui.engines.base import HOST, Kind, Known
from llm_lander_tui.engines.llamacpp import (
    LLAMACPP,
    FlashAttention,
    LlamaCppOptions,
    SplitMode,
    best_cpu_moe,
    best_gpu_layers,
)
from llm_lander_tui.engines.llamacpp.builds import Build
from llm_lander_tui.engines.llamacpp.cache import cells_of
from llm_lander_tui.engines.llamacpp.compute import ComputeModel, offloaded_compute
from llm_lander_tui.engines.llamacpp.footprint import LlamaCppFootprint
from llm_lander_tui.engines.llamacpp.placement import place
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.models.model import Checkpoint, Model
from llm_lander_tui.planner.evaluate import evaluate
from llm_lander_tui.planner.scenario import Lora, Scenario
from llm_lander_tui.units import GIB, MIB

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
GEMMA = "google/gemma-3-27b-it"
MOE = "Qwen/Qwen3-30B-A3B"
HYBRID = "Qwen/Qwen3-Next-80B-A3B-Instruct"


@cache
def model(name: str) -> Model:
    return presets.load(name)


def cards(*gib: float) -> tuple[Gpu, ...]:
    return tuple(
        Gpu(i, "card", round(g * GIB), 0, round(g * GIB), hypothetical=True)
        for i, g in enumerate(gib)
    )


def scenario(name: str = LLAMA, gpus: tuple[Gpu, ...] | None = None, **changes) -> Scenario:
    base = Scenario(
        model(name),
        LLAMACPP,
        recipes.get("Q4_K_M"),
        kv_format("f16"),
        gpus or cards(24),
        8192,
        margin_bytes=0,
    )
    return replace(base, **changes)


def context_bytes(name: str, total: int, slots: int = 1, kv: str = "f16", **options) -> int:
    chosen = LlamaCppOptions(**options)
    footprint = LLAMACPP.footprint(scenario(name, kv=kv_format(kv), options=chosen))
    return footprint.context_bytes(0, cells_of(total, slots, chosen))


def test_every_token_of_llama_takes_128_kib() -> None:
    # 32 layers x (8 key heads x 128 + 8 value heads x 128) x 2 bytes x 32,768 cells.
    assert context_bytes(LLAMA, 32768) == 32 * 2048 * 2 * 32768
    # Of q8_0 a block of 32 takes 34 bytes.
    assert context_bytes(LLAMA, 32768, kv="q8_0") == 32 * 2048 // 32 * 34 * 32768


def test_cells_are_rounded_up_to_256() -> None:
    assert context_bytes(LLAMA, 10000) == 32 * 2048 * 2 * 10240


def test_windowed_layers_keep_a_window_and_a_micro_batch() -> None:
    # Gemma-3-27B: 16 KV heads x 128, keys and values: 8,192 bytes a cell and layer. 10 full layers
    # of 32,768 cells, 52 of 1,024 + 512 (a multiple of 256).
    full, window = 10 * 32768 * 8192, 52 * 1536 * 8192
    assert context_bytes(GEMMA, 32768) == full + window == 3_338_665_984
    # Four slots that share a cache have four windows in it; --swa-full keeps everything.
    assert context_bytes(GEMMA, 32768, 4) == full + 52 * (4 * 1024 + 512) * 8192
    assert context_bytes(GEMMA, 32768, swa_full=True) == 62 * 32768 * 8192
    # Slots with caches of their own: each 8,192 cells, and a window and a micro-batch.
    assert context_bytes(GEMMA, 32768, 4, kv_unified=False) == full + 4 * window


def test_recurrent_states_are_32_bit_and_kept_per_sequence() -> None:
    # Qwen3-Next: 36 layers of 3 columns x 8,192 channels and 32 heads x 128 x 128, in 4 bytes;
    # 12 attention layers of 2 KV heads x 256, keys and values in 2.
    state = 36 * (3 * 8192 + 32 * 128 * 128) * 4
    assert state == 79_036_416
    for slots in (1, 4):
        cached = context_bytes(HYBRID, 32768, slots)
        assert cached == 12 * 2 * 512 * 2 * 32768 + slots * state


def test_latent_attention_caches_one_row_and_no_values() -> None:
    name = "deepseek-ai/DeepSeek-V3"
    footprint = LLAMACPP.footprint(scenario(name, cards(2000)))
    cells = cells_of(32768, 1, LlamaCppOptions())
    assert footprint.context_bytes(0, cells) == 61 * 576 * 2 * 32768


def test_layers_divide_by_free_memory_and_the_head_is_the_last() -> None:
    # 33 units on two equal cards: 17 and 15 + the head; on four: 9, 8, 8 and 7 + the head.
    two = place(32, LlamaCppOptions(), (GIB, GIB))
    assert (two.layers.count(0), two.layers.count(1), two.output) == (17, 15, 1)
    four = place(32, LlamaCppOptions(), (GIB,) * 4)
    assert [four.layers.count(i) for i in range(4)] == [9, 8, 8, 7]
    # Three quarters of 33 units: the first 25.
    unequal = place(32, LlamaCppOptions(), (3 * GIB, GIB))
    assert (unequal.layers.count(0), unequal.layers.count(1)) == (25, 7)
    stated = place(32, LlamaCppOptions(tensor_split=(1, 3)), (3 * GIB, GIB))
    assert (stated.layers.count(0), stated.layers.count(1)) == (9, 23)


def test_ngl_counts_from_the_head() -> None:
    assert place(32, LlamaCppOptions(gpu_layers=0), (GIB,)).output == HOST
    assert place(32, LlamaCppOptions(gpu_layers=1), (GIB,)).offloaded == 1
    assert place(32, LlamaCppOptions(gpu_layers=1), (GIB,)).output == 0
    most = place(32, LlamaCppOptions(gpu_layers=32), (GIB,))
    assert (most.layers[0], most.layers[1]) == (HOST, 0)
    assert place(32, LlamaCppOptions(gpu_layers=99), (GIB,)).offloaded == 33


def test_row_mode_keeps_layers_on_the_main_card() -> None:
    options = LlamaCppOptions(split_mode=SplitMode.ROW, main_gpu=1)
    assert set(place(32, options, (GIB, GIB)).layers) == {1}


def test_a_tied_embedding_lies_in_host_memory_and_again_as_the_head() -> None:
    footprint = LLAMACPP.footprint(scenario("meta-llama/Llama-3.2-1B"))
    embedding = 128256 * 2048 // 256 * 210  # Q6_K
    assert footprint.model_bytes(HOST) == embedding
    weights = [a for a in footprint.allocations(8192, 1) if a.kind is Kind.WEIGHTS]
    assert [a.gpu for a in weights] == [0, HOST]
    assert "a second time" in weights[0].why


def test_a_head_that_the_checkpoint_stores_lies_on_the_card_beside_the_table_of_the_host() -> None:
    footprint = LLAMACPP.footprint(scenario("Qwen/Qwen3-1.7B"))
    # Vocabulary 151,936 x 8 blocks of 256: the table in Q4_K, 166.9 MiB; the log says Host 166.
    assert footprint.model_bytes(HOST) == 151936 * 8 * 144
    card_weights = next(a for a in footprint.allocations(8192, 1) if a.kind is Kind.WEIGHTS)
    assert "stored by the checkpoint although its config ties it" in card_weights.why
    # The log of that file says 1,050 MiB on the card.
    assert footprint.model_bytes(0) / MIB == pytest.approx(1050, abs=1)


def test_experts_of_the_first_layers_stay_in_host_memory() -> None:
    whole = LLAMACPP.footprint(scenario(MOE))
    some = LLAMACPP.footprint(scenario(MOE, options=LlamaCppOptions(cpu_moe_layers=12)))
    moved = whole.model_bytes(0) - some.model_bytes(0)
    # CUDA pads the last row of the 36 tensors to 512 elements; 768 is no multiple.
    padding = moved - (some.model_bytes(HOST) - whole.model_bytes(HOST))
    assert 0 <= padding <= 36 * 512
    # 12 layers x 128 experts x 3 matrices of 768 x 2,048, at 4.5 to 6.6 bits each.
    elements = 12 * 128 * 3 * 768 * 2048
    assert elements * 4.5 / 8 < moved < elements * 6.6 / 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": recipes.get("AWQ-4bit-g128")}, "GGUF"),
        (
            {
                "kv": kv_format("q8_0"),
                "options": LlamaCppOptions(flash_attention=FlashAttention.OFF),
            },
            "flash attention",
        ),
    ],
)
def test_what_it_refuses(changes, words) -> None:
    problems = LLAMACPP.footprint(scenario(**changes)).problems
    assert any(words in problem for problem in problems)


def test_more_slots_than_it_opens_are_refused() -> None:
    assert any("256" in p for p in LLAMACPP.footprint(scenario(concurrency=257)).problems)
    assert not LLAMACPP.footprint(scenario(concurrency=256)).problems


def test_a_latent_cache_has_one_format() -> None:
    asked = scenario("deepseek-ai/DeepSeek-V2-Lite", kv=kv_format("q8_0/f16"))
    assert any("latent" in problem for problem in LLAMACPP.footprint(asked).problems)


def test_compressed_attention_keeps_windows_rows_and_compressors() -> None:
    # DeepSeek-V4-Flash at 131,072 tokens, as its own log has it: windows of 128 + 512 in 768 cells
    # of 43 layers, a row of 512 + 128 for every 4 tokens in 21 and of 512 for every 128 in 20; the
    # compressors of 21 layers 2 x 8 x 2 x (512 + 128) numbers, of 20 layers 2 x 128 x 512.
    kv = 43 * 768 * 512 * 2 + 21 * 32768 * (512 + 128) * 2 + 20 * 1024 * 512 * 2
    state = 4 * (21 * 2 * 8 * 2 * (512 + 128) + 20 * 2 * 128 * 512)
    assert kv == round(892.25 * MIB)
    assert context_bytes("deepseek-ai/DeepSeek-V4-Flash", 131072) == kv + state


def test_a_row_that_blocks_do_not_divide_is_refused() -> None:
    # OLMo-like heads are multiples of 32; one of 80 x 1 is not.
    architecture = model("microsoft/phi-2").architecture
    row = architecture.kv_rows[0][0]
    problems = LLAMACPP.footprint(scenario("microsoft/phi-2", kv=kv_format("q4_0"))).problems
    assert bool(problems) == bool(row.k_elements % 32)


def test_every_allocation_says_how_it_is_known_and_why() -> None:
    asked = scenario(
        MOE, cards(16, 16), lora=Lora(1, 16), draft=model("Qwen/Qwen3-0.6B"), concurrency=2
    )
    found = LLAMACPP.footprint(asked).allocations(8192, 2)
    kinds = {a.kind for a in found if a.gpu == 0}
    assert {Kind.WEIGHTS, Kind.KV_CACHE, Kind.ACTIVATIONS, Kind.RUNTIME, Kind.LORA, Kind.DRAFT} <= (
        kinds
    )
    for a in found:
        assert a.bytes > 0
        assert a.why.endswith(".")
        assert a.source
        assert (a.spread == 0) == (a.known is Known.EXACT)


@pytest.mark.parametrize(
    "name", [LLAMA, GEMMA, MOE, HYBRID, "nvidia/NVIDIA-Nemotron-Nano-12B-v2", "openai/gpt-oss-20b"]
)
@settings(max_examples=25, deadline=None)
@given(
    context=st.integers(1, 300_000),
    more=st.integers(0, 300_000),
    slots=st.integers(1, 600),
    further=st.integers(0, 600),
    options=st.builds(
        LlamaCppOptions,
        ubatch=st.sampled_from((64, 512, 2048)),
        flash_attention=st.sampled_from((FlashAttention.AUTO, FlashAttention.OFF)),
        kv_unified=st.booleans(),
        kv_offload=st.booleans(),
        swa_full=st.booleans(),
        gpu_layers=st.sampled_from((None, 0, 9)),
    ),
    gpus=st.sampled_from((1, 2)),
)
def test_needed_grows_and_equals_its_allocations(
    name, context, more, slots, further, options, gpus
) -> None:
    footprint = _footprint(name, options, gpus)
    needed = footprint.needed(context, slots)
    for gpu, need in enumerate(needed):
        parts = [a.bytes for a in footprint.allocations(context, slots) if a.gpu == gpu]
        assert sum(parts) == need
    for larger in (
        footprint.needed(context + more, slots),
        footprint.needed(context, slots + further),
    ):
        assert all(a <= b for a, b in zip(needed, larger, strict=True))


@cache
def _footprint(name: str, options: LlamaCppOptions, gpus: int) -> LlamaCppFootprint:
    return LLAMACPP.footprint(scenario(name, cards(*[24] * gpus), options=options))


def test_a_plan_lands_and_its_largest_context_is_on_the_edge() -> None:
    asked = scenario(gpus=cards(12))
    plan = evaluate(asked)
    assert plan.fits
    footprint = LLAMACPP.footprint(asked)
    reach = plan.limits.memory_context
    budget = footprint.budgets[0].bytes
    assert footprint.needed(reach, 1)[0] <= budget < footprint.needed(reach + 256, 1)[0]


def test_the_margin_is_taken_from_what_is_free() -> None:
    gpu = replace(cards(24)[0], used_bytes=4 * GIB, free_bytes=20 * GIB)
    asked = scenario(gpus=(gpu,), margin_bytes=500 * MIB)
    budget = LLAMACPP.footprint(asked).budgets[0]
    assert budget.bytes == 20 * GIB - 500 * MIB
    assert "500 MiB" in budget.why


def test_the_largest_ngl_fits_and_the_next_does_not() -> None:
    asked = scenario(MOE, cards(12))
    best = best_gpu_layers(asked)
    assert best is not None
    assert 0 < best < 49

    def fits(layers: int) -> bool:
        footprint = LLAMACPP.footprint(replace(asked, options=LlamaCppOptions(gpu_layers=layers)))
        return footprint.needed(8192, 1)[0] <= footprint.budgets[0].bytes

    assert fits(best)
    assert not fits(best + 1)
    assert best_gpu_layers(scenario(gpus=cards(24))) == 33
    assert best_gpu_layers(scenario(gpus=cards(0.25))) is None


def test_the_fewest_experts_move_that_let_the_rest_fit() -> None:
    asked = scenario(MOE, cards(12))
    best = best_cpu_moe(asked)
    assert best is not None

    def fits(layers: int) -> bool:
        footprint = LLAMACPP.footprint(
            replace(asked, options=LlamaCppOptions(cpu_moe_layers=layers))
        )
        return footprint.needed(8192, 1)[0] <= footprint.budgets[0].bytes

    assert fits(best)
    assert not fits(best - 1)
    assert best_cpu_moe(scenario(MOE, cards(80))) == 0
    assert best_cpu_moe(scenario(gpus=cards(2))) is None


def test_the_command_states_what_the_plan_counts_on() -> None:
    asked = scenario(
        MOE,
        cards(16, 16),
        concurrency=4,
        kv=kv_format("q8_0"),
        options=LlamaCppOptions(cpu_moe_layers=3, ubatch=1024, kv_unified=False, swa_full=True),
    )
    comment, line = LLAMACPP.command(asked, 8192).splitlines()
    words = shlex.split(line)
    assert comment == f"# Put a checkpoint of {MOE} in Q4_K_M at {words[2]}"
    assert words[0] == "llama-server"
    for flag, value in (
        ("--ctx-size", "32768"),
        ("--parallel", "4"),
        ("--n-cpu-moe", "3"),
        ("--cache-type-v", "q8_0"),
        ("--ubatch-size", "1024"),
        ("--split-mode", "layer"),
        ("--fit", "off"),
    ):
        assert words[words.index(flag) + 1] == value
    assert {"--swa-full", "--no-kv-unified"} <= set(words)


def test_the_command_shows_only_the_planned_cards_and_quotes_paths() -> None:
    real = tuple(replace(g, hypothetical=False, index=g.index + 2) for g in cards(24, 24))
    named = replace(
        model(LLAMA),
        name="/models/my model.gguf",
        source="gguf",
        checkpoint=Checkpoint("Q4_K_M", container="gguf"),
    )
    command = LLAMACPP.command(replace(scenario(gpus=real), model=named), 4096)
    assert command.startswith("CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=2,3 llama-server")
    assert "'/models/my model.gguf'" in command


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("owner/repo-GGUF:Q4_K_M", "--hf-repo owner/repo-GGUF:Q4_K_M --ctx-size"),
        ("owner/repo/Q4_K_M/x.gguf", "--hf-repo owner/repo --hf-file Q4_K_M/x.gguf --ctx-size"),
    ],
)
def test_a_gguf_file_of_the_hub_is_named_by_its_repository(name: str, words: str) -> None:
    named = replace(
        model(LLAMA), name=name, source="cache", checkpoint=Checkpoint("Q4_K_M", container="gguf")
    )
    assert f"llama-server {words}" in LLAMACPP.command(replace(scenario(), model=named), 4096)
    # In another format than the file's it is a file that is still to make.
    other = replace(scenario(), model=named, weights=recipes.get("Q8_0"))
    assert LLAMACPP.command(other, 4096).startswith("# Put a checkpoint of ")


@pytest.mark.parametrize("name", [LLAMA, GEMMA])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"ubatch": 1024},
        {"ubatch": 1024, "batch": 256},
        {"flash_attention": FlashAttention.ON},
        {"flash_attention": FlashAttention.OFF},
        {"cpu_moe_layers": 3},
        {"kv_unified": False},
        {"swa_full": True},
        {"kv_offload": False},
        {"op_offload": False},
        {"mmap": False},
        {"build": Build(logits_of_batch=True)},
        {"build": Build(copies_in_graph=False)},
    ],
    ids=str,
)
def test_options_that_make_the_same_graph_share_its_buffers(name: str, changed: dict) -> None:
    options = replace(LlamaCppOptions(), **changed)
    architecture, kv = model(name).architecture, kv_format("q8_0")
    placed = place(len(architecture.layers), options, (GIB,))
    alone = ComputeModel(architecture, kv, options, placed, gpus=1, host_weights={})
    shared = offloaded_compute(architecture, kv, options, placed, 1)
    for context in (512, 20000):
        cells = cells_of(context, 2, options)
        assert shared.exact(cells) == alone.exact(cells)
        assert shared.planned(cells) == alone.planned(cells)
