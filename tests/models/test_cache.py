"""The cache of profiles: whole or absent, whatever happens to its files."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_lander_tui.models.model import Checkpoint, StoredTensor
from llm_lander_tui.models.profile import Profile
from llm_lander_tui.storage.profile_cache import ProfileCache

PROFILE = Profile(
    "org/small",
    "hub",
    {"model_type": "llama", "rope_scaling": None, "list": [1, 2.5, "x"]},
    {"quant_method": "awq"},
    Checkpoint("awq", 123, (("I32", 5),), (StoredTensor("a", "I32", (5, 1), 20),), "gguf"),
    ("beware",),
)


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(tmp_path, clock):
    return ProfileCache(tmp_path / "profiles", clock)


def same(one: Profile, other: Profile) -> bool:
    fields = ("name", "source", "config", "quantization", "checkpoint", "warnings")
    return all(getattr(one, field) == getattr(other, field) for field in fields)


def the_file(cache):
    (path,) = cache.directory.iterdir()
    return path


def test_what_is_put_is_got_with_its_age(cache, clock):
    assert cache.get("org/small") is None
    assert cache.put("org/small", PROFILE)
    clock.now += 3600
    found = cache.get("org/small")
    assert same(found.profile, PROFILE)
    assert found.age_seconds == 3600
    assert cache.get("org/other") is None


def test_a_clock_set_back_gives_no_negative_age(cache, clock):
    cache.put("k", PROFILE)
    clock.now -= 10_000
    assert cache.get("k").age_seconds == 0


def test_put_replaces(cache):
    cache.put("k", PROFILE)
    cache.put("k", Profile("new", "hub", {}))
    assert cache.get("k").profile.name == "new"
    assert len(list(cache.directory.iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"\x00" * 10, b"{}", gzip.compress(b"{}"), gzip.compress(b"[]"),
        gzip.compress(b"nope"),
        gzip.compress(b"[" * 100_000), gzip.compress(b'{"schema": 1, "key": "k"}'),
        gzip.compress(b'{"schema": 1, "key": "k", "fetched": 1, "profile": {"config": 3}}'),
        gzip.compress(b"\xff\xfe"), gzip.compress(b'{"schema": 99}'),
    ],
)  # fmt: skip
def test_a_damaged_file_is_a_miss(cache, damage):
    cache.put("k", PROFILE)
    the_file(cache).write_bytes(damage)
    assert cache.get("k") is None
    assert cache.put("k", PROFILE)
    assert same(cache.get("k").profile, PROFILE)


def test_a_cut_off_file_is_a_miss_at_any_length(cache):
    cache.put("k", PROFILE)
    raw = the_file(cache).read_bytes()
    for end in range(0, len(raw), 7):
        the_file(cache).write_bytes(raw[:end])
        assert cache.get("k") is None


@settings(max_examples=100, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "source", "config", "quantization", "warnings", "checkpoint",
                         "format", "bytes", "elements", "tensors"]), inner, max_size=6),
    max_leaves=20,
))  # fmt: skip
def test_stored_facts_of_any_shape_are_a_profile_or_a_miss(cache, facts):
    cache.put("k", PROFILE)
    stored = {"schema": 1, "key": "k", "fetched": 5, "profile": facts}
    the_file(cache).write_bytes(gzip.compress(json.dumps(stored).encode()))
    cache.get("k")


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.text(min_size=1, max_size=300))
def test_any_key_is_a_safe_file_name(cache, key):
    if any("\ud800" <= char <= "\udfff" for char in key):
        return
    assert cache.put(key, PROFILE)
    assert same(cache.get(key).profile, PROFILE)
    assert all(path.parent == cache.directory for path in cache.directory.rglob("*"))


@pytest.mark.parametrize("key", ["../../etc/passwd", "con", "a/b:Q4_K_M", "A" * 500, ".hidden"])
def test_names_that_file_systems_refuse(cache, key):
    assert cache.put(key, PROFILE)
    name = the_file(cache).name
    assert len(name.encode()) < 255
    assert not set(name) & set('/\\:*?"<>|')
    assert not name.startswith(".")


def test_keys_that_differ_in_case_are_kept_apart(cache):
    cache.put("org/Small", PROFILE)
    assert cache.get("org/small") is None


def test_entries_are_listed_newest_first(cache, clock):
    import os

    for age, key in ((50, "org/b:Q4_K_M"), (5, "org/a")):
        cache.put(key, PROFILE)
        path = cache.path(key)
        os.utime(path, (clock.now - age, clock.now - age))
    assert [(e.key, e.age_seconds) for e in cache.entries()] == [
        ("org/a", 5), ("org/b:Q4_K_M", 50),
    ]  # fmt: skip


def test_entries_of_no_directory(tmp_path):
    assert ProfileCache(tmp_path / "none").entries() == ()


def test_a_directory_that_cannot_be_made_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("x")
    cache = ProfileCache(tmp_path / "file" / "profiles")
    assert not cache.put("k", PROFILE)
    assert cache.get("k") is None


def test_what_is_no_json_is_not_stored(cache):
    assert not cache.put("k", Profile("x", "hub", {"a": object()}))
    assert cache.get("k") is None
    assert list(cache.directory.glob("*.tmp")) == []


def test_readers_see_whole_profiles_while_others_write(cache):
    """Threads replace one profile over and over; every read gives one of them, whole."""
    profiles = [Profile(str(i), "hub", {"n": [i] * (500 * (i + 1))}) for i in range(4)]
    stop = threading.Event()

    def write(profile):
        while not stop.is_set():
            cache.put("k", profile)

    cache.put("k", profiles[0])
    writers = [threading.Thread(target=write, args=(p,)) for p in profiles]
    for writer in writers:
        writer.start()
    try:
        for _ in range(200):
            found = cache.get("k").profile
            number = int(found.name)
            assert found.config == {"n": [number] * (500 * (number + 1))}
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert list(cache.directory.glob("*.tmp")) == []


def test_programs_at_once(cache):
    """Four processes store and read the same key; none fails, and the last answer is whole."""
    program = (
        "import sys; from pathlib import Path\n"
        "from llm_lander_tui.models.profile import Profile\n"
        "from llm_lander_tui.storage.profile_cache import ProfileCache\n"
        "cache = ProfileCache(Path(sys.argv[1]))\n"
        "for i in range(60):\n"
        "    assert cache.put('k', Profile(sys.argv[2], 'hub', {'n': [1] * 2000}))\n"
        "    assert cache.get('k').profile.config == {'n': [1] * 2000}\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(cache.directory), str(i)])
        for i in range(4)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    assert cache.get("k").profile.name in {"0", "1", "2", "3"}


def test_the_users_cache_directory_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "llm-lander" in str(ProfileCache().directory)
