"""Looking into hits before they are loaded: one small request each, and given up in time."""

from __future__ import annotations

import threading

import pytest

from llm_lander_tui.errors import LanderError, SourceError
from llm_lander_tui.models import presets
from llm_lander_tui.models.background import Cancelled
from llm_lander_tui.models.hub import HubSource
from llm_lander_tui.models.hub_errors import HubUnreachable
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.peeks import WORKERS, Peeks, look_into
from llm_lander_tui.models.shelf import GGUF_OF_HUB, Hit

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}


@pytest.fixture
def near_hub(hub, monkeypatch, tmp_path):
    """The stand-in as the server in HF_ENDPOINT, and a cache of its own."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return hub


def look(hit: Hit) -> Model:
    return look_into(hit, threading.Event())


def test_a_plain_repository_is_known_by_its_config_alone(near_hub, llama_config):
    near_hub.add("o/plain", {"config.json": llama_config, "model.safetensors": b"never read"})
    model = look(Hit("o/plain", "Hub"))
    assert len(model.architecture.layers) == 2
    assert [request.path for request in near_hub.requests] == ["/o/plain/resolve/main/config.json"]


def test_the_token_goes_along(near_hub, llama_config, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", near_hub.token)
    near_hub.add("o/plain", {"config.json": llama_config})
    look(Hit("o/plain", "Hub"))
    assert near_hub.requests[0].headers["authorization"] == f"Bearer {near_hub.token}"


def test_a_quantised_repository_has_to_say_how(near_hub, llama_config):
    near_hub.add("o/m-AWQ", {"config.json": llama_config | {"quantization_config": AWQ}})
    assert look(Hit("o/m-AWQ", "Hub", quant="AWQ")).quantization == AWQ
    modelopt = {"quantization": {"quant_algo": "NVFP4", "group_size": 16}}
    near_hub.add("o/m-FP4", {"config.json": llama_config, "hf_quant_config.json": modelopt})
    quantization = look(Hit("o/m-FP4", "Hub", quant="NVFP4")).quantization
    assert quantization is not None
    assert quantization["quant_algo"] == "NVFP4"
    near_hub.add("o/m-EXL2", {"config.json": llama_config})
    with pytest.raises(SourceError, match="does not state"):
        look(Hit("o/m-EXL2", "Hub", quant="EXL2"))


def test_gguf_files_are_known_by_what_they_were_quantised_from(near_hub, llama_config):
    near_hub.add("o/m-GGUF", {"m-Q4_K_M.gguf": b""})
    near_hub.add("o/m", {"config.json": llama_config})
    hit = Hit("o/m-GGUF:Q4_K_M", GGUF_OF_HUB, quant="GGUF", base="o/m", files=("Q4_K_M",))
    assert look(hit).name == "o/m-GGUF"
    assert len(look(hit).architecture.layers) == 2


def test_what_a_preset_knows_is_not_asked_for(near_hub):
    model = look(Hit("o/Qwen3-8B-GGUF", "Hub", quant="GGUF", base="Qwen/Qwen3-8B"))
    assert model.name == "o/Qwen3-8B-GGUF"
    assert model.architecture.parameters == presets.load("Qwen/Qwen3-8B").architecture.parameters
    assert near_hub.requests == []


def test_failures_keep_their_kind(near_hub, llama_config):
    near_hub.add("o/closed", {"config.json": llama_config}, gated=True)
    with pytest.raises(SourceError) as gated:
        look(Hit("o/closed", "Hub"))
    assert gated.value.title == "Gated model"
    with pytest.raises(SourceError) as missing:
        look(Hit("o/nothing", "Hub"))
    assert missing.value.title == "Model not found"


def test_a_profile_that_was_fetched_before_is_used_as_it_is(near_hub, llama_config):
    from llm_lander_tui.models.sources import resolve

    near_hub.add("o/plain", {"config.json": llama_config})
    resolve("o/plain")
    before = len(near_hub.requests)
    assert look(Hit("o/plain", "Hub")).age_seconds is not None
    assert len(near_hub.requests) == before


class Gate:
    """A look that waits until the test opens it."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.lock = threading.Lock()
        self.asked: list[str] = []
        self.given_up: list[str] = []
        self.answer: Model | LanderError = presets.load("Qwen/Qwen3-8B")

    def __call__(self, hit: Hit, cancel: threading.Event) -> Model:
        with self.lock:
            self.asked.append(hit.name)
        while not self.open.wait(0.005):
            if cancel.is_set():
                self.given_up.append(hit.name)
                raise Cancelled
        if isinstance(self.answer, LanderError):
            raise self.answer
        return self.answer


def until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("never came about")


HITS = tuple(Hit(f"o/m{n}", "Hub") for n in range(10))


def test_few_requests_at_a_time_and_each_name_once():
    gate = Gate()
    peeks = Peeks(gate)
    peeks.want(HITS, lambda: None)
    until(lambda: len(gate.asked) == WORKERS)
    peeks.want(HITS, lambda: None)
    assert len(gate.asked) == WORKERS
    gate.open.set()
    until(lambda: all(peeks.known(hit) is not None for hit in HITS))
    assert sorted(gate.asked) == sorted(hit.name for hit in HITS)


def test_other_words_give_up_what_is_under_way():
    gate = Gate()
    peeks = Peeks(gate)
    told = threading.Event()
    peeks.want(HITS[:2], lambda: None)
    until(lambda: len(gate.asked) == 2)
    peeks.want(HITS[5:6], told.set)
    until(lambda: len(gate.given_up) == 2)
    gate.open.set()
    until(told.is_set)
    until(lambda: peeks.known(HITS[5]) is not None)
    assert peeks.known(HITS[0]) is None, "what was given up may be asked again"


def test_an_unreachable_hub_is_not_hammered_and_asked_again_the_next_time():
    gate = Gate()
    gate.answer = HubUnreachable("Too many requests", "429", "Retry.")
    gate.open.set()
    peeks = Peeks(gate)
    told = threading.Event()
    peeks.want(HITS, told.set)
    until(told.is_set)
    until(lambda: not peeks._running)
    assert len(gate.asked) <= 2 * WORKERS
    assert isinstance(peeks.known(HITS[0]), HubUnreachable)
    peeks.stop()
    assert peeks.known(HITS[0]) is None


def test_a_defect_costs_one_row():
    def broken(hit: Hit, cancel: threading.Event) -> Model:
        raise ZeroDivisionError

    peeks = Peeks(broken)
    peeks.want(HITS[:1], lambda: None)
    until(lambda: peeks.known(HITS[0]) is not None)
    assert isinstance(peeks.known(HITS[0]), SourceError)


def test_a_slow_hub_is_given_up_at_once(near_hub, llama_config):
    near_hub.add("o/plain", {"config.json": llama_config})
    release = threading.Event()
    near_hub.fault = lambda handler, path: release.wait(20) and False
    cancel = threading.Event()
    failures: list[LanderError] = []

    def ask() -> None:
        try:
            HubSource(cancel=cancel).peek("o/plain")
        except LanderError as error:
            failures.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    until(lambda: near_hub.requests)
    cancel.set()
    asker.join(5)
    release.set()
    assert [type(failure) for failure in failures] == [Cancelled]
