"""Predictions against measured logs: the published error of the engines."""
