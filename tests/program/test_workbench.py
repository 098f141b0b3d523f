"""Work beside the screen: the latest counts, failures are told, an end is an end."""

from __future__ import annotations

import queue
import threading

import pytest

from llm_lander_tui.errors import UsageError
from llm_lander_tui.loading import Loader
from llm_lander_tui.messages import GpusRead, ModelFailed, ModelLoaded, Progressed
from llm_lander_tui.workbench import Workbench

PATIENCE = 10


@pytest.fixture
def results():
    return queue.Queue()


@pytest.fixture
def bench(results):
    found = Workbench(results.put)
    yield found
    found.stop()


def test_delivers_a_value_that_is_wanted_once(bench, results):
    bench.ask("sum", lambda: 2 + 3, print)
    assert not bench.idle
    result = results.get(timeout=PATIENCE)
    assert (result.value, result.error) == (5, None)
    assert bench.wanted(result)
    assert not bench.wanted(result)
    assert bench.idle


def test_of_the_jobs_of_one_name_only_the_latest_counts(bench, results):
    started, go_on, done = threading.Event(), threading.Event(), []

    def slow():
        started.set()
        go_on.wait(PATIENCE)
        return "first"

    bench.ask("list", slow, print)
    assert started.wait(PATIENCE)
    bench.ask("list", lambda: done.append("second"), print)
    bench.ask("other", lambda: "other", print)
    bench.ask("list", lambda: "third", print)
    go_on.set()
    found = [results.get(timeout=PATIENCE) for _ in range(3)]
    assert [result.value for result in found] == ["first", "other", "third"]
    assert done == []
    assert [bench.wanted(result) for result in found] == [False, True, True]


def test_a_failing_job_is_reported_and_the_next_is_done(bench, results):
    bench.ask("bad", lambda: 1 // 0, print)
    assert isinstance(results.get(timeout=PATIENCE).error, ZeroDivisionError)
    bench.ask("good", lambda: "done", print)
    assert results.get(timeout=PATIENCE).value == "done"


def test_nothing_is_delivered_after_the_stop(bench, results):
    started, go_on = threading.Event(), threading.Event()

    def slow():
        started.set()
        go_on.wait(PATIENCE)

    bench.ask("slow", slow, print)
    bench.ask("next", lambda: None, print)
    assert started.wait(PATIENCE)
    bench.stop()
    go_on.set()
    bench._thread.join(PATIENCE)
    assert not bench._thread.is_alive()
    assert results.empty()


def test_loader_tells_progress_and_the_model(results):
    def load(name, progress, cancelled):
        progress("fetching", None)
        progress("reading", 0.5)
        return f"model {name}"

    Loader(load, results.put).start("org/name")
    found = [results.get(timeout=PATIENCE) for _ in range(3)]
    assert found == [
        Progressed("fetching"),
        Progressed("reading 50%"),
        ModelLoaded("model org/name"),
    ]


def test_loader_tells_failures_and_wraps_defects(results):
    known = UsageError("No", "Not there.")

    def load(name, progress, cancelled):
        raise known if name == "known" else ValueError("boom")

    loader = Loader(load, results.put)
    loader.read("known", loader.begin())
    assert results.get_nowait() == ModelFailed("known", known)
    loader.read("defect", loader.begin())
    failed = results.get_nowait()
    assert failed.error.title == "Unexpected failure"
    assert "boom" in failed.error.message


def test_loader_keeps_silent_about_what_was_given_up(results):
    loader = Loader(lambda name, progress, cancelled: name, results.put)
    first = loader.begin()
    second = loader.begin()
    loader.read("first", first)
    assert results.empty()
    loader.cancel()
    loader.read("second", second)
    assert results.empty()


def test_a_later_message_replaces_an_earlier_of_its_kind_only():
    assert GpusRead(None).can_replace(GpusRead(None))
    assert not GpusRead(None).can_replace(Progressed("a"))
    assert Progressed("a").can_replace(Progressed("b"))
    assert not Progressed("a").can_replace(GpusRead(None))
