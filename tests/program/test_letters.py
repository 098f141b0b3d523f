"""What tells parts apart where there are no colours."""

from __future__ import annotations

from llm_lander_tui.engines.base import Kind
from llm_lander_tui.widgets.format_table import cell_width
from llm_lander_tui.widgets.memory_bar import IN_USE, LETTERS, letter, letters


def test_no_two_parts_of_the_bar_share_a_letter():
    assert len(set(LETTERS.values())) == len(LETTERS) >= len(Kind) + 2
    assert "?" not in LETTERS.values()
    assert letter(Kind.RUNTIME.value) != letter(Kind.RESERVED.value)
    assert letter(Kind.WEIGHTS.value) == "W"
    assert letter(IN_USE) == "I"


def test_a_letter_that_is_taken_gives_way_to_the_next_of_the_word():
    assert letters(["runtime", "reserved", "re"]) == {"runtime": "R", "reserved": "E", "re": "?"}


def test_a_heading_never_touches_its_neighbour():
    assert cell_width(40, ["f16", "q8_0"]) == 8
    assert cell_width(40, ["f16", "q8_0/f16"]) == 9
    assert cell_width(60, ["f16", "turbo3_0/f16"]) == 13
