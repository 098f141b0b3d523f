import json
from pathlib import Path

import pytest

from llm_lander_tui.models.architecture import Architecture
from llm_lander_tui.models.config import parse_config

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def quantize_runs():
    """What llama-quantize said by model: its architecture and its sizes by file type."""
    stated = json.loads((DATA / "gguf_quantize_sizes.json").read_text())["models"]
    return {name: (parse_config(m["config"]), m["sizes"]) for name, m in stated.items()}


@pytest.fixture(scope="session")
def llama_8b(quantize_runs) -> Architecture:
    """Llama-3.1-8B: 32 layers of 218,112,000, two tables of 525,336,576, a norm of 4,096."""
    return quantize_runs["meta-llama/Llama-3.1-8B-Instruct"][0]


@pytest.fixture(scope="session")
def deepseek_v3(quantize_runs) -> Architecture:
    return quantize_runs["deepseek-ai/DeepSeek-V3"][0]


@pytest.fixture(scope="session")
def gpt_oss_20b(quantize_runs) -> Architecture:
    return quantize_runs["openai/gpt-oss-20b"][0]


@pytest.fixture(scope="session")
def qwen3_moe(quantize_runs) -> Architecture:
    """Qwen3-30B-A3B: 48 layers of 128 experts."""
    return quantize_runs["Qwen/Qwen3-30B-A3B"][0]
