"""The way back: the start command of a server, read into the question that it answers."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from llm_lander_tui.engines import registry
from llm_lander_tui.engines.checkpoint_words import CAST, named_in_comment
from llm_lander_tui.errors import UsageError
from llm_lander_tui.planner.dialects import (
    DIALECTS,
    DTYPES,
    HARMLESS,
    LARGEST,
    LLAMA_CPP,
    OLLAMA,
    OLLAMA_ENVIRONMENT,
    Dialect,
    Flag,
)
from llm_lander_tui.planner.named import NamedModel, by_name
from llm_lander_tui.planner.question import Question
from llm_lander_tui.planner.scenario import Lora
from llm_lander_tui.planner.served import Served
from llm_lander_tui.planner.shell import assignments, command_words, unfolded, until_end
from llm_lander_tui.planner.snippets import Found, read_modelfile, read_snippet

_INLINE_FILE = re.compile(r"--(?:extra_llm_api_options|config)[ =]<\(printf '([^']*)'\)")
"""A file of settings that TensorRT-LLM reads, written within its own command."""
LORA_RANK = 16
"""The largest rank of LoRA adapters where none is named: vLLM's default."""
_CONTAINERS = frozenset(("docker", "podman", "nerdctl"))


class UnknownServer(UsageError):
    """No server is recognised in a text: it may be no start command at all."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A start command understood.

    `unread` are flags with their values that mean something and were not understood; `warnings`
    what was taken for something else than the command says. `visible` is the command's own
    CUDA_VISIBLE_DEVICES, None when it sets none. `otherwise` is what to plan where the model is to
    be read from the Hub and that cannot be reached, None for nothing.
    """

    model: str
    question: Question
    unread: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    visible: str | None = None
    otherwise: Launched | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """Everything that has to be told of the reading, a sentence each."""
        return (*self.warnings, *(f"Not read: {words}." for words in self.unread))

    @property
    def in_words(self) -> str:
        """What is asked, in a line: engine, model, and what the command itself sets."""
        asked = self.question
        made = None if asked.served is None else asked.served.quantize
        parts = [registry.get(asked.engine).title, self.model]
        parts += [f"{word} weights" for word in (asked.weights, made) if word]
        parts += [f"{asked.kv} cache"] if asked.kv else []
        parts += [f"{asked.context:,} tokens"] if asked.context else []
        parts += [f"{asked.concurrency} sequences"] if asked.concurrency > 1 else []
        parts += [f"TP {asked.tensor_parallel}"] if (asked.tensor_parallel or 1) > 1 else []
        parts += [f"{asked.lora.adapters} LoRA"] if asked.lora else []
        parts += [f"GPUs {self.visible}"] if self.visible else []
        return " · ".join(parts)


def parse_command(
    command: str | Sequence[str], exists: Callable[[str], bool] = os.path.exists
) -> Launched:
    """The question behind a start command of any engine that is known here.

    Lines and words as a shell takes them; one word with spaces in it is a whole line. `exists`
    tells which paths of models are there to be read: others are planned by their names. Raises
    `UsageError` when no server is recognised, the model is missing or a value is not one.
    """
    if not isinstance(command, str) and len(command) == 1:
        command = command[0]
    text = unfolded(command if isinstance(command, str) else shlex.join(command))
    snippet = read_snippet(text)
    if snippet is not None:
        engine, found = snippet
        words = command_words(text) if "<<" in text else []
        return _launched(text, engine, found, assignments(words), exists)
    settings = _INLINE_FILE.search(text)
    words = command_words(_INLINE_FILE.sub("", text))
    environment = assignments(words)
    dialect, rest = _recognised(words)
    unread: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    if dialect is OLLAMA:
        found = _ollama(words, rest, environment)
    else:
        found, unread, warnings = _read(dialect, rest)
    if settings is not None and (kv := re.search(r"\bdtype:\s*(\w+)", settings[1])):
        found["kv"] = kv[1]
    _normalise(dialect, found)
    launched = _launched(text, dialect.engine, found, environment, exists, unread=unread)
    return _warned(launched, warnings)


def _warned(launched: Launched, warnings: tuple[str, ...]) -> Launched:
    """With more warnings, on what is planned instead as well."""
    other = launched.otherwise
    return replace(
        launched,
        warnings=launched.warnings + warnings,
        otherwise=other and replace(other, warnings=other.warnings + warnings),
    )


def is_command(text: str) -> bool:
    """Whether a server's start command is recognised in a text, complete or not."""
    try:
        return read_snippet(text) is not None or bool(_recognised(command_words(text)))
    except UsageError:
        return False


