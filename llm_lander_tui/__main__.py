"""`python -m llm_lander_tui`."""

from llm_lander_tui.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
