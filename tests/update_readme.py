"""Puts today's output of `llm-lander accuracy` into the README: python tests/update_readme.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- accuracy -->", "<!-- /accuracy -->"
SECTIONS = 3
"""The summary, the errors by engine and quantity, and those by quantity."""


def accuracy_text() -> str:
    """The first sections of the command's text, without the single worst records."""
    command = [sys.executable, "-m", "llm_lander_tui", "accuracy"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    sections = found.stdout.split("\n\n")[:SECTIONS]
    kept = (line for part in sections for line in (*part.splitlines(), ""))
    return "\n".join(line for line in kept if not line.startswith("  worst")).rstrip()


def main() -> None:
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    block = f"{BEGIN}\n\n```\n{accuracy_text()}\n```\n\n{END}"
    README.write_text(f"{head}{block}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
