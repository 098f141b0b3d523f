"""Which cards a plan may use, and how their last minutes are drawn."""

from __future__ import annotations

import pytest

from llm_lander_tui.gpus.fleet import QUANTUM, Fleet, emptied, key, planned
from llm_lander_tui.gpus.gpu import Gpu, GpuProcess
from llm_lander_tui.gpus.history import History
from llm_lander_tui.units import GIB, MIB

RESERVED = 300 * MIB


def card(index: int = 0, free: int = 20 * GIB, **more: object) -> Gpu:
    total = 24 * GIB
    used = total - free - RESERVED
    more = {"uuid": f"GPU-{index}"} | more
    return Gpu(index, "card", total, used, free, reserved_bytes=RESERVED, **more)


def what_if(index: int = 0) -> Gpu:
    return card(index, uuid=None, hypothetical=True)


def test_a_slice_of_a_card_is_known_by_its_own_uuid():
    slices = [card(0, uuid=f"MIG-{n}", mig="3g.20gb") for n in range(2)]
    assert key(slices[0]) != key(slices[1])
    fleet = Fleet().read(slices)
    assert [gpu.uuid for gpu in fleet.chosen] == ["MIG-0"]
    fleet = fleet.toggled(slices[0]).toggled(slices[1])
    assert [gpu.uuid for gpu in fleet.chosen] == ["MIG-1"]
    assert fleet.chosen[0].mig == "3g.20gb"


def test_a_card_without_uuid_is_known_by_its_index_and_apart_from_a_what_if_card():
    assert key(card(3, uuid=None)) == "3"
    assert key(what_if(3)) not in {"3", key(what_if(4))}


def test_planned_keeps_what_memory_depends_on_and_leaves_sensors_out():
    sensors = {"utilisation_percent": 97, "temperature_c": 80, "power_w": 300.5}
    processes = (GpuProcess(7, GIB),)
    gpu = card(free=20 * GIB + 5 * MIB, nvlinks=4, processes=processes, **sensors)
    seen = planned(gpu, None)
    assert seen == planned(card(free=20 * GIB + 5 * MIB, nvlinks=4), None)
    assert seen.free_bytes == 20 * GIB
    assert seen.nvlinks == 4
    assert seen.free_bytes + seen.used_bytes + seen.reserved_bytes == seen.total_bytes


@pytest.mark.parametrize(
    ("free", "step"),
    [
        (10 * QUANTUM, 10),
        (11 * QUANTUM, 10),
        (12 * QUANTUM - 1, 10),
        (12 * QUANTUM, 12),
        (10 * QUANTUM - 1, 9),
        (3 * QUANTUM + 1, 3),
    ],
)
def test_free_memory_moves_in_steps_that_stick_and_never_promise_more(free, step):
    before = planned(card(free=10 * QUANTUM), None)
    assert planned(card(free=free), before).free_bytes == step * QUANTUM


def test_emptied_has_all_but_what_the_driver_keeps():
    gpu = emptied(card(2, free=GIB))
    assert (gpu.used_bytes, gpu.free_bytes) == (0, 24 * GIB - RESERVED)
    assert gpu.hypothetical
    assert gpu.uuid is None
    assert emptied(gpu) is gpu


def test_growing_takes_spare_cards_before_it_invents_one():
    fleet = Fleet().read([card(0), card(1)]).toggled(card(0))
    assert [gpu.index for gpu in fleet.grown().chosen] == [0, 1]
    grown = fleet.grown().grown()
    assert [(gpu.index, gpu.hypothetical) for gpu in grown.chosen] == [
        (0, False),
        (1, False),
        (2, True),
    ]
    assert Fleet().grown() == Fleet()


def test_shrinking_leaves_out_the_last_and_never_all():
    fleet = Fleet().read([card(0), card(1)])
    assert [gpu.index for gpu in fleet.shrunk().chosen] == [0]
    assert fleet.shrunk().shrunk() == fleet.shrunk()
    assert fleet.adding([what_if()]).shrunk() == fleet


def test_cards_that_turn_up_beside_what_if_cards_are_left_out():
    fleet = Fleet().adding([what_if()]).read([card(1)])
    assert [gpu.hypothetical for gpu in fleet.chosen] == [True]
    assert Fleet().read([card(1)]).read([card(1), card(2)]).unused == frozenset()


def test_what_if_cards_are_numbered_after_the_others():
    fleet = Fleet().read([card(0), card(4)]).adding([what_if(), what_if()])
    assert [gpu.index for gpu in fleet.hypothetical] == [5, 6]


def test_history_draws_the_greatest_of_each_point_from_the_right():
    history = History(readings_per_point=2)
    for percent in (0, 100, 25, None):
        history.add([card(utilisation_percent=percent)])
    # 100 % fills the left column (dots 1, 2, 3, 7), 25 % the lowest of the right (dot 8).
    assert history.line(card(), 3) == "  " + chr(0x2800 + 0x47 + 0x80)


def test_history_is_blank_until_a_point_is_full_and_for_unknown_cards():
    history = History(readings_per_point=2)
    history.add([card(0, utilisation_percent=100)])
    assert history.line(card(0), 2) == "  "
    history.add([card(0, utilisation_percent=100)])
    assert history.line(card(0), 2) != "  "
    assert history.line(card(1), 2) == "  "


def test_history_forgets_the_oldest_points():
    history = History(points=2, readings_per_point=1)
    for percent in (100, 0, 0):
        history.add([card(utilisation_percent=percent)])
    assert history.line(card(), 2) == "  "


def test_of_mig_slices_one_is_planned_with_and_none_beside_a_whole_card():
    small, large = (card(0, n * GIB, uuid=f"MIG-{n}", mig="1g.10gb") for n in (8, 9))
    fleet = Fleet().read([small, large])
    assert [gpu.uuid for gpu in fleet.chosen] == ["MIG-9"], "the roomiest"
    assert fleet.grown() == fleet, "no second card can be joined with it"
    assert fleet.read([small, large]).chosen == fleet.chosen
    beside = Fleet().read([small, large, card(1)])
    assert [gpu.uuid for gpu in beside.chosen] == ["GPU-1"]
    grown = beside.grown().chosen
    assert [gpu.hypothetical for gpu in grown] == [False, True]
    assert [gpu.mig for gpu in grown] == [None, None]
