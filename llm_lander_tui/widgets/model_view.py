"""A model in figures: the pattern of its layers, parameters by part, cache, state and limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from textual.content import Content

from llm_lander_tui.memory.weights import weights_of
from llm_lander_tui.models.architecture import Architecture, Layer
from llm_lander_tui.models.model import Model
from llm_lander_tui.models.tensors import Part
from llm_lander_tui.planner import choices
from llm_lander_tui.planner.scenario import Scenario
from llm_lander_tui.state import LanderState
from llm_lander_tui.units import format_count
from llm_lander_tui.widgets.lines import Lines
from llm_lander_tui.widgets.words import QUIET, WARN, between, fitted, format_bytes, right

INKS = ("$primary", "$secondary", "$accent", "$warning", "$success", "$error")
LABEL = 22
LONGEST_BAR, PART_FIGURES = 16, 27
"""Columns of the bar of a part that is everything, and of a part's name, count and share."""
ROOM_FOR_NOTES = 54
"""Columns from which a figure stands beside how it is meant."""


class ModelView(Lines):
    """The model of the scenario."""

    DEFAULT_CSS = "ModelView { padding: 0 1; height: 1fr; }"

    def __init__(self, state: LanderState) -> None:
        super().__init__(id="model")
        self.state = state

    def on_mount(self) -> None:
        """Follow the scenario."""
        self.watch(self.state, "scenario", self.redraw, init=False)

    def content_lines(self, width: int, height: int) -> Sequence[Content]:
        """The figures, the most telling first."""
        scenario = self.state.scenario
        if scenario is None:
            return ()
        model = scenario.model
        roomy = height >= 26
        blank = [Content("")] if roomy else []
        lines = [*blank, *title(model, width), *blank, *pattern(model.architecture, width), *blank]
        half, gap = width // 2 - 2, 4 if width >= 76 else 2
        left, end = list(parts(model.architecture, half)), list(facts(scenario, width - half - gap))
        for row in range(max(len(left), len(end))):
            one = left[row] if row < len(left) else Content("")
            two = end[row] if row < len(end) else Content("")
            lines.append(Content.assemble(fitted(one, half), " " * gap, two))
        lines += [*blank, *formats(scenario, width)]
        for note in (*model.architecture.notes, *model.warnings):
            lines += Content.styled(f"! {note}", WARN).wrap(width)
        return lines


def title(model: Model, width: int) -> Iterator[Content]:
    """Name and size; at the right, where it comes from."""
    a = model.architecture
    size = f"{format_count(a.parameters)} parameters"
    active = (
        f", {format_count(a.active_parameters)} used per token"
        if a.active_parameters != a.parameters
        else ", all used per token"
    )
    origin = f"{model.source} · {a.model_type} · {a.dtype}"
    yield between(Content.styled(model.name, "bold"), Content.styled(origin, QUIET), width)
    line = Content.assemble((size, "bold"), active)
    exact = Content.styled(f"   ({a.parameters:,})", QUIET)
    yield line + exact if line.cell_length + exact.cell_length <= width else line


def pattern(architecture: Architecture, width: int) -> Iterator[Content]:
    """A letter a layer for what mixes its tokens, and what the letters mean."""
    mixers = Counter(layer.kind for layer in architecture.layers)
    mlps = Counter(mlp_kind(layer) for layer in architecture.layers)
    letters = alphabet(mixers)
    inks = {kind: INKS[n % len(INKS)] for n, kind in enumerate(mixers)}
    yield Content.styled(f"{len(architecture.layers)} layers", QUIET)
    cells = [Content.styled(letters[layer.kind], inks[layer.kind]) for layer in architecture.layers]
    for start in range(0, len(cells), width):
        yield Content("").join(cells[start : start + width])
    entries = [
        Content.assemble((letters[kind], f"bold {inks[kind]}"), f" {kind} ", (f"×{n}", "bold"))
        for kind, n in mixers.items()
    ]
    entries += [
        Content.assemble((f"mlp {kind} ", QUIET), (f"×{n}", "bold")) for kind, n in mlps.items()
    ]
    yield from flowed(entries, width)


