"""Ollama: its defaults, its reserve, its Modelfile."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace

import pytest

from llm_lander_tui.engines.llamacpp import LLAMACPP, LlamaCppOptions
from llm_lander_tui.engines.ollama import (
    OLLAMA,
    UNTIL_READY,
    OllamaOptions,
    default_context,
    own_context,
)
from llm_lander_tui.formats import kv_format
from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.memory import recipes
from llm_lander_tui.models import presets
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB


def card(gib: int) -> Gpu:
    return Gpu(0, "card", gib * GIB, 0, gib * GIB, hypothetical=True)


@pytest.fixture(scope="module")
def asked() -> Scenario:
    return Scenario(
        presets.load("Qwen/Qwen3-8B"),
        OLLAMA,
        recipes.get("Q4_K_M"),
        kv_format("q8_0"),
        (card(24),),
        8192,
        2,
        margin_bytes=100 * MIB,
    )


@pytest.mark.parametrize(
    ("gib", "context"), [([8], 4096), ([24], 32768), ([24, 24], 262144), ([16, 16], 32768)]
)
def test_the_default_context_follows_the_memory_of_all_cards(gib, context) -> None:
    assert default_context([card(g) for g in gib]) == context


def test_it_allocates_what_llama_cpp_does_with_its_settings(asked) -> None:
    options = LlamaCppOptions(ubatch=512, batch=512, kv_unified=False)
    same = LLAMACPP.footprint(replace(asked, engine=LLAMACPP, options=options))
    assert OLLAMA.footprint(asked).needed(8192, 2) == same.needed(8192, 2)


def test_it_keeps_a_reserve_and_what_the_environment_adds(asked) -> None:
    budget = OLLAMA.footprint(asked).budgets[0].bytes
    assert budget == 24 * GIB - (457 + 100) * MIB
    more = OLLAMA.footprint(replace(asked, options=OllamaOptions(gpu_overhead=GIB)))
    assert more.budgets[0].bytes == budget - GIB


def test_its_caches_are_quantised_for_keys_and_values_alike() -> None:
    assert OLLAMA.kv_formats == ("f16", "q8_0", "q4_0")
    without = OllamaOptions(flash_attention=False)
    assert without.llamacpp.uses_flash_attention is False


def test_a_quantised_cache_without_flash_attention_is_refused(asked) -> None:
    options = OllamaOptions(flash_attention=False)
    assert OLLAMA.footprint(replace(asked, options=options)).problems


def test_the_command_makes_a_model_of_a_modelfile(asked) -> None:
    command = OLLAMA.command(replace(asked, options=OllamaOptions(num_gpu=20)), 8192)
    comment, service, server, wait, modelfile, run = command.splitlines()
    assert comment == "# Put a checkpoint of Qwen/Qwen3-8B in Q4_K_M at Qwen3-8B-Q4_K_M.gguf"
    # A running service holds the port and does not see what this shell sets.
    assert service.startswith("# Where Ollama runs as a service, set the variables")
    assert server.endswith(" ollama serve &")
    assert "OLLAMA_NUM_PARALLEL=2" in server
    assert "OLLAMA_KV_CACHE_TYPE=q8_0" in server
    assert "OLLAMA_FLASH_ATTENTION=1" in server
    assert wait == UNTIL_READY
    words = shlex.split(modelfile)
    assert words[2].startswith("FROM ./Qwen3-8B-Q4_K_M.gguf")
    assert {"PARAMETER num_ctx 8192", "PARAMETER num_batch 512", "PARAMETER num_gpu 20"} <= set(
        words
    )
    assert run.startswith("ollama create qwen3-8b-q4_k_m -f Modelfile")


def test_the_wait_ends_when_the_server_answers() -> None:
    # A server that answers the third time; `sleep` is left out to go through at once.
    said = "n=0; sleep() { :; }; ollama() { n=$((n+1)); [ $n -ge 3 ]; }; "
    done = subprocess.run(
        ["bash", "-c", f"{said}{UNTIL_READY}; echo $n"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "3\n"


def test_what_ollama_gives_a_model_is_no_more_than_it_takes(asked) -> None:
    # Two cards of 24 GiB get 262,144 tokens, Qwen3-8B takes 40,960.
    cards = (card(24), card(24))
    assert own_context(asked.model, cards) == 40_960
    assert (
        "num_ctx for this model: 40,960 tokens, whatever these cards"
        in (OLLAMA.footprint(replace(asked, gpus=cards)).notes[0])
    )
    assert own_context(asked.model, cards[:1]) == 32_768


def test_notes_say_what_ollama_does_by_itself(asked) -> None:
    notes = " ".join(OLLAMA.footprint(asked).notes)
    assert "32,768" in notes
    assert "host memory" in notes
