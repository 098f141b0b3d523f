"""A server's start command becomes the question that it answers."""

from __future__ import annotations

import pytest

from llm_lander_tui.engines.llamacpp import FlashAttention, LlamaCppOptions
from llm_lander_tui.errors import UsageError
from llm_lander_tui.planner.launched import parse_command


def test_llama_server():
    launched = parse_command(
        "CUDA_VISIBLE_DEVICES=0 /usr/bin/llama-server -m '/models/a b.gguf' -c 65536 -np 4 "
        "-ngl 33 -ctk q8_0 -ctv q8_0 -ub 1024 -fa on --host 0.0.0.0"
    )
    assert launched.model == "/models/a b.gguf"
    question = launched.question
    # llama-server divides -c between its slots: 65,536 / 4.
    assert (question.engine, question.context, question.concurrency) == ("llama.cpp", 16384, 4)
    assert question.kv == "q8_0"
    assert question.options == LlamaCppOptions(
        gpu_layers=33, ubatch=1024, flash_attention=FlashAttention.ON, kv_unified=False
    )
    assert launched.unread == ()
    assert launched.visible == "0"


def test_keys_and_values_apart():
    assert parse_command("llama-server -m x.gguf -ctk q8_0").question.kv == "q8_0/f16"


def test_flags_with_equals_and_underscores():
    launched = parse_command(
        "vllm serve Qwen/Qwen3-8B --max_model_len=32k -tp 2 --kv-cache-dtype auto"
    )
    assert launched.model == "Qwen/Qwen3-8B"
    question = launched.question
    assert (question.engine, question.context) == ("vllm", 32000)
    assert question.tensor_parallel == 2
    assert question.kv is None


def test_python_module():
    launched = parse_command(
        "/venv/bin/python3 -m vllm.entrypoints.openai.api_server --model a/b --max-model-len 4096"
    )
    assert (launched.model, launched.question.context) == ("a/b", 4096)


def test_ollama_names_its_model_as_a_source():
    assert parse_command("ollama run qwen3:8b").model == "ollama:qwen3:8b"


@pytest.mark.parametrize(
    "command",
    [
        "nginx -g 'daemon off;'",
        "vllm serve",
        "vllm serve a/b --max-model-len",
        "vllm serve a/b --max-model-len many",
        "vllm serve 'a/b",
        "",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(command):
    with pytest.raises(UsageError) as caught:
        parse_command(command)
    assert caught.value.message