def flowed(entries: Sequence[Content], width: int) -> Iterator[Content]:
    """Entries one beside the other, in as few lines as it takes."""
    line = Content("")
    for entry in entries:
        if line and line.cell_length + 3 + entry.cell_length > width:
            yield line
            line = Content("")
        line = Content.assemble(line, "   ", entry) if line else entry
    if line:
        yield line


def alphabet(kinds: Counter[str]) -> dict[str, str]:
    """A letter for each kind: the first of its name that no other has."""
    letters: dict[str, str] = {}
    for kind in kinds:
        taken = set(letters.values())
        candidates = [c.upper() for c in kind if c.isalpha()] + list("0123456789")
        letters[kind] = (
            "·" if kind == "none" else next((c for c in candidates if c not in taken), "?")
        )
    return letters


def mlp_kind(layer: Layer) -> str:
    """The feed-forward kind of a layer."""
    return layer.mlp.kind if layer.mlp is not None else "none"


def parts(architecture: Architecture, width: int) -> Iterator[Content]:
    """Parameters by part, with a bar to scale where there is room."""
    yield Content.styled("parameters by part", QUIET)
    total = max(1, architecture.parameters)
    for part in Part:
        count = architecture.parts.get(part, 0)
        if not count:
            continue
        share = count / total
        room = min(LONGEST_BAR, width - PART_FIGURES - 2)
        bar = "━" * max(1, round(room * share)) if room > 0 else ""
        yield Content.assemble(
            fitted(Content(part.value), 11),
            right(format_count(count), 9),
            (right(f"{share:.1%}", 7).plain, QUIET),
            (f"  {bar}" if bar else "", "$primary"),
        )


def facts(scenario: Scenario, width: int) -> Iterator[Content]:
    """What a token and a sequence cost, and where the context ends; notes where there is room."""
    a = scenario.model.architecture
    roomy = width >= ROOM_FOR_NOTES
    heading = "what context costs" if roomy else "context at 16 bits costs"
    yield Content.styled(heading, QUIET)
    held = sum(row.elements * row.span.tokens(scenario.context) * n for row, n in a.kv_rows) * 2
    state = a.state_bytes_per_sequence
    limit = a.context_limit
    found = [
        ("KV cache per token", f"{a.kv_bytes_per_token:,} B", "at 16 bits, no window"),
        (f"at {scenario.context:,} tokens", format_bytes(held), "at 16 bits, windows cut"),
        ("state per sequence", format_bytes(state) if state else "none", ""),
        ("context limit", "unknown", "the config states none")
        if limit is None
        else ("context limit", f"{limit.trained:,}", ""),
    ]
    for label, value, note in found:
        yield _fact(label, value, note if roomy else "", width)
    if limit is not None:
        yield from Content.styled(f"{limit.why}", QUIET).wrap(max(20, width))
        if limit.extended is not None:
            yield _fact("extended", f"{limit.extended:,}", "with RoPE scaling", width)


def _fact(label: str, value: str, note: str, width: int) -> Content:
    room = LABEL if width >= LABEL + 12 else LABEL - 3
    more = (f"  {note}", QUIET) if note else ""
    return fitted(Content.assemble(fitted(Content(label), room), (value, "bold"), more), width)


def formats(scenario: Scenario, width: int) -> Iterator[Content]:
    """The weights in every format that the engine runs."""
    yield Content.styled(f"weights in the formats that {scenario.engine.title} runs", QUIET)
    entries = []
    for recipe in choices.weight_formats(scenario.model, scenario.engine):
        size = weights_of(scenario.model.architecture, recipe).bytes
        style = "bold $primary" if recipe == scenario.weights else ""
        cell = Content.assemble((recipe.name, style), " ", (format_bytes(size), QUIET))
        entries.append(fitted(cell, 24))
    columns = max(1, width // 24)
    for start in range(0, len(entries), columns):
        yield Content("").join(entries[start : start + columns])
