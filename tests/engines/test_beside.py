"""LoRA adapters and draft models beside the engines on modules and on pools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_lander_tui.engines.base import Kind
from llm_lander_tui.engines.fastchat import FASTCHAT
from llm_lander_tui.engines.llamacpp import LLAMACPP
from llm_lander_tui.engines.lmdeploy import LMDEPLOY
from llm_lander_tui.engines.pytorch import PYTORCH
from llm_lander_tui.engines.sglang import SGLANG
from llm_lander_tui.engines.tgi import TGI
from llm_lander_tui.engines.transformers import TRANSFORMERS
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.planner.scenario import Lora, Scenario
from llm_lander_tui.units import GIB

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SMALL = "meta-llama/Llama-3.2-1B-Instruct"


def scenario(engine, gpus=1, **more) -> Scenario:
    return Scenario(
        presets.load(LLAMA),
        engine,
        recipes.get("BF16"),
        kv_format("bf16"),
        tuple(Gpu(i, "card", 80 * GIB, 0, 80 * GIB) for i in range(gpus)),
        4096,
        tensor_parallel=gpus if engine.tensor_parallel else 1,
        **more,
    )


def of_kind(asked: Scenario, kind: Kind, context: int = 4096, concurrency: int = 2) -> list[int]:
    footprint = asked.engine.footprint(asked)
    found = footprint.allocations(context, concurrency)
    sums = [sum(a.bytes for a in found if a.gpu == i) for i in range(len(asked.gpus))]
    assert list(footprint.needed(context, concurrency)) == sums
    return [a.bytes for a in found if a.kind is kind]


def test_peft_holds_adapters_in_fp32():
    # 32 layers x rank 16 x (q 8192 + k 5120 + v 5120 + o 8192 + 3 x 18432) = 41,943,040 parameters.
    assert of_kind(scenario(TRANSFORMERS, lora=Lora(1, 16)), Kind.LORA) == [41_943_040 * 4]


def test_adapters_go_with_their_layers():
    split = of_kind(scenario(TRANSFORMERS, gpus=2, lora=Lora(2, 16)), Kind.LORA)
    assert len(split) == 2
    assert sum(split) == 2 * 41_943_040 * 4


def test_a_server_sets_aside_16_bit_pools_for_adapters():
    assert of_kind(scenario(SGLANG, lora=Lora(1, 16)), Kind.LORA) == [41_943_040 * 2]


@pytest.mark.parametrize(
    ("engine", "weights", "size"), [(TRANSFORMERS, "BF16", 4), (SGLANG, "BF16", 2),
    (LLAMACPP, "Q8_0", 4)], ids=lambda e: getattr(e, "id", e),
)  # fmt: skip
def test_routers_have_no_adapters(engine, weights, size):
    # Qwen3-30B-A3B by layer: q and o 2 x (2048 + 4096), k and v 2 x (2048 + 512), 128 experts of
    # 3 x (2048 + 768) = 1,098,752; the router's 2048 + 128 is not among them.
    asked = replace(
        scenario(engine, lora=Lora(1, 16)),
        model=presets.load("Qwen/Qwen3-30B-A3B"),
        weights=recipes.get(weights),
        kv=kv_format("f16"),
    )
    assert of_kind(asked, Kind.LORA) == [48 * 1_098_752 * 16 * size]


@pytest.mark.parametrize("engine", [TRANSFORMERS, SGLANG], ids=lambda e: e.id)
def test_a_draft_takes_its_weights_and_the_same_tokens(engine):
    draft = presets.load(SMALL)
    (size,) = of_kind(scenario(engine, draft=draft), Kind.DRAFT)
    # Llama-3.2-1B: 1,235,814,400 parameters; 16 layers x 8 heads x 64 x 2 x 2 B a token.
    assert size == pytest.approx(2 * 1_235_814_400 + 2 * 4096 * 32768, rel=0.001)


def test_a_draft_is_divided_like_the_model():
    draft = presets.load(SMALL)
    both = of_kind(scenario(SGLANG, gpus=2, draft=draft), Kind.DRAFT)
    assert both[0] == both[1]
    assert both[0] == pytest.approx(1_235_814_400 + 2 * 4096 * 16384, rel=0.001)


def test_the_start_command_names_adapters_and_draft():
    more = {"lora": Lora(2, 16), "draft": presets.load(SMALL)}
    served = SGLANG.command(scenario(SGLANG, **more), 4096)
    assert "--max-loras-per-batch 2 --max-lora-rank 16" in served
    assert f"--speculative-draft-model-path {SMALL}" in served
    snippet = TRANSFORMERS.command(scenario(TRANSFORMERS, **more), 4096)
    assert f"from_pretrained('{SMALL}'" in snippet
    assert "assistant_model=draft" in snippet
    assert snippet.count("load_adapter") == 2


@pytest.mark.parametrize("engine", [TGI, LMDEPLOY, FASTCHAT, PYTORCH], ids=lambda e: e.id)
def test_engines_without_speculation_refuse_a_draft(engine):
    asked = scenario(engine, draft=presets.load(SMALL))
    assert any("takes no draft model" in p for p in engine.footprint(asked).problems)
