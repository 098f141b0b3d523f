"""One text names a model: which source answers, and the cache before the Hub."""

from __future__ import annotations

import json
import threading

import pytest

from llm_lander_tui.errors import SourceError, UsageError
from llm_lander_tui.models import presets
from llm_lander_tui.models.hub import HubSource
from llm_lander_tui.models.hub_errors import HubUnreachable
from llm_lander_tui.models.hub_ref import parse_ref
from llm_lander_tui.models.sources import FRESH_SECONDS, age_text, find_preset, resolve
from llm_lander_tui.storage.profile_cache import ProfileCache


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ask(hub, tmp_path, clock, monkeypatch, llama_config):
    """Resolves against the stand-in Hub, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    hub.add("org/small", {"config.json": llama_config})
    cache = ProfileCache(tmp_path / "cache", clock)

    def resolve_here(text, **options):
        source = HubSource(endpoint=hub.url, deadline=5)
        return resolve(text, cache=cache, hub=source, **options)

    return resolve_here


def test_preset_by_name_without_the_network(hub, ask):
    for text in ("Qwen/Qwen3-8B", "qwen/qwen3-8b", " Qwen3-8B "):
        assert ask(text).name == "Qwen/Qwen3-8B"
    assert ask("Qwen/Qwen3-8B").source == "preset"
    assert hub.requests == []


def test_forced_and_refreshed_presets_ask_the_hub(hub, ask, llama_config):
    hub.add("Qwen/Qwen3-8B", {"config.json": llama_config})
    assert ask("hub:Qwen/Qwen3-8B").source == "hub"
    assert ask("https://huggingface.co/Qwen/Qwen3-8B").source == "cache"
    assert ask("qwen3-8b", refresh=True).source == "hub"


def test_every_preset_is_found_by_its_own_name():
    assert all(find_preset(name) == name for name in presets.names())


def test_paths(ask, tmp_path, llama_config):
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(llama_config))
    for text in (str(folder), str(folder / "config.json"), "./models/mine", "models/mine",
                 "models/mine/config.json"):  # fmt: skip
        assert ask(text).source == "directory"
        assert ask(text).title == "mine"


def test_gguf_path(ask, tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(SourceError, match="cut off"):
        ask("x.gguf")
    for text in ("./no.gguf", "no.gguf", "models/no.gguf", "no.json", "nowhere/"):
        with pytest.raises(SourceError, match="could not be read"):
            ask(text)
    with pytest.raises(SourceError, match="no public model"):
        ask("org/none/no.gguf")


def test_a_preset_comes_before_a_directory_of_that_name(ask, tmp_path, llama_config):
    folder = tmp_path / "Qwen" / "Qwen3-8B"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(llama_config))
    assert ask("Qwen/Qwen3-8B").source == "preset"
    assert ask("./Qwen/Qwen3-8B").source == "directory"


def test_empty_text(ask):
    with pytest.raises(UsageError):
        ask("  ")


def test_ollama_prefix(ask, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "ftp://x")
    with pytest.raises(SourceError) as caught:
        ask("ollama:llama3")
    assert caught.value.title == "OLLAMA_HOST not understood"


def test_fresh_cache_asks_nothing(hub, ask, clock):
    assert ask("org/small").source == "hub"
    asked = len(hub.requests)
    clock.now += FRESH_SECONDS - 1
    model = ask("org/small")
    assert (model.source, model.age_seconds) == ("cache", FRESH_SECONDS - 1)
    assert not any("ago" in warning for warning in model.warnings)
    assert len(hub.requests) == asked
    assert ask("org/small", refresh=True).source == "hub"
    assert ask("org/small").age_seconds == 0


def test_stale_cache_asks_again(hub, ask, clock):
    ask("org/small")
    clock.now += FRESH_SECONDS
    assert ask("org/small").source == "hub"


def broken(handler, _path):
    handler.answer(500)
    return True


def test_without_the_hub_a_stale_profile_answers_and_says_its_age(hub, ask, clock):
    parameters = ask("org/small").architecture.parameters
    clock.now += 12 * 86400
    hub.fault = broken
    model = ask("org/small")
    assert model.source == "cache"
    assert model.architecture.parameters == parameters
    assert model.age_seconds == 12 * 86400
    assert "12 days ago" in model.warnings[-1]
    assert "12 days ago" in ask("org/small", refresh=True).warnings[-1]


def test_without_the_hub_and_without_a_profile(hub, ask):
    hub.fault = broken
    with pytest.raises(HubUnreachable):
        ask("org/small")


def test_a_model_that_was_taken_away_is_no_longer_answered(hub, ask, clock):
    ask("org/small")
    clock.now += FRESH_SECONDS
    del hub.repos["org/small"]
    with pytest.raises(SourceError, match="no public model"):
        ask("org/small")


def test_what_is_refused_is_not_cached(hub, ask, tmp_path):
    hub.add("org/bert", {"config.json": {"model_type": "bert"}})
    with pytest.raises(SourceError):
        ask("org/bert")
    assert not (tmp_path / "cache").exists()


def test_servers_do_not_share_profiles(hub, ask):
    ask("org/small")
    other = HubSource(endpoint=f"{hub.url}/mirror")
    assert other.key(parse_ref("org/small")) != "org/small"
    assert (
        HubSource(endpoint="https://huggingface.co").key(parse_ref("org/small:Q4_K_M"))
        == "org/small:Q4_K_M"
    )


def test_not_found_offers_near_presets(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(SourceError) as caught:
        resolve("Qwen/Qwen3-8BB", cache=ProfileCache(tmp_path))
    assert "Qwen/Qwen3-8B" in caught.value.remedy


def test_cancel_reaches_the_hub(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SourceError, match="cancelled"):
        resolve("org/small", cache=ProfileCache(tmp_path), cancel=cancel)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "less than a minute"), (61, "1 minute"), (7200, "2 hours"), (90_000, "1 day")],
)
def test_ages_for_a_person(seconds, text):
    assert age_text(seconds) == text
