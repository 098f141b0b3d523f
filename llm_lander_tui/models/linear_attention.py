"""Mixers with a constant state: state-space and linear-attention kinds."""
