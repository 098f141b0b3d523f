"""Where models are found by a few letters, without a network."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models import hub, ollama, shelf
from llm_lander_tui.models.gguf_names import GgufChoice
from llm_lander_tui.models.hub import GgufRepo
from llm_lander_tui.models.hub_search import HubHit
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.storage import profile_cache


def test_presets_are_found_by_a_part_of_the_name():
    found = list(shelf.presets("qwen3-8b"))
    assert found[0] == Hit("Qwen/Qwen3-8B", "preset", local=True, created="2025-04")
    assert list(shelf.presets("no such model")) == []


def test_fetched_models_tell_their_age(monkeypatch):
    entries = (
        SimpleNamespace(key="Org/Model-7B", age_seconds=7200.0),
        SimpleNamespace(key="Org/Other@v2:Q4_K_M", age_seconds=1.0),
        SimpleNamespace(key="http://mirror:8080/Org/Model-7B-it", age_seconds=1.0),
    )
    monkeypatch.setattr(
        profile_cache, "ProfileCache", lambda: SimpleNamespace(entries=lambda: entries)
    )
    (found,) = shelf.cached("model 7b")
    assert (found.name, found.source, found.local) == ("Org/Model-7B", "cache", True)
    assert found.note.startswith("fetched ")
    assert found.note.endswith(" ago")
    assert [hit.name for hit in shelf.cached("")] == ["Org/Model-7B", "Org/Other@v2:Q4_K_M"]
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror:8080/")
    assert [hit.name for hit in shelf.cached("model")] == ["Org/Model-7B", "Org/Model-7B-it"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Model-Q4.GGUF").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "model-dir").mkdir()
    (tmp_path / "model-dir" / "config.json").write_text(json.dumps({}))
    return tmp_path


def test_files_are_gguf_model_directories_and_ways_on(folder):
    found = {hit.name[len(str(folder)) + 1 :]: hit for hit in shelf.files(f"{folder}/")}
    assert {name: (hit.source, hit.local) for name, hit in found.items()} == {
        "Model-Q4.GGUF": ("GGUF file", True),
        "empty/": ("folder", False),
        "model-dir": ("directory", True),
    }


def test_files_go_on_from_what_was_typed(folder, monkeypatch):
    assert [hit.source for hit in shelf.files(f"{folder}/mod")] == ["GGUF file", "directory"]
    monkeypatch.setenv("HOME", str(folder))
    assert [hit.name for hit in shelf.files("~/emp")] == [f"{folder}{os.sep}empty/"]


@pytest.mark.parametrize("text", ["", "org/name", "/no such folder/at all"])
def test_no_files_where_no_path_is_typed_or_none_is_there(text):
    assert list(shelf.files(text)) == []


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("org/name", [("org/name", "Hub")]),
        (" ollama:qwen3:8b ", [("ollama:qwen3:8b", "Ollama")]),
        ("ollama:", []),
        ("org/", []),
        ("./file", []),
        ("/a", []),
        ("~/a", []),
        ("a/b/c", []),
        ("qwen", []),
    ],
)
def test_what_was_typed_may_be_a_name(text, hits):
    assert [(hit.name, hit.source) for hit in shelf.typed(text)] == hits


def test_ollama_models_and_none_when_it_does_not_run(monkeypatch):
    listed = [SimpleNamespace(name="qwen3:8b", parameters="8.2B", quantization="Q4_K_M", bytes=5)]
    monkeypatch.setattr(ollama, "OllamaSource", lambda: SimpleNamespace(models=lambda: listed))
    assert shelf.ollama() == (Hit("ollama:qwen3:8b", "Ollama", "8.2B Q4_K_M", bytes=5),)

    def refused():
        raise SourceError("No Ollama", "Connection refused.")

    monkeypatch.setattr(ollama, "OllamaSource", lambda: SimpleNamespace(models=refused))
    assert shelf.ollama() == ()


def test_hub_hits_tell_downloads_format_month_and_gate(monkeypatch):
    def search(text, limit):
        assert (text, limit) == ("qwen", 20)
        plain = HubHit("Qwen/Qwen3-8B", 1234567, 1, "2025-05-01", "2025-04-27", "", False)
        files = ("Q4_K_M", "Q8_0")
        gguf = HubHit("o/m-GGUF", 9, 1, "", "2025-05-09", "GGUF", True, "Qwen/Qwen3-8B", files)
        return [plain, gguf]

    monkeypatch.setattr(hub, "HubSource", lambda cancel: SimpleNamespace(search=search))
    assert shelf.hub("qwen") == (
        Hit("Qwen/Qwen3-8B", "Hub", "1,234,567 downloads", created="2025-04"),
        Hit(
            "o/m-GGUF",
            "Hub",
            "9 downloads · GGUF · gated",
            created="2025-05",
            quant="GGUF",
            base="Qwen/Qwen3-8B",
            files=("Q4_K_M", "Q8_0"),
        ),
    )


def test_files_of_a_repository_are_named_by_quantization_and_tell_what_is_missing(monkeypatch):
    choices = (
        GgufChoice("Q4_K_M", ("m-Q4_K_M.gguf",), 5 * 1024**3),
        GgufChoice("Q4_K_M", ("old/m-Q4_K_M.gguf",), 6 * 1024**3),
        GgufChoice("BF16", ("m-BF16-00001-of-00003.gguf",), 7 * 1024**3, parts=3),
    )
    repo = GgufRepo("Qwen/Qwen3-8B", choices)
    monkeypatch.setattr(
        hub, "HubSource", lambda cancel: SimpleNamespace(gguf_repo=lambda name: repo)
    )
    first, second, third = shelf.gguf_files("o/m-GGUF")
    assert (first.name, first.files, first.base) == ("o/m-GGUF:Q4_K_M", ("Q4_K_M",), repo.base)
    assert second.name == "o/m-GGUF/old/m-Q4_K_M.gguf", "a name of its own where labels repeat"
    assert third.note == "7.00 GiB · 2 of 3 parts missing"
    assert {hit.repo for hit in (first, second, third)} == {"o/m-GGUF"}


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("o/m-GGUF:", ("o/m-GGUF", "")),
        (" o/m-GGUF:q4 ", ("o/m-GGUF", "q4")),
        ("ollama:qwen3:8b", None),
        ("https://huggingface.co/o/m", None),
        ("./dir:x", None),
        ("o/m", None),
    ],
)
def test_a_colon_asks_for_the_files_of_a_repository(text, of):
    assert shelf.gguf_repo(text) == of


def test_of_hits_of_one_name_the_first_stays():
    first, second = Hit("Org/A", "preset"), Hit("org/a", "Hub")
    assert shelf.distinct([first, second, Hit("org/b", "Hub")]) == (first, Hit("org/b", "Hub"))
