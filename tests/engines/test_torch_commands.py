"""Start commands of the engines on PyTorch modules: what their own programs take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.exllama_modes import chat_mode
from llm_lander_tui.engines.registry import get
from llm_lander_tui.engines.torch_attention import EAGER_NOTE
from llm_lander_tui.gpus.catalog import parse_gpus
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.activations import Attention
from llm_lander_tui.models import presets
from llm_lander_tui.planner import choices, moves
from llm_lander_tui.planner.launched import parse_command
from llm_lander_tui.planner.question import scenario_of
from llm_lander_tui.planner.scenario import Scenario

QWEN = "Qwen/Qwen3-8B"


def scenario(engine: str, name: str, weights: str, cards: str = "H100 PCIe") -> Scenario:
    start = moves.start(presets.load(name), get(engine), parse_gpus(cards))
    return replace(start, weights=recipes.get(weights))


def command(engine: str, name: str, weights: str, cards: str = "H100 PCIe") -> str:
    return get(engine).command(scenario(engine, name, weights, cards), 4096)


@pytest.mark.parametrize(
    ("name", "v2", "v3"),
    [
        (QWEN, "chatml", "chatml"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3", "llama3"),
        ("codellama/CodeLlama-7b-hf", "llama", "raw"),
        ("deepseek-ai/deepseek-llm-7b-chat", "raw", "raw"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "llama", "mistral"),
        ("google/gemma-3-27b-it", "gemma", "gemma"),
        ("openai/gpt-oss-20b", "raw", "gptoss"),
        ("Qwen/Qwen3.5-27B", "raw", "qwen35"),
        ("EleutherAI/gpt-neox-20b", "raw", "raw"),
    ],
)
def test_the_chat_program_is_given_the_mode_without_which_it_exits(name, v2, v3):
    architecture = presets.load(name).architecture
    assert chat_mode(architecture, newer=False) == v2
    assert chat_mode(architecture, newer=True) == v3
    assert f" -mode {v3} -cs 4096" in command("exllamav2", name, "EXL3-4bpw")


def test_the_mode_stands_before_exllamav2s_length():
    assert " -mode chatml -l 4096" in command("exllamav2", QWEN, "EXL2-4bpw")


def test_gptq_of_8_bits_is_not_offered_where_4_are_run():
    # exllamav2/ext.py, make_q_matrix: eight weights in each int32, whatever the checkpoint says.
    offered = [r.name for r in choices.weight_formats(presets.load(QWEN), get("exllamav2"))]
    assert "GPTQ-4bit-g128" in offered
    assert "GPTQ-8bit-g128" not in offered
    found = get("exllamav2").footprint(scenario("exllamav2", QWEN, "GPTQ-8bit-g128")).problems
    assert found == ("ExLlamaV2 runs GPTQ weights of 4 bits only.",)


def test_gptqmodel_chooses_the_kernel_of_8_bits():
    # gptqmodel/nn_modules/qlinear/exllamav2.py: SUPPORTS_BITS = [4].
    assert 'backend="exllama_v2"' in command("autogptq", QWEN, "GPTQ-4bit-g128")
    assert "backend" not in command("autogptq", QWEN, "GPTQ-8bit-g128")
    notes = get("autogptq").footprint(scenario("autogptq", QWEN, "GPTQ-8bit-g128")).notes
    assert "4 bits only, and others here" in notes[0]


def test_litgpt_computes_int8_in_fp16():
    # lightning/fabric/plugins/precision/bitsandbytes.py: int8 with another dtype is an error.
    said = command("pytorch", QWEN, "LLM.int8")
    assert said.endswith("--quantize bnb.int8 --precision 16-true")
    assert command("pytorch", QWEN, "NF4").endswith("--quantize bnb.nf4 --precision bf16-true")


def test_litgpt_divides_no_int8_model():
    one, two = (
        get("pytorch").footprint(scenario("pytorch", QWEN, "LLM.int8", cards)).problems
        for cards in ("H100 PCIe", "2x H100 PCIe")
    )
    assert one == ()
    assert two == (
        "litgpt generate_sequentially, which divides a model over cards, takes bitsandbytes' "
        "4-bit formats, not LLM.int8: choose NF4, or one card.",
    )
    assert not get("pytorch").footprint(scenario("pytorch", QWEN, "NF4", "2x H100 PCIe")).problems


@pytest.mark.parametrize("weights", ["BF16", "LLM.int8", "NF4", "NF4-DQ"])
def test_litgpt_quantises_an_unquantised_checkpoint_while_loading(weights):
    asked = scenario("pytorch", "Qwen/Qwen3-32B-FP8", weights)
    said = asked.engine.command(asked, 4096)
    assert said.startswith("# Put a checkpoint of Qwen/Qwen3-32B-FP8 in BF16 at ")
    back = parse_command(said, lambda _: False)
    assert scenario_of(back.question, asked.model, asked.gpus).weights.name == weights


def test_litgpt_says_that_its_command_serves_one_sequence():
    asked = scenario("pytorch", QWEN, "BF16")
    assert get("pytorch").footprint(asked).notes == ()
    (said,) = get("pytorch").footprint(replace(asked, concurrency=4)).notes
    assert "one sequence, not the 4 that are planned" in said


@pytest.mark.parametrize("engine", ["transformers", "autogptq"])
@pytest.mark.parametrize(
    ("name", "asked", "run"),
    [
        ("openai/gpt-oss-20b", Attention.SDPA, "eager"),
        # FlashAttention-2 is replaced by a kernel that takes sinks (modeling_utils.py).
        ("openai/gpt-oss-20b", Attention.FLASH, "flash_attention_2"),
        ("XiaomiMiMo/MiMo-V2-Flash", Attention.SDPA, "eager"),
        ("deepseek-ai/DeepSeek-V4-Flash", Attention.FLASH, "eager"),
        (QWEN, Attention.SDPA, "sdpa"),
    ],
)
def test_attention_sinks_have_no_sdpa(engine, name, asked, run):
    start = scenario(engine, name, "GPTQ-4bit-g128")
    start = replace(start, options=replace(start.engine.default_options, attention=asked))
    assert f'attn_implementation="{run}"' in start.engine.command(start, 4096)
    footprint = start.engine.footprint(start)
    assert footprint.rules.attention.value == run
    assert (EAGER_NOTE in footprint.notes) is (run != asked.value)


def test_eager_scores_with_sinks_are_counted():
    # gpt-oss-20b, 4,096 tokens: 64 heads x 4,096 x 4,096 scores, of each the score, its copy
    # joined with the sinks and its softmax in BF16, 6 bytes; two masks of 2 bytes per pair.
    # What is linear in tokens (queries, repeated keys and values, hidden states) is under 6 %.
    start = scenario("transformers", "openai/gpt-oss-20b", "MXFP4")
    footprint = start.engine.footprint(start)
    working = sum(
        a.bytes for a in footprint.allocations(4096, 1) if a.why.startswith("largest in eager")
    )
    pairs = 4096 * 4096
    assert working == pytest.approx(pairs * (64 * 6 + 2 * 2), rel=0.06)
    assert working > pairs * (64 * 6 + 2 * 2)
