from __future__ import annotations

from llm_lander_tui.gpus.demo import CARDS, DemoSource
from llm_lander_tui.gpus.processes import process_kind


def test_each_step_is_always_the_same():
    one, other = DemoSource(), DemoSource()
    film = [one.read() for _ in range(5)]
    assert film == [other.read() for _ in range(5)]
    assert DemoSource(step=3).read() == film[3]
    assert len(set(film)) == 5, "it moves"


def test_every_reading_adds_up():
    source = DemoSource()
    for _ in range(200):
        reading = source.read()
        assert reading.problem is None
        assert [gpu.index for gpu in reading.gpus] == list(range(CARDS))
        for gpu in reading.gpus:
            assert gpu.free_bytes + gpu.used_bytes + gpu.reserved_bytes == gpu.total_bytes
            assert gpu.free_bytes >= 0
            assert sum(p.memory_bytes or 0 for p in gpu.processes or ()) == gpu.used_bytes
            assert gpu.utilisation_percent is not None
            assert 0 <= gpu.utilisation_percent <= 100
            assert gpu.power_w is not None
            assert gpu.power_limit_w is not None
            assert 0 < gpu.power_w <= gpu.power_limit_w
            assert not gpu.hypothetical


def test_its_processes_are_of_several_kinds():
    gpus = DemoSource().read().gpus
    kinds = {process_kind(p.command).name for gpu in gpus for p in gpu.processes or ()}
    assert kinds == {"vLLM", "llama.cpp", "notebook", "training"}
