"""The model finder: what hits from elsewhere would do here, sorting, files of a repository."""

from __future__ import annotations

import threading

import pytest

from llm_lander_tui.errors import SourceError
from llm_lander_tui.models import peeks, shelf
from llm_lander_tui.models.shelf import GGUF_OF_HUB, Hit
from llm_lander_tui.widgets.hits import Foot, Hits

TUNED = Hit("some/Qwen3-8B-tuned", "Hub", "9 downloads", created="2025-06")
CLOSED = Hit("some/Qwen3-8B-closed", "Hub", "8 downloads · gated", created="2025-08")
GGUF = Hit("some/Qwen3-8B-GGUF", "Hub", "7 downloads · GGUF", quant="GGUF", files=("INT4", "FP16"))
SEARCH = (TUNED, CLOSED, GGUF)


@pytest.fixture
def internet(monkeypatch, world):
    """A Hub with three repositories, one of them closed, one of files; what was looked into."""
    looked: list[str] = []

    def look(hit: Hit, cancel: threading.Event):
        looked.append(hit.repo)
        if hit.name == CLOSED.name:
            raise SourceError("Gated model", "It is gated.", "Sign in.")
        return world.load_model("Qwen/Qwen3-8B")

    def files(repo: str, cancel: threading.Event) -> tuple[Hit, ...]:
        return tuple(
            Hit(f"{repo}:{label}", GGUF_OF_HUB, quant="GGUF", files=(label,), bytes=size)
            for label, size in (("INT4", 5 * 2**30), ("UD-Q9", 6 * 2**30), ("FP16", 16 * 2**30))
        )

    monkeypatch.setattr(peeks, "look_into", look)
    monkeypatch.setattr(shelf, "hub", lambda text, cancel: SEARCH)
    monkeypatch.setattr(shelf, "sisters", lambda text, cancel: ())
    monkeypatch.setattr(shelf, "gguf_files", files)
    return looked


async def listed(pilot, condition) -> Hits:
    """The list, once the condition holds of it."""
    for _ in range(300):
        await pilot.pause(0.02)
        rows = pilot.app.screen.query(Hits)
        if rows and condition(rows.first()):
            return rows.first()
    raise AssertionError("the list never came to that")


def lines(rows: Hits) -> dict[str, str]:
    """The row of each hit as it is written."""
    texts = [row.plain for row in rows.rows(120)]
    return dict(zip([hit.name for hit in rows.hits], texts, strict=True))


async def test_hits_of_the_hub_say_whether_they_land_before_they_are_loaded(started, internet):
    async with started() as pilot:
        await pilot.press("m", *"qwen3-8b-")
        rows = await listed(pilot, lambda r: TUNED.name in r.seen and CLOSED.name in r.failed)
        rows = await listed(pilot, lambda r: GGUF.name in r.seen)
        text = lines(rows)
        assert "40,960" in text[TUNED.name]
        assert "lands" in text[TUNED.name]
        assert "2025-06" in text[TUNED.name]
        assert "gated" in text[CLOSED.name]
        assert "lands" not in text[CLOSED.name]


async def test_nothing_is_asked_while_letters_are_typed(started, internet, monkeypatch):
    from llm_lander_tui.screens import finder

    monkeypatch.setattr(finder, "PAUSE", 60.0)
    async with started() as pilot:
        await pilot.press("m", *"some/model")
        await pilot.pause(0.1)
        assert internet == []


async def test_where_quantised_repositories_cannot_be_listed_the_search_still_shows(
    started, internet, monkeypatch
):
    def broken(text: str, cancel: threading.Event) -> tuple[Hit, ...]:
        raise SourceError("The Hub has a problem", "HTTP 503.", "Retry.")

    monkeypatch.setattr(shelf, "sisters", broken)
    async with started() as pilot:
        await pilot.press("m", *"some/qwen3-8b")
        rows = await listed(pilot, lambda r: len(r.hits) == 4)
        assert rows.hits[0].name == "some/qwen3-8b", "what was typed stays on top"
        for _ in range(100):
            await pilot.pause(0.02)
            foot = "\n".join(
                c.plain for c in pilot.app.screen.query_one(Foot).content_lines(120, 3)
            )
            if "Quantised" in foot:
                break
        assert "Quantised repositories not listed. The Hub has a problem: HTTP 503." in foot


