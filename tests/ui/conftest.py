"""Fixtures of the screen tests: a small model, made-up cards, an app that reads no driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.pilot import Pilot

from llm_lander_tui.app import LanderApp, LaunchOptions
from llm_lander_tui.gpus.gpu import Gpu, GpuProcess, Problem, Reading
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.model import Model
from llm_lander_tui.units import GIB

NO_DRIVER = Reading(
    problem=Problem("No NVIDIA driver", "libnvidia-ml.so.1 was not found.", "Install the driver.")
)

QWEN3_8B = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN3_32B = QWEN3_8B | {
    "hidden_size": 5120,
    "intermediate_size": 25600,
    "num_hidden_layers": 64,
    "num_attention_heads": 64,
}
CONFIGS = {"Qwen/Qwen3-8B": QWEN3_8B, "Qwen/Qwen3-32B": QWEN3_32B}


@dataclass
class FakeSource:
    """GPU readings as the test says."""

    reading: Reading = NO_DRIVER
    asked: int = field(default=0)

    def read(self) -> Reading:
        self.asked += 1
        return self.reading


def card(index: int, free_gib: float, processes: tuple[GpuProcess, ...] = ()) -> Gpu:
    """An RTX 4090 of 24 GiB with so much free."""
    total, free = 24 * GIB, round(free_gib * GIB)
    return Gpu(
        index,
        "NVIDIA GeForce RTX 4090",
        total,
        total - free,
        free,
        uuid=f"GPU-{index}",
        utilisation_percent=40 + index,
        temperature_c=50 + index,
        power_w=200.0 + index,
        power_limit_w=450.0,
        processes=processes,
    )


def load_model(name: str, *_: object) -> Model:
    return Model(name, "preset", parse_config(CONFIGS[name], name))


Started = Callable[..., AbstractAsyncContextManager[Pilot[int]]]


@pytest.fixture
def make_card() -> Callable[..., Gpu]:
    return card


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def started(source: FakeSource, tmp_path: Path) -> Started:
    """Starts the app with the fake source and waits for its first plan."""

    @asynccontextmanager
    async def start(
        size: tuple[int, int] = (120, 36), **options: object
    ) -> AsyncIterator[Pilot[int]]:
        app = LanderApp(LaunchOptions(**options), source=source, load=load_model, keep_in=tmp_path)
        async with app.run_test(size=size) as pilot:
            for _ in range(200):
                await pilot.pause(0.01)
                if app.state.plan is not None:
                    break
            yield pilot

    return start