def _recognised(words: Sequence[str]) -> tuple[Dialect, list[str]]:
    """The server that words start, and the words after those that start it."""
    names = [os.path.basename(word) for word in words]  # noqa: PTH119
    contained: tuple[Dialect, int] | None = None
    for at in range(len(words)):
        if contained is None and _CONTAINERS.intersection(names[:at]):
            image = names[at].partition(":")[0]
            contained = next(((d, at + 1) for d in DIALECTS if image in d.images), None)
        for dialect in DIALECTS:
            for start in dialect.starts:
                # Containers and directories are named "server", too.
                alone = start == ("server",) and "/" not in words[at] and at
                if tuple(names[at : at + len(start)]) == start and not alone:
                    return dialect, list(words[at + len(start) :])
    if contained is not None:
        dialect, first = contained
        return dialect, list(words[first:])
    known = ", ".join(" ".join(dialect.starts[0]) for dialect in DIALECTS)
    raise UnknownServer("Unknown command", "No server is recognised in it.", f"Known: {known}.")


def _read(dialect: Dialect, words: list[str]) -> tuple[Found, tuple[str, ...], tuple[str, ...]]:
    """What the flags set, those that are not understood with their values, and what to tell."""
    found: Found = {}
    unread: list[str] = []
    warnings: list[str] = []
    rest = iter(_Peekable(until_end(words)))
    for word in rest:
        name, equals, value = word.partition("=")
        flag = _flag(dialect, name)
        if flag is None:
            if not word.startswith("-"):
                if dialect.positional and "model" not in found:
                    found["model"] = word
                else:
                    unread.append(word)
            else:
                unread.append(word if equals else _with_value(word, rest))
            continue
        if flag.bare is not None and not equals and _stands_alone(rest):
            text = flag.bare
            warnings.append(
                f"{name} without a value is taken as {name} {text}, as older builds do; newer "
                "ones want the value."
            )
        else:
            text = "" if flag.alone else value if equals else _next(rest, name)
        try:
            found[flag.sets] = flag.read(text)
        except ValueError as error:
            raise _no_value(name, text) from error
    found.pop("", None)
    if dialect.positional and "model" not in found and unread and " " in unread[-1]:
        # The last flag was a switch: what stood behind it was the model.
        unread[-1], _, found["model"] = unread[-1].partition(" ")
    return found, tuple(unread), tuple(warnings)


def _no_value(name: str, text: str) -> UsageError:
    return UsageError("Not a value", f"{name} cannot be {text!r}.", "Mend it, or leave it out.")


class _Peekable:
    """Words one by one, with a look at the next."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(reversed(words))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._words:
            raise StopIteration
        return self._words.pop()

    def peek(self) -> str | None:
        return self._words[-1] if self._words else None


def _flag(dialect: Dialect, name: str) -> Flag | None:
    dashed = "--" + name[2:].replace("_", "-") if name.startswith("--") else name
    for flags in (dialect.flags, HARMLESS):
        for spelling in (name, dashed):
            if spelling in flags:
                return flags[spelling]
    return None


def _with_value(word: str, rest: Iterator[str]) -> str:
    return word if _stands_alone(rest) else f"{word} {next(rest)}"


def _stands_alone(rest: Iterator[str]) -> bool:
    """Whether no value follows: the words end, or go on with a flag."""
    assert isinstance(rest, _Peekable)
    value = rest.peek()
    return value is None or value.startswith("-")


def _next(rest: Iterator[str], name: str) -> str:
    value = next(rest, None)
    if value is None:
        raise UsageError("Incomplete", f"{name} needs a value.", "Add it, or leave the flag out.")
    return value


def _ollama(words: Sequence[str], rest: list[str], environment: Mapping[str, str]) -> Found:
    """What Ollama's environment and a Modelfile among the words set, else what is run by name."""
    found: Found = {}
    for name, flag in OLLAMA_ENVIRONMENT.items():
        if name in environment:
            try:
                found[flag.sets] = flag.read(environment[name])
            except ValueError as error:
                raise _no_value(name, environment[name]) from error
    modelfile = [word for word in words if re.match(r"(FROM|PARAMETER) ", word)]
    found.update(read_modelfile(modelfile))
    runs = [at for at in range(len(words) - 1) if words[at + 1] == "run" and "ollama" in words[at]]
    rest = list(words[runs[0] + 2 :]) if runs else rest
    named = next((word for word in until_end(rest) if not word.startswith("-")), None)
    if "model" not in found and named is not None:
        found["model"] = named
    return found


