"""The typed failures of the program: a title, a sentence and a remedy, never a traceback."""

from __future__ import annotations


class LanderError(Exception):
    """Something a person has to know about.

    `title` names the failure in a few words, `message` is one sentence of what happened and
    `remedy` one sentence of what to do about it.
    """

    def __init__(self, title: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.title = title
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.title}: {self.message}" + (f" {self.remedy}" if self.remedy else "")


class UsageError(LanderError):
    """The question is malformed: an unknown engine, format or GPU name (exit status 2)."""


class SourceError(LanderError):
    """A source of models or GPUs could not answer (exit status 3)."""


class RefusedModel(SourceError):
    """The model was read, and is not one that this program can plan (the message says why)."""
