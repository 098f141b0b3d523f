"""Settings survive a round trip, and whatever a person wrote into the file."""

from __future__ import annotations

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.storage.settings import Settings, load, save, settings_file, write_whole


@pytest.fixture
def path(tmp_path):
    return tmp_path / "not yet there" / "settings.toml"


def test_defaults_where_there_is_no_file(path):
    assert load(path) == Settings()


def test_round_trip_with_keys_and_words_beyond_ascii(path):
    settings = Settings(
        theme='nacht "blau" ä',
        engine="vllm",
        margin_mib=1024,
        refresh_seconds=5.0,
        keys={"fit.view": "x", "app.undo": "ctrl+z"},
    )
    save(settings, path)
    assert load(path) == settings
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


@pytest.mark.parametrize("text", ["theme = ", "= 3", "[keys", "\x00"])
def test_a_broken_file_is_named_with_a_remedy(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(SourceError) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_bytes_that_are_no_text_and_a_directory_are_named_too(path):
    path.parent.mkdir()
    path.write_bytes(b"theme = '\xff\xfe'")
    with pytest.raises(SourceError):
        load(path)
    with pytest.raises(SourceError):
        load(path.parent)


def test_unknown_names_and_wrong_types_leave_the_defaults(path):
    path.parent.mkdir()
    path.write_text(
        'theme = 3\nmargin_mib = "much"\nengine = "sglang"\nrefresh_seconds = 4\ncolour = "red"\n'
        '[keys]\nundo = "z"\nredo = 7\n'
    )
    assert load(path) == Settings(engine="sglang", refresh_seconds=4.0, keys={"undo": "z"})


def test_a_truth_value_is_no_number_of_mib_and_keys_are_a_table(path):
    path.parent.mkdir()
    path.write_text('margin_mib = true\nkeys = "x"\n')
    assert load(path) == Settings()


def test_readings_are_never_closer_than_a_fifth_of_a_second(path):
    path.parent.mkdir()
    path.write_text("refresh_seconds = 0")
    assert load(path).refresh_seconds == 0.2


def test_the_usual_place_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    save(Settings(engine="vllm"))
    assert settings_file().is_relative_to(tmp_path)
    assert load().engine == "vllm"


def test_a_file_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError) as caught:
        write_whole(tmp_path / "file" / "settings.toml", "")
    assert caught.value.title == "Not saved"


@pytest.mark.parametrize(
    ("kept", "units"), [("decimal", "decimal"), ("ells", "binary"), (3, "binary")]
)
def test_units_that_are_none_fall_back(tmp_path, kept, units):
    path = tmp_path / "settings.toml"
    path.write_text(f"units = {kept!r}\n")
    assert load(path).units == units
