"""The `-mode` without which ExLlamaV2's and exllamav3's chat program lists its modes and exits."""

from __future__ import annotations

from collections.abc import Mapping

from llm_lander_tui.models.architecture import Architecture

RAW = "raw"
"""A plain chat log, for models of any kind."""
LLAMA3_VOCABULARY = 128256
"""Rows of Llama 3's embedding: models of type llama with another one have other prompts."""
LLAMA2_VOCABULARIES = range(32000, 32017)
"""Rows of Llama 1's and 2's, CodeLlama's among them."""


def _modes(**modes: str) -> Mapping[str, str]:
    return {kind: mode for mode, kinds in modes.items() for kind in kinds.split()}


V2_MODES = _modes(
    chatml="qwen2 qwen3 qwen3_moe qwen2_vl qwen2_vl_text qwen2_5_vl qwen2_5_vl_text",
    llama="mistral mixtral",
    gemma="gemma gemma2 gemma3 gemma3_text",
    cohere="cohere cohere2",
    phi3="phi3",
    granite3="granite",
)
"""Of model types, by the descriptions in ExLlamaV2's examples/chat_prompts.py."""
V3_MODES = _modes(
    chatml="qwen2 qwen3 qwen3_moe qwen3_next qwen2_vl_text qwen2_5_vl_text qwen3_vl_text "
    "qwen3_vl_moe_text",
    qwen35="qwen3_5_text qwen3_5_moe_text",
    phi="phi3",
    mistral="mistral mixtral",
    mistral3="mistral3 ministral3",
    gemma="gemma gemma2 gemma3 gemma3_text",
    gemma4="gemma4_text",
    glm="glm4 glm4_moe glm4_moe_lite glm4v_text glm_moe_dsa",
    cohere="cohere",
    commanda="cohere2",
    dots="dots1",
    ernie="ernie4_5 ernie4_5_moe",
    smollm3="smollm3",
    exaone="exaone4",
    seed="seed_oss",
    apertus="apertus",
    minimax="minimax_m2",
    gptoss="gpt_oss",
    laguna="laguna",
    kimi="kimi_k2 kimi_linear",
    deepseek="deepseek_v3",
    ds4="deepseek_v4",
)
"""Of model types, by the descriptions in exllamav3's examples/chat_templates.py."""


def chat_mode(architecture: Architecture, *, newer: bool) -> str:
    """The mode that examples/chat.py is started in for the model; `newer` is exllamav3's."""
    kind, vocabulary = architecture.model_type, architecture.vocab_size
    if kind == "llama" and vocabulary == LLAMA3_VOCABULARY:
        return "llama3"
    if kind == "llama" and vocabulary in LLAMA2_VOCABULARIES and not newer:
        return "llama"
    return (V3_MODES if newer else V2_MODES).get(kind, RAW)
