"""What builds of llama.cpp do differently, by build number or date (memory_models I.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Build:
    """How a build allocates; the defaults are those of August 2026.

    `logits_of_batch`: the graph reserves logits for every token of a micro-batch and not one row
    per sequence. `latent_values`: latent attention caches its values beside its keys.
    `copies_in_graph`: the 16-bit copies of a quantised cache that flash attention makes stand in
    the compute buffer (before: in CUDA's pool, outside llama.cpp's own report). `window_cache`:
    sliding-window layers keep a window only. `padding`: cells that a cache is rounded up to, with
    and without flash attention. `default_slots`: slots that a server opens when none are asked for.
    """

    logits_of_batch: bool = False
    latent_values: bool = False
    copies_in_graph: bool = True
    window_cache: bool = True
    padding: tuple[int, int] = (256, 256)
    default_slots: int = 4
    flash_by_default: bool = True


CURRENT = Build()
"""The newest build that is known here."""

# The first build of each change and its date. Where only the month is known, the number is that of
# the builds of that month in public logs.
_WINDOW_CACHE = (5427, "2025-05-20")  # llama.cpp pull request 13194
_FLASH = (6325, "2025-08-30")  # followed by LocalAI pull request 6168 on 2025-08-31
_PADDING = (7060, "2025-11-14")  # llama.cpp pull request 17046
_SLOTS = (7220, "2025-12-01")
_LATENT_KEYS = (7786, "2026-01-20")
_LOGIT_ROWS = (9600, "2026-06-10")  # llama.cpp pull request 23861
_COPIES = (9600, "2026-06-10")


def build_at(number: int | None, date: str) -> Build:
    """The build of that number, or, where None, of that date ("2025-02-02", "2025-02", "2025")."""

    def since(change: tuple[int, str]) -> bool:
        if number is not None:
            return number >= change[0]
        return date >= change[1][: max(4, len(date))] if date else True

    return Build(
        logits_of_batch=not since(_LOGIT_ROWS),
        latent_values=not since(_LATENT_KEYS),
        copies_in_graph=since(_COPIES),
        window_cache=since(_WINDOW_CACHE),
        padding=(256, 256) if since(_PADDING) else (256, 32),
        default_slots=4 if since(_SLOTS) else 1,
        flash_by_default=since(_FLASH),
    )
