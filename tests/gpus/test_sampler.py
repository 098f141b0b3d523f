from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from llm_lander_tui.gpus.gpu import Problem, Reading
from llm_lander_tui.gpus.sampler import Sampler

SOON = 10.0
"""Seconds after which a test that waits for a thread gives up."""
NEVER = 3600.0


class Source:
    """Numbers its readings; hangs while `gate` is shut, fails when `error` is set."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    def read(self) -> Reading:
        self.reads += 1
        self.entered.set()
        self.gate.wait()
        if self.error:
            raise self.error
        return Reading(driver_version=str(self.reads))


class Readings:
    """What came in, with a way to wait for it."""

    def __init__(self) -> None:
        self.all: list[Reading] = []
        self._came = threading.Condition()

    def __call__(self, reading: Reading) -> None:
        with self._came:
            self.all.append(reading)
            self._came.notify_all()

    def wait(self, count: int) -> list[Reading]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.all) >= count, SOON)
            return list(self.all)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def readings() -> Readings:
    return Readings()


@pytest.fixture
def sampler(source: Source, readings: Readings):
    made: list[Sampler] = []

    def make(interval: float = NEVER, **options: Callable[[], float]) -> Sampler:
        sampler = Sampler(source, readings, interval, **options)
        made.append(sampler)
        sampler.start()
        return sampler

    yield make
    source.gate.set()
    assert all(one.stop() for one in made)


def test_reads_at_once_and_when_asked(sampler, readings):
    running = sampler()
    assert [r.driver_version for r in readings.wait(1)] == ["1"]
    running.ask()
    assert [r.driver_version for r in readings.wait(2)] == ["1", "2"]


def test_reads_on_its_timer(sampler, readings):
    running = sampler(0.01)
    readings.wait(4)
    assert running.interval == 0.01


def test_a_new_interval_counts_from_now(sampler, readings):
    running = sampler()
    readings.wait(1)
    running.set_interval(0.01)
    readings.wait(3)


def test_a_hung_source_freezes_nobody(sampler, source, readings):
    now = [100.0]
    running = sampler(clock=lambda: now[0])
    readings.wait(1)
    source.entered.clear()
    source.gate.clear()
    running.ask()
    assert source.entered.wait(SOON)
    now[0] = 107.0
    assert running.age == 7.0
    assert running.waiting == 7.0
    running.ask()
    running.set_interval(5)
    began = time.monotonic()
    assert running.stop() is False, "it is left behind"
    assert time.monotonic() - began < SOON / 2
    source.gate.set()
    time.sleep(0.05)
    assert len(readings.all) == 1, "nothing is delivered after stop"


def test_age_before_the_first_reading_is_none(source, readings):
    unstarted = Sampler(source, readings)
    assert unstarted.age is None
    assert unstarted.waiting == 0.0
    assert unstarted.stop() is True


def test_a_failing_source_is_a_problem_and_the_thread_goes_on(sampler, source, readings):
    source.error = OSError("broken")
    running = sampler()
    (first,) = readings.wait(1)
    assert first.problem == Problem(
        "Reading failed",
        "The GPUs could not be read (OSError: broken).",
        "The next reading tries again.",
    )
    source.error = None
    running.ask()
    assert readings.wait(2)[1].problem is None


def test_stop_from_the_callback_ends_the_thread(source):
    done = threading.Event()
    samplers: list[Sampler] = []

    def stop(_: Reading) -> None:
        samplers[0].stop()
        done.set()

    samplers.append(Sampler(source, stop, 0.01))
    samplers[0].start()
    assert done.wait(SOON)
    assert samplers[0].stop()
    assert source.reads == 1


def test_a_hung_driver_does_not_keep_the_process(nvml_standin):
    """The real pynvml, hanging in C: the main thread goes on, and the process ends when it does."""
    code = (
        "import os\n"
        "from llm_lander_tui.gpus.nvml import NvmlSource\n"
        "from llm_lander_tui.gpus.sampler import Sampler\n"
        "import threading, time\n"
        "came = threading.Event()\n"
        "sampler = Sampler(NvmlSource(os.environ), lambda r: came.set(), 0.01)\n"
        "sampler.start()\n"
        "while sampler.waiting < 0.2: time.sleep(0.01)\n"
        "print('alive', came.is_set(), sampler.stop())\n"
    )
    lines = [
        "gpu name=NVIDIA L4;uuid=GPU-0;total=23034;used=0",
        "fail call=nvmlDeviceGetMemoryInfo_v2;code=-1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=nvml_standin.environment(lines),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "alive False False"
    assert done.stderr == ""


def test_a_driver_that_recovers_is_read_again(nvml_standin):
    code = (
        "import os, sys\n"
        "from llm_lander_tui.gpus.nvml import NvmlSource\n"
        "from llm_lander_tui.gpus.sampler import Sampler\n"
        "say = lambda r: print(len(r.gpus), flush=True)\n"
        "sampler = Sampler(NvmlSource(os.environ), say, 0.02)\n"
        "sampler.start()\n"
        "sys.stdin.read()\n"
    )
    lines = ["gpu name=NVIDIA L4;uuid=GPU-0;total=23034;used=0"]
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=nvml_standin.environment([*lines, "fail call=nvmlDeviceGetCount_v2;code=-1"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    try:
        nvml_standin.write(lines)
        assert program.stdout.readline() == "1\n"
    finally:
        program.communicate()
    assert program.returncode == 0