async def test_enter_opens_a_repository_of_files_and_takes_one_of_them(started, internet):
    async with started() as pilot:
        taken: list[str] = []
        pilot.app.load_model = taken.append
        await pilot.press("m", *"qwen3-8b-g")
        rows = await listed(pilot, lambda r: GGUF.name in r.seen)
        await pilot.press(*["down"] * [hit.name for hit in rows.hits].index(GGUF.name), "enter")
        files = f"{GGUF.name}:INT4", f"{GGUF.name}:UD-Q9", f"{GGUF.name}:FP16"
        rows = await listed(pilot, lambda r: set(files) <= r.seen.keys())
        text = lines(rows)
        assert [hit.name for hit in rows.hits] == [files[2], files[0], files[1]], (
            "the most faithful that gives the context on top"
        )
        assert "16.0 GiB FP16" in text[files[2]]
        assert "lands" not in text[files[1]], "a format that is not known promises nothing"
        assert internet.count(GGUF.name) == 1, "all files are one model"
        await pilot.press("down", "enter")
        assert taken == [files[0]]


async def test_the_list_is_sorted_by_what_is_asked_and_says_how(started, internet):
    async with started() as pilot:
        await pilot.press("m", *"qwen3-8b")
        rows = await listed(pilot, lambda r: TUNED.name in r.seen and CLOSED.name in r.failed)
        assert rows.hits[0].name == "Qwen/Qwen3-8B"
        await pilot.press("ctrl+s", "ctrl+s", "ctrl+s")
        assert rows.order == "newest"
        months = [hit.created for hit in rows.hits if hit.created]
        assert months == sorted(months, reverse=True)
        assert not rows.hits[-1].created, "what has no month stands at the end"
        assert "on Hub ▾" in rows.headings(120)[0].plain
        assert "on Hub ▾" in rows.headings(78)[0].plain
        assert "2025-08" in rows.rows(78)[0].plain
        foot = pilot.app.screen.query_one(Foot).content_lines(78, 3)
        assert "^s sort" in foot[-1].plain
        await pilot.press("ctrl+s")
        tails = [hit.name.lower().rpartition("/")[2] for hit in rows.hits]
        assert tails == sorted(tails)


async def test_the_cursor_stays_on_its_model_while_figures_arrive(started, internet):
    async with started() as pilot:
        await pilot.press("m", *"qwen3-8b")
        rows = await listed(pilot, lambda r: CLOSED in r.hits)
        rows.cursor = rows.hits.index(CLOSED)
        rows = await listed(pilot, lambda r: TUNED.name in r.seen and GGUF.name in r.seen)
        assert rows.hit == CLOSED


async def test_folders_are_never_asked_of_a_server(started, internet, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "[b] odd [").mkdir()
    async with started() as pilot:
        await pilot.press("m")
        pilot.app.screen.query_one("Input").value = f"{tmp_path}/"
        rows = await listed(pilot, lambda r: len(r.hits) == 2)
        await pilot.pause(0.7)
        assert internet == []
        assert any("[b] odd [" in name for name in lines(rows))


async def test_models_of_ollama_say_whether_they_land_without_a_word_typed(
    started, internet, monkeypatch
):
    mine = Hit("ollama:qwen3:8b", shelf.OLLAMA, "8.2B Q4_K_M", bytes=5 * 2**30)
    monkeypatch.setattr(shelf, "ollama", lambda: (mine,))
    async with started() as pilot:
        await pilot.press("m", *"ollama")
        rows = await listed(pilot, lambda r: mine.name in r.seen)
        assert "lands" in lines(rows)[mine.name]
        assert internet == [mine.name]


async def test_what_a_server_is_slow_to_say_is_told_and_given_up_with_the_finder(
    started, internet, monkeypatch
):
    from llm_lander_tui.models.background import Cancelled

    given_up = threading.Event()

    def slow(text: str, cancel: threading.Event) -> tuple[Hit, ...]:
        if cancel.wait(20):
            given_up.set()
        raise Cancelled

    monkeypatch.setattr(shelf, "hub", slow)
    async with started() as pilot:
        await pilot.press("m", *"qwen3-8b")
        for _ in range(200):
            await pilot.pause(0.02)
            foot = pilot.app.screen.query_one(Foot)
            if "asking the Hub" in foot.waiting:
                break
        assert "asking the Hub" in foot.waiting
        assert pilot.app.screen.query_one(Hits).hit.name == "Qwen/Qwen3-8B", "the list is there"
        await pilot.press("escape")
        for _ in range(200):
            await pilot.pause(0.02)
            if given_up.is_set():
                break
        assert given_up.is_set()


async def test_while_a_model_is_read_the_line_says_how_to_stop(started):
    from llm_lander_tui.widgets.key_bar import StatusLine

    async with started() as pilot:
        pilot.app.state.busy = "loading some/model"
        (line,) = pilot.app.screen.query_one(StatusLine).content_lines(80, 1)
        assert line.plain.startswith(" loading some/model …")
        assert line.plain.endswith("esc stops waiting ")
        await pilot.press("escape")
        assert not pilot.app.state.busy
        assert "Cancelled" in pilot.app.state.status
