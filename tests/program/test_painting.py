"""What is written to the terminal for a change of a few cells."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from llm_lander_tui.painting import CellUpdate, Pen, Shown, WholeUpdate, changed_runs, codes

RED = Style(color="#ff0000", bgcolor="#000000")
BOLD = RED + Style(bold=True)
GREEN = Style(color="#00ff00", bgcolor="#000000")
FRONT_RED, BLACK = "38;2;255;0;0", "48;2;0;0;0"


def written(*segments: Segment, system: ColorSystem | None = ColorSystem.TRUECOLOR) -> str:
    pen = Pen(system)
    pen.write(segments)
    return pen.done()


def test_codes_are_attributes_foreground_and_background():
    assert codes(BOLD, ColorSystem.TRUECOLOR) == ("1", FRONT_RED, BLACK)
    assert codes(BOLD, None) == ("1", "", "")


def test_a_style_that_is_set_is_not_repeated():
    text = written(Segment("a", RED), Segment("b", RED))
    assert text == f"\x1b[{FRONT_RED};{BLACK}mab\x1b[0m"


def test_only_the_part_of_a_style_that_differs_is_sent():
    text = written(Segment("a", RED), Segment("b", GREEN))
    assert text == f"\x1b[{FRONT_RED};{BLACK}ma\x1b[38;2;0;255;0mb\x1b[0m"


def test_an_attribute_that_ends_leaves_the_colours():
    text = written(Segment("a", BOLD), Segment("b", RED))
    assert text == f"\x1b[1;{FRONT_RED};{BLACK}ma\x1b[22mb\x1b[0m"


def test_a_colour_that_ends_gives_way_to_the_terminals_own():
    assert written(Segment("a", RED), Segment("b", None)) == (
        f"\x1b[{FRONT_RED};{BLACK}ma\x1b[39;49mb"
    )


OFF = {"22": "12", "23": "3", "24": "4", "25": "5", "27": "7", "29": "9"}
STYLES = st.builds(
    Style,
    color=st.sampled_from([None, "#ff0000", "#00ff00"]),
    bgcolor=st.sampled_from([None, "#000000", "#0000ff"]),
    bold=st.booleans(),
    dim=st.booleans(),
    underline=st.booleans(),
    reverse=st.booleans(),
)


@given(st.lists(STYLES, min_size=1, max_size=8))
def test_a_terminal_shows_each_letter_in_its_style(styles):
    text = written(*(Segment("x", style) for style in styles))
    attributes, front, back, shown = set(), "", "", []
    for sequence, letter in re.findall(r"\x1b\[([0-9;]*)m|(x)", text):
        if letter:
            shown.append((";".join(sorted(attributes)), front, back))
            continue
        for code in re.findall(r"[34]8;2;\d+;\d+;\d+|\d+", sequence):
            if code == "0":
                attributes, front, back = set(), "", ""
            elif code in OFF:
                attributes -= set(OFF[code])
            elif code in {"39", "49"} or ";" in code:
                value = code if ";" in code else ""
                front, back = (value, back) if code[0] == "3" else (front, value)
            else:
                attributes.add(code)
    assert shown == [codes(style, ColorSystem.TRUECOLOR) for style in styles]


def test_blanks_take_the_foreground_that_is_there():
    text = written(Segment("a", RED), Segment("  ", GREEN), Segment("b", RED))
    assert text == f"\x1b[{FRONT_RED};{BLACK}ma  b\x1b[0m"


def test_blanks_that_are_underlined_show_it():
    underlined = GREEN + Style(underline=True)
    assert "\x1b[4;" in written(Segment("a", RED), Segment(" ", underlined))


def test_without_colours_plain_text_stays_plain():
    assert written(Segment("a", RED), Segment("b", None), system=None) == "ab"


def updated(chops, spans, ends, shown, system=None):
    """What a partial update writes on a terminal that shows `shown`."""
    console = Console(color_system=system, force_terminal=True)
    return CellUpdate(ChopsUpdate(chops, spans, ends), shown).render_segments(console)


def test_only_changed_cells_are_sent_each_after_one_move():
    line = Strip([Segment("abcdefghij", RED)])
    spans = [(0, 2, 4), (1, 7, 9)]
    text = updated([{0: line}, {0: line}], spans, [[10], [10]], Shown(), "truecolor")
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == "\x1b[1;3Hcd\x1b[2;8Hhi"
    assert text.count("m") == 2


def test_pieces_outside_of_a_change_and_empty_pieces_are_passed_over():
    left, right = Strip([Segment("left-", RED)]), Strip([Segment("right", RED)])
    assert updated([{0: left, 5: right}], [(0, 6, 8)], [[5, 10]], Shown()) == "\x1b[1;7Hig"
    assert updated([{0: None, 5: right}], [(0, 0, 7)], [[5, 10]], Shown()) == "\x1b[1;6Hri"


def test_what_the_terminal_shows_is_not_sent_again_until_something_else_was_drawn_over_it():
    shown = Shown()
    rows = [[Strip([Segment("first row")])], [Strip([Segment("other row")])]]
    console = Console(color_system=None)
    whole = WholeUpdate(LayoutUpdate(rows, Region(0, 0, 9, 2)), shown).render_segments(console)
    assert whole == "\x1b[1;1Hfirst row\x1b[2;1Hother row"

    moved = [{0: Strip([Segment("first row")])}, {0: Strip([Segment("other cow")])}]
    spans, ends = [(0, 0, 9), (1, 0, 9)], [[9], [9]]
    assert updated(moved, spans, ends, shown) == "\x1b[2;7Hc"
    assert updated(moved, spans, ends, shown) == ""
    again = WholeUpdate(LayoutUpdate(rows, Region(0, 0, 9, 2)), shown).render_segments(console)
    assert again == "\x1b[2;7Hr"
    updated(moved, spans, ends, shown)
    shown.forget()
    assert updated(moved, spans, ends, shown) == "\x1b[1;1Hfirst row\x1b[2;1Hother cow"


TEXTS = st.text(st.sampled_from("ab "), min_size=8, max_size=8).map(lambda x: Strip([Segment(x)]))


@given(st.lists(TEXTS, min_size=2, max_size=6), st.integers(0, 3), st.integers(4, 8))
def test_partial_updates_lead_to_the_row_that_was_composed(rows, first, end):
    shown = Shown()
    shown.keep(0, rows[0])
    row = rows[0]
    for new in rows[1:]:
        row = Strip.join([row.crop(0, first), new.crop(first, end), row.crop(end)])
        updated([{0: row}], [(0, first, end)], [[8]], shown)
        assert list(shown.written(0, 0, row)) == []


def test_a_row_of_wide_characters_that_moves_by_one_cell_is_sent_whole():
    old, new = Strip([Segment("日日日日日日 ")]), Strip([Segment(" 日日日日日日")])
    assert list(changed_runs(old, new)) == [(0, 13)]
    assert list(changed_runs(old, Strip([Segment("日日日月日日 ")]))) == [(6, 8)]


def test_a_run_of_few_equal_cells_is_sent_along():
    old, new = Strip([Segment("abcdefghijklmnop")]), Strip([Segment("Xbcdefghijklmn.P")])
    assert list(changed_runs(old, new)) == [(0, 1), (14, 16)]


def test_within_a_row_a_move_names_its_column_alone():
    line = Strip([Segment("abcdefghijklmnop")])
    spans, ends = [(3, 0, 1), (3, 14, 16)], [[], [], [], [16]]
    assert updated([{}, {}, {}, {0: line}], spans, ends, Shown()) == "\x1b[4;1Ha\x1b[15Gop"
