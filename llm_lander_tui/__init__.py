"""LLM-Lander: does this model land on these GPUs, with how much context, and how is that known."""

__version__ = "0.1.0"
