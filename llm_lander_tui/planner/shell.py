"""The words of a command as a person copied it: prompts, line breaks, variables, comments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from llm_lander_tui.errors import UsageError

END = ";"
"""Stands where one line's command ends and the next begins."""
_ENDS = re.compile(r";|&&?|\|\|?|(?:\d|&)?>.*|<.*")

_PROMPT = re.compile(
    r"\s*(?:\([\w.+ -]+\)\s*)*"  # (environment)
    r"(?:\[?[\w.-]+@[\w.-]+[^\]$#%>❯➜»]*\]?\s*[$#%>❯➜»]|[$%>❯➜»]|PS [^>]*>)\s+"
)
_FENCE = re.compile(r"\s*```")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_CONTINUED = re.compile(r"(?:\\|(?<=\s)[`^])\s*$")
"""A backslash at the end of a line; PowerShell writes a backtick, Windows' own shell a caret."""
_ASSIGNMENT = re.compile(r"(?:--env=|-e)?([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_CONTAINER_CARDS = re.compile(r"(?:--gpus=)?\"?device=([\w,/-]+)\"?|nvidia\.com/gpu=([\w-]+)")
_CARDS, _CONTAINER = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"
_ALL_CARDS = frozenset(("all", "none", "void", ""))


def command_words(text: str) -> list[str]:
    """The words of all commands in a text, `END` after each line's, variables put in.

    What a terminal or a page adds around a command is left out: prompts, fences, comments, the
    bodies of heredocs. A line that begins with a flag belongs to the one above it. Raises
    `UsageError` for a quotation that does not end.
    """
    lines = text.splitlines()
    found = _words(line for line in lines if not line.lstrip().startswith("#"))
    # A lone line behind a "#" is root's prompt.
    found = found or _words(line.lstrip().removeprefix("#") for line in lines)
    values = assignments(found)
    return [_VARIABLE.sub(lambda m: values.get(m[1] or m[2], m[0]), word) for word in found]


def until_end(words: Sequence[str]) -> list[str]:
    """The words before the one with which the shell ends a command or sends its output away."""
    return list(takewhile(lambda word: _ENDS.fullmatch(word) is None, words))


def unfinished(text: str) -> bool:
    """Whether a shell would wait for more: a line that goes on, or a quotation or heredoc open."""
    lines = text.splitlines()
    if not lines:
        return False
    heredoc = _HEREDOC.search(text)
    if heredoc is not None and heredoc[1] not in (line.strip() for line in lines):
        return True
    if _CONTINUED.search(lines[-1]):
        return True
    try:
        shlex.split(lines[-1] if heredoc else text)
    except ValueError:
        return heredoc is None
    return False


def assignments(words: Sequence[str]) -> dict[str, str]:
    """Variables that words set, and as CUDA_VISIBLE_DEVICES the cards that a container is given."""
    found: dict[str, str] = {}
    for word in words:
        cards = _CONTAINER_CARDS.fullmatch(word)
        if cards is not None and (cards[1] or cards[2]) not in _ALL_CARDS:
            found.setdefault(_CARDS, cards[1] or cards[2])
        elif match := _ASSIGNMENT.fullmatch(word):
            found[match[1]] = match[2]
    if found.get(_CONTAINER, "") not in _ALL_CARDS:
        found.setdefault(_CARDS, found[_CONTAINER])
    return found


def folded(command: str, width: int) -> str:
    """The same command in lines of at most `width` characters, as far as its words allow.

    Shell lines go on after a backslash, with each flag beside its value; Python in a heredoc is
    broken inside brackets, a comment goes on in another one.
    """
    lines, end = [], ""
    for line in command.splitlines():
        if len(line) <= width:
            lines.append(line)
        elif line.startswith("#"):
            lines += _filled([f"{word} " for word in line.split()], width, "", COMMENT)
        elif end:
            lines += _filled(_ARGUMENTS.findall(line), width, "", _INDENT)
        else:
            lines += _filled(_with_values(_TOKENS.findall(line)), width, "\\", _INDENT)
        if heredoc := _HEREDOC.search(line):
            end = heredoc[1]
        elif line.strip() == end:
            end = ""
    return "\n".join(lines)


_TOKENS = re.compile(r"(?:[^\s'\"]|'[^']*'|\"[^\"]*\")+")
_ARGUMENTS = re.compile(r"(?:[^,('\"]|'[^']*'|\"[^\"]*\")*(?:[,(]|$)")
_INDENT = "    "
COMMENT = "#     "
"""Begins the line in which a comment goes on."""


def unfolded(text: str) -> str:
    """A text with the comments whole that `folded` broke."""
    return text.replace(f"\n{COMMENT}", " ")


def _with_values(words: Iterable[str]) -> Iterator[str]:
    """Words with a blank behind them, a flag together with its value."""
    flag = ""
    for word in words:
        if word.startswith("-") and flag:
            yield flag
        if word.startswith("-"):
            flag = f"{word} "
        else:
            yield f"{flag}{word} "
            flag = ""
    if flag:
        yield flag


def _filled(pieces: Iterable[str], width: int, mark: str, indent: str) -> list[str]:
    """Pieces in lines of at most `width` cells, each but the last ending in `mark`."""
    lines = [""]
    for piece in pieces:
        if lines[-1].strip() and len(lines[-1] + piece.rstrip()) + 2 * len(mark) > width:
            lines[-1] = lines[-1].rstrip() + (f" {mark}" if mark else "")
            lines.append(indent + piece.lstrip())
        else:
            lines[-1] += piece
    lines[-1] = lines[-1].rstrip()
    return lines


def _words(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    waiting = ""
    for line in _commands(lines):
        waiting = f"{waiting}\n{line}" if waiting else line
        try:
            words = shlex.split(waiting)
        except ValueError as error:
            unread = error
            continue
        waiting = ""
        comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if words[:comment]:
            if found and words[0].startswith("-"):
                found.pop()
            for word in words[:comment]:
                found += [word[:-1], END] if word != END and word.endswith(END) else [word]
            found.append(END)
    if waiting:
        raise UsageError("Not a command", f"The line cannot be read: {unread}.") from unread
    return found


def _commands(lines: Iterable[str]) -> Iterator[str]:
    """Lines without prompts and heredoc bodies, those that go on joined with the next."""
    joined, end = "", ""
    for raw in lines:
        if end or _FENCE.match(raw):
            end = "" if raw.strip() == end else end
            continue
        line = _PROMPT.sub("", raw, count=1) if _PROMPT.match(raw) else raw.lstrip().lstrip("!")
        if heredoc := _HEREDOC.search(line):
            end = heredoc[1]
        if _CONTINUED.search(line):
            joined += _CONTINUED.sub("", line) + " "
        else:
            yield joined + line
            joined = ""
    if joined:
        yield joined
