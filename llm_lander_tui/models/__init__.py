"""What a model is, and the ways one comes in."""
