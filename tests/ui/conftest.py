"""Fixtures of the screen tests: two plain engines, made-up cards, an app that reads no driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot

from llm_lander_tui.app import LanderApp, LaunchOptions
from llm_lander_tui.engines import registry
from llm_lander_tui.engines.base import Allocation, Budget, Kind, Known, Option
from llm_lander_tui.errors import SourceError
from llm_lander_tui.gpus.gpu import Gpu, GpuProcess, Problem, Reading
from llm_lander_tui.memory import recipes
from llm_lander_tui.memory.weights import Recipe, weights_of
from llm_lander_tui.models.config import parse_config
from llm_lander_tui.models.model import Model
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.units import GIB, MIB
from llm_lander_tui.widgets import fit_details

NO_DRIVER = Reading(
    problem=Problem("No NVIDIA driver", "libnvidia-ml.so.1 was not found.", "Install the driver.")
)
RUNTIME = 512 * MIB

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


@dataclass(frozen=True)
class PlainOptions:
    """One knob."""

    batch: int = 512


class PlainFootprint:
    """Weights and a full cache, divided over the cards, and 512 MiB of runtime on each."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, scenario: Scenario, share: float) -> None:
        self.scenario = scenario
        self.cards = max(1, len(scenario.gpus))
        self.weights = weights_of(scenario.model.architecture, scenario.weights).bytes
        bits = (scenario.kv.k.bits + scenario.kv.v.bits) / 2
        self.token = round(scenario.model.architecture.kv_bytes_per_token * bits / 16)
        self.budgets = tuple(
            Budget(
                round(gpu.free_bytes * share) - scenario.margin_bytes,
                f"{share:.0%} of free memory, less the margin.",
            )
            for gpu in scenario.gpus
        )

    def needed(self, context: int, concurrency: int) -> list[int]:
        return [
            sum(a.bytes for a in self.allocations(context, concurrency) if a.gpu == g)
            for g in range(len(self.scenario.gpus))
        ]

    def allocations(self, context: int, concurrency: int) -> tuple[Allocation, ...]:
        cache = self.token * context * concurrency
        found = []
        for g in range(len(self.scenario.gpus)):
            found += [
                Allocation(g, Kind.WEIGHTS, self.weights // self.cards, Known.EXACT, "Weights."),
                Allocation(g, Kind.KV_CACHE, cache // self.cards, Known.EXACT, "Keys and values."),
                Allocation(g, Kind.RUNTIME, RUNTIME, Known.CALIBRATED, "Context.", 0.1, "tests"),
            ]
        return tuple(found)


@dataclass(frozen=True)
class PlainEngine:
    """An engine whose figures can be worked out in the head."""

    id: str
    title: str
    share: float
    kv_formats: tuple[str, ...]
    tensor_parallel: bool = False
    options: tuple[Option, ...] = (
        Option("batch", "--batch", "tokens computed at once", (256, 512, 1024)),
    )
    default_options: PlainOptions = PlainOptions()

    def runs(self, recipe: Recipe, model: Model) -> bool:
        return True

    def footprint(self, scenario: Scenario) -> PlainFootprint:
        return PlainFootprint(scenario, self.share)

    def command(self, scenario: Scenario, context: int) -> str:
        return f"serve {scenario.model.name} --context {context}"


ENGINES = (
    PlainEngine("llama.cpp", "llama.cpp", 1.0, ("f16", "q8_0", "q4_0")),
    PlainEngine("vllm", "vLLM", 0.9, ("f16", "fp8"), tensor_parallel=True),
)


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


TENANT = GpuProcess(4121, 12 * GIB, "alice", "python /usr/bin/vllm serve Qwen/Qwen3-32B")


def two_cards() -> Reading:
    """One empty card, one half full."""
    return Reading(gpus=(card(0, 23.5), card(1, 11.5, (TENANT,))))


def load_model(name: str, *_: object) -> Model:
    if name not in CONFIGS:
        raise SourceError("Not found", f"No model is called {name}.", "Check the name.")
    return Model(name, "preset", parse_config(CONFIGS[name], name))


async def settled(pilot: Pilot[int]) -> None:
    """Wait until nothing is left to be worked out or drawn."""
    app = pilot.app
    for _ in range(3000):
        await pilot.pause(0.01)
        busy = app.state.busy or app.state.plan is None or not app.workbench.idle
        if not busy:
            await pilot.pause(0.05)
            if app.workbench.idle:
                return
    raise AssertionError(f"not settled: {app.state.busy!r} {app.state.status!r}")


Started = Callable[..., AbstractAsyncContextManager[Pilot[int]]]


@pytest.fixture(autouse=True)
def plain_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines of known figures, lists without delay, and no server on the network."""
    named = [recipes.get(name) for name in ("FP16", "INT8", "INT4")]
    plain = tuple(replace(recipe, family="tests") for recipe in named)
    monkeypatch.setattr(recipes, "offered", lambda model: plain)
    monkeypatch.setattr(registry, "engines", lambda: ENGINES)
    monkeypatch.setattr(registry, "get", {engine.id: engine for engine in ENGINES}.__getitem__)
    monkeypatch.setattr(fit_details, "SETTLED", 0.001)
    monkeypatch.setattr(fit_details, "STILL", 0.001)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def world() -> SimpleNamespace:
    """What tests put together themselves."""
    return SimpleNamespace(
        card=card, two_cards=two_cards, settled=settled, tenant=TENANT, load_model=load_model
    )


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def make_app(source: FakeSource, tmp_path: Path) -> Callable[..., LanderApp]:
    """An app on the fake source that keeps its files in a directory of its own."""

    def make(**options: object) -> LanderApp:
        return LanderApp(LaunchOptions(**options), source=source, load=load_model, keep_in=tmp_path)

    return make


@pytest.fixture
def started(make_app: Callable[..., LanderApp]) -> Started:
    """Starts the app and waits for its first answer."""

    @asynccontextmanager
    async def start(
        size: tuple[int, int] = (120, 36), **options: object
    ) -> AsyncIterator[Pilot[int]]:
        app = make_app(**options)
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            yield pilot

    return start