def _normalise(dialect: Dialect, found: Found) -> None:
    """Values in this program's words: formats by name, a repository and its file as one model."""
    k, v = found.pop("k", None), found.pop("v", None)
    if k or v:
        k, v = k or "f16", v or "f16"
        found["kv"] = k if k == v else f"{k}/{v}"
    kv = str(found.get("kv", ""))
    kv = (dialect.kv or {}).get(kv, kv)
    if kv in {"", "auto", "bfloat16", "float16"}:
        found.pop("kv", None)
    else:
        found["kv"] = kv
    dtype = DTYPES.get(str(found.pop("dtype", "")))
    stated = found.pop("quantize", None)
    quantize = (dialect.quantize or {}).get(str(stated)) if stated is not None else None
    if quantize or dtype:
        found["quantize"] = quantize or dtype
    repository, file = found.pop("repository", None), found.pop("file", None)
    if repository is not None:
        found["model"] = f"{repository}/{file}" if file is not None else repository
    slots, context = found.get("concurrency"), found.get("context")
    if dialect is LLAMA_CPP and isinstance(slots, int) and slots >= 1:
        # Slots that are asked for share one cache only where that is asked for too.
        found.setdefault("kv_unified", slots == 1)
        if isinstance(context, int):
            found["context"] = context // slots
    adapters = found.pop("max_loras", dialect.adapters), found.pop("max_lora_rank", LORA_RANK)
    if found.pop("enable_lora", False):
        found["lora"] = Lora(*adapters)  # type: ignore[arg-type]
    if dialect.degree is not None:
        found.setdefault("tensor_parallel", dialect.degree)
    if not found.get("context"):
        found.pop("context", None)


def _launched(
    text: str,
    engine_id: str,
    found: Found,
    environment: Mapping[str, str],
    exists: Callable[[str], bool],
    *,
    unread: tuple[str, ...] = (),
) -> Launched:
    named = found.pop("model", None)
    if not isinstance(named, str):
        raise UsageError(
            "No model", f"The {engine_id} command names no model.", "Add the one that it loads."
        )
    if named.startswith("$"):
        raise UsageError(
            "No model",
            f"{named} stands for a model that is not told.",
            f"Put a line {named.strip('${}')}=… above the command, or the name in its place.",
        )
    model = _model(text, engine_id, named, exists)
    quantize = found.pop("quantize", None)
    largest = engine_id == "vllm" and found.get("context") == LARGEST
    if largest:
        del found["context"]
    question = _question(engine_id, found)
    question = replace(
        question,
        # A placeholder for an unquantised checkpoint is quantised as the flags say.
        weights=str(quantize) if quantize is not None and model.weights in CAST else model.weights,
        served=Served(None if quantize is None else str(quantize), largest),
    )
    warnings = model.warnings
    if engine_id == LLAMA_CPP.engine and question.context is None and "--fit off" not in text:
        warnings += (
            "Without --ctx-size llama-server asks for the model's own limit, and its --fit takes "
            "a smaller context or fewer layers where that does not land.",
        )
    launched = Launched(
        model.name, question, unread, warnings, environment.get("CUDA_VISIBLE_DEVICES")
    )
    other = model.otherwise
    if other is None:
        return launched
    by_its_name = replace(
        launched,
        model=other.name,
        question=replace(question, weights=other.weights),
        warnings=other.warnings + warnings,
    )
    return replace(launched, otherwise=by_its_name)


def _model(text: str, engine_id: str, named: str, exists: Callable[[str], bool]) -> NamedModel:
    commented = named_in_comment(text, named)
    if commented is not None:
        return NamedModel(*commented)
    found = by_name(named, exists)
    if engine_id == OLLAMA.engine and found.name == named:
        if (repository := re.sub(r"^(hf\.co|huggingface\.co)/", "hub:", named)) != named:
            return NamedModel(repository)
        if not named.endswith(".gguf"):
            return NamedModel(f"ollama:{named.removeprefix('ollama:')}")
    return found


def _question(engine_id: str, found: Found) -> Question:
    """The question of what was found, engine options among it."""
    engine = registry.get(engine_id)
    defaults = engine.default_options
    asked = {f.name for f in fields(Question)}
    known = {f.name for f in fields(defaults)}  # type: ignore[arg-type]
    question = {name: value for name, value in found.items() if name in asked}
    options = {
        name: _typed(name, value, getattr(defaults, name))
        for name, value in found.items()
        if name in known and name not in asked
    }
    if options:
        question["options"] = replace(defaults, **options)  # type: ignore[type-var]
    return replace(Question(engine=engine.id), **question)  # type: ignore[arg-type]


def _typed(name: str, value: object, default: object) -> object:
    """A word as a value of the default's type; other values are read already."""
    if not isinstance(value, str) or default is None:
        return value
    try:
        return type(default)(value)  # type: ignore[call-arg]
    except ValueError as error:
        raise _no_value(name, value) from error
