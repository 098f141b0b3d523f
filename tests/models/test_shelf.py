"""Where models are found by a few letters, without a network."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models import hub, ollama, shelf
from llm_lander_tui.models.shelf import Hit
from llm_lander_tui.storage import profile_cache


def test_presets_are_found_by_a_part_of_the_name():
    found = list(shelf.presets("qwen3-8b"))
    assert found[0] == Hit("Qwen/Qwen3-8B", "preset", local=True)
    assert list(shelf.presets("no such model")) == []


def test_fetched_models_tell_their_age(monkeypatch):
    entries = (
        SimpleNamespace(key="Org/Model-7B@main", age_seconds=7200.0),
        SimpleNamespace(key="Org/Other@main", age_seconds=1.0),
    )
    monkeypatch.setattr(
        profile_cache, "ProfileCache", lambda: SimpleNamespace(entries=lambda: entries)
    )
    (found,) = shelf.cached("model 7b")
    assert (found.name, found.source, found.local) == ("Org/Model-7B", "cache", True)
    assert found.note.startswith("fetched ")
    assert found.note.endswith(" ago")
    assert len(list(shelf.cached(""))) == 2


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
    listed = [SimpleNamespace(name="qwen3:8b", parameters="8.2B", quantization="Q4_K_M")]
    monkeypatch.setattr(ollama, "OllamaSource", lambda: SimpleNamespace(models=lambda: listed))
    assert shelf.ollama() == (Hit("ollama:qwen3:8b", "Ollama", "8.2B Q4_K_M"),)

    def refused():
        raise SourceError("No Ollama", "Connection refused.")

    monkeypatch.setattr(ollama, "OllamaSource", lambda: SimpleNamespace(models=refused))
    assert shelf.ollama() == ()


def test_hub_hits_tell_downloads_and_format(monkeypatch):
    def search(text, limit):
        assert (text, limit) == ("qwen", 20)
        return [SimpleNamespace(id="Qwen/Qwen3-8B", downloads=1234567, quant="")]

    monkeypatch.setattr(hub, "HubSource", lambda: SimpleNamespace(search=search))
    assert shelf.hub("qwen") == (Hit("Qwen/Qwen3-8B", "Hub", "1,234,567 downloads"),)


def test_of_hits_of_one_name_the_first_stays():
    first, second = Hit("Org/A", "preset"), Hit("org/a", "Hub")
    assert shelf.distinct([first, second, Hit("org/b", "Hub")]) == (first, Hit("org/b", "Hub"))
