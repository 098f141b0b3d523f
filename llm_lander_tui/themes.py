"""The program's own two themes: quiet surfaces, and colours kept for meaning."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="lander-dark",
    primary="#7aa7f0",
    secondary="#58c4b4",
    accent="#b79af0",
    warning="#dfb163",
    error="#ef7f86",
    success="#8fcb7e",
    foreground="#d4d9e2",
    background="#10141b",
    surface="#171d27",
    panel="#1f2733",
    dark=True,
    variables={
        "block-cursor-foreground": "#eef2f8",
        "block-cursor-background": "#2b3a54",
        "block-cursor-text-style": "none",
    },
)
LIGHT = Theme(
    name="lander-light",
    primary="#2f62b5",
    secondary="#1b7f74",
    accent="#7450b8",
    warning="#9a6500",
    error="#b9353f",
    success="#3a7d2c",
    foreground="#1f2630",
    background="#fafaf7",
    surface="#efefea",
    panel="#e4e4dd",
    dark=False,
    variables={
        "block-cursor-foreground": "#10141b",
        "block-cursor-background": "#cfdcf2",
        "block-cursor-text-style": "none",
    },
)
