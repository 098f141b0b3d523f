"""The real program, started, used and left in a pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import signal

import pyte
import pytest

LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


def test_keys_change_the_verdict_and_the_terminal_is_restored(program):
    terminal = program()
    terminal.wait_for("LANDS")
    terminal.wait_for("RTX 4090")
    terminal.read(1.0)
    seen = len(terminal.written)
    terminal.press("ccccccc")
    terminal.wait_for("DOES NOT LAND", since=seen)
    seen = len(terminal.written)
    terminal.press("u")
    terminal.read(1.0)
    terminal.press("1")
    terminal.wait_for("last minutes", since=seen)
    terminal.press("q")
    assert terminal.wait_end() == 0
    assert LEAVE_ALTERNATE_SCREEN in terminal.written
    assert SHOW_CURSOR in terminal.written
    assert "Traceback" not in terminal.plain()


def test_a_lost_terminal_ends_the_program_although_hangups_are_ignored(program):
    terminal = program(ignore_hangup=True)
    terminal.wait_for("LANDS")
    terminal.close()
    terminal.wait_end(15.0)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("key", ["1", ",", "Y"])
def test_a_terminal_that_closes_keeps_the_scenario(program, tmp_path, number, key):
    terminal = program()
    terminal.wait_for("LANDS")
    terminal.read(1.0)
    terminal.press(f"w{key}")
    terminal.read(1.0)
    os.kill(terminal.pid, number)
    assert terminal.wait_end(10.0) == 1
    assert "Traceback" not in terminal.plain()
    kept = json.loads(next(tmp_path.rglob("last.json")).read_text())
    assert kept["model"] == "Qwen/Qwen3-8B"


def test_a_connection_that_breaks_keeps_the_scenario(program, tmp_path):
    terminal = program()
    terminal.wait_for("LANDS")
    terminal.read(1.0)
    terminal.close()
    terminal.wait_end(15.0)
    assert list(tmp_path.rglob("last.json"))


def test_a_window_that_is_too_small_says_what_it_needs_and_recovers(program):
    terminal = program(size=(50, 12))
    terminal.wait_for("needs 60 columns")
    terminal.resize((100, 30))
    terminal.wait_for("LANDS")
    terminal.press("q")
    assert terminal.wait_end() == 0


def test_ctrl_q_leaves_and_no_colour_is_drawn_without_colour(program):
    terminal = program(environment={"NO_COLOR": "1"})
    terminal.wait_for("LANDS")
    terminal.read(1.0)
    terminal.press("\x11")
    assert terminal.wait_end() == 0


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
def test_eight_live_gpus_and_every_key_stay_within_the_byte_budget(program, size):
    terminal = program("--demo", size=size)
    terminal.wait_for("LANDS", 60)
    terminal.press("1")
    terminal.read(6.0)
    # Readings of all eight cards change every two seconds.
    idle = len(terminal.read(10.0)) / 10
    assert idle < 700, f"{idle:.0f} bytes a second"
    # Where there is room for it, the Fit screen draws its chart too.
    for screen in "2" if size[1] >= 30 else "23":
        terminal.press(screen)
        while terminal.read(1.5):
            pass
        for key in "ewWkgG[]cC{}E":
            seen = len(terminal.written)
            terminal.press(key)
            while terminal.read(0.5):
                pass
            spent = len(terminal.written) - seen
            assert spent < 3000, f"{key} on screen {screen}: {spent} bytes"
    terminal.press("q")
    assert terminal.wait_end() == 0


def test_a_mistake_of_the_program_ends_with_a_sentence_and_keeps_its_traceback(program, tmp_path):
    broken = (
        "from llm_lander_tui.widgets.verdict import Verdict\n"
        "def fail(*args): raise ZeroDivisionError('[/x] of 0')\n"
        "Verdict.content_lines = fail\n"
        "from llm_lander_tui.cli import main\n"
        "raise SystemExit(main([]))\n"
    )
    terminal = program(code=broken)
    assert terminal.wait_end(30) == 70
    shown = terminal.plain()
    assert "Internal error: ZeroDivisionError: [/x] of 0." in shown
    assert "Traceback" not in shown
    kept = next(tmp_path.rglob("crash.txt")).read_text()
    assert kept.startswith("Traceback")


def test_the_cells_that_are_sent_add_up_to_the_whole_screen(program):
    size = 80, 24
    terminal = program("--gpu", "2x RTX 4090", size=size)
    terminal.wait_for("LANDS")
    screen, seen = pyte.Screen(*size), 0

    def shown():
        nonlocal seen
        while terminal.read(1.0):
            pass
        # The emulator knows no questions to the terminal and no keyboard protocol.
        news = re.sub(rb"\x1b\[[<>=?]+[0-9;]*(?:\$p|u)", b"", bytes(terminal.written[seen:]))
        seen = len(terminal.written)
        pyte.ByteStream(screen).feed(news)
        # A blank shows no foreground.
        return [
            [(c.data, c.data != " " and (c.fg, c.bold), c.bg) for _, c in sorted(row.items())]
            for _, row in sorted(screen.buffer.items())
        ], "\n".join(screen.display)

    shown()
    for keys in ("egg", "c]W", "vv", "p", "x", "\x1b", "12", "3u"):
        terminal.press(keys)
        before, text = shown()
        terminal.press("\x0c")
        after, again = shown()
        assert text == again, keys
        assert before == after, keys
    terminal.press("q")
    assert terminal.wait_end() == 0


@pytest.mark.parametrize(
    ("open_it", "shown", "leave"), [("", "1 GPUs", ""), ("x", "largest context", "\x1b")]
)
def test_everything_is_drawn_again_after_another_program_had_the_terminal(
    program, open_it, shown, leave
):
    terminal = program(size=(80, 24))
    terminal.wait_for("LANDS")
    terminal.press(open_it)
    terminal.read(2.0)
    terminal.press("\x1a")
    os.waitpid(terminal.pid, os.WUNTRACED)
    terminal.read(0.5)
    seen = len(terminal.written)
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.wait_for(shown, since=seen)
    terminal.press(leave)
    terminal.read(1.0)
    terminal.press("q")
    assert terminal.wait_end() == 0
