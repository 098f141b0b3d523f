"""The doors: without a sub-command the screen opens, with one an answer is printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

from llm_lander_tui.errors import LanderError, RefusedModel, SourceError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from llm_lander_tui.launch import LaunchOptions
    from llm_lander_tui.planner.launched import Launched
    from llm_lander_tui.planner.question import Question

FITS, DOES_NOT_FIT, WRONG_USE, SOURCE_FAILED = 0, 1, 2, 3
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line. Exit status: 0 fits, 1 does not fit, 2 wrong use, 3 a source failed."""
    arguments, command = _split(list(sys.argv[1:] if argv is None else argv))
    try:
        status = _run(arguments, command)
        if sys.stdout is not None:
            sys.stdout.flush()
    except UsageError as error:
        return _complain(error, WRONG_USE)
    except LanderError as error:
        return _complain(error, SOURCE_FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return FITS
    except OSError as error:
        _drop_output()
        return _complain(SourceError("System", f"A call failed: {error}."), SOURCE_FAILED)
    except Exception as error:  # noqa: BLE001
        from llm_lander_tui.storage.crash import BROKEN, crashed

        return _complain(crashed(error), BROKEN)
    return status


def _run(arguments: list[str], command: list[str]) -> int:
    """Do what is asked; the screen alone does not wait for the parser of all that can be asked."""
    if not arguments and not command:
        return _open(None)
    import argparse

    from llm_lander_tui.arguments import parser, refuse_lost

    runs = {"": _screen, "fit": _fit, "model": _model, "gpus": _gpus, "models": _models}
    runs["accuracy"] = _accuracy
    args = parser(runs).parse_args(arguments, argparse.Namespace(command=command))
    refuse_lost(args)
    return cast("Callable[[argparse.Namespace], int]", args.run)(args)


def _drop_output() -> None:
    """Send what is still buffered nowhere, so that it does not fail once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The program's own arguments, and the start command that follows `--`."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _complain(error: LanderError, status: int) -> int:
    sys.stderr.write(f"llm-lander: {error}\n")
    return status


def _question(args: argparse.Namespace) -> Question:
    from llm_lander_tui.planner.question import DEFAULT_ENGINE, Question
    from llm_lander_tui.planner.scenario import DEFAULT_MARGIN
    from llm_lander_tui.units import MIB

    return Question(
        engine=DEFAULT_ENGINE if args.engine is None else args.engine,
        weights=args.weights,
        kv=args.kv,
        context=args.context,
        concurrency=1 if args.concurrency is None else args.concurrency,
        margin_bytes=DEFAULT_MARGIN if args.margin_mib is None else args.margin_mib * MIB,
        tensor_parallel=getattr(args, "tp", None),
        pipeline_parallel=getattr(args, "pp", None),
    )


def _screen(args: argparse.Namespace) -> int:
    from llm_lander_tui.launch import LaunchOptions
    from llm_lander_tui.units import MIB

    _refuse_unknown(args)
    return _open(
        LaunchOptions(
            model=args.model,
            gpu=args.gpu,
            engine=args.engine,
            weights=args.weights,
            kv=args.kv,
            context=args.context,
            concurrency=args.concurrency or 1,
            margin_bytes=None if args.margin_mib is None else args.margin_mib * MIB,
            demo=args.demo,
            resume=args.resume,
            launched=_launched(args) if args.command else None,
        )
    )


def _open(options: LaunchOptions | None) -> int:
    """The full-screen program; raises `UsageError` without a terminal."""
    # Textual draws on the standard error, which stays with the terminal when output is piped.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise UsageError(
            "No terminal",
            "The full-screen program needs a terminal.",
            "Use a command such as `llm-lander fit MODEL`; `llm-lander --help` lists them.",
        )
    import gc

    # Nothing that a start imports is garbage: the first frame does not wait for it to be searched.
    gc.disable()
    from llm_lander_tui.app import run

    return run(options)


def _refuse_unknown(args: argparse.Namespace) -> None:
    """Raise `UsageError` for what nobody can have, before the screen hides what is said."""
    if not (args.context is args.concurrency is args.margin_mib is None):
        from llm_lander_tui.planner.question import check_numbers

        check_numbers(_question(args))
    if args.kv is not None:
        from llm_lander_tui.planner.choices import kv_named

        kv_named(args.kv, args.engine)
    if args.engine is not None:
        from llm_lander_tui.engines import registry

        registry.get(args.engine)
    if args.weights is not None:
        from llm_lander_tui.memory import recipes

        recipes.get(args.weights)
    if args.gpu is not None:
        from llm_lander_tui.gpus.catalog import parse_gpus

        parse_gpus(args.gpu)


def _fit(args: argparse.Namespace) -> int:
    from llm_lander_tui import api

    if args.command:
        report = _fit_launched(_launched(args), args)
    elif args.model is None:
        raise UsageError("No model", "fit needs a model.", "`llm-lander models` lists some.")
    else:
        report = api.fit(
            args.model, _question(args), gpu=args.gpu, gpus=args.gpus, free_mib=args.free_mib
        )
    if args.json:
        import json

        print(json.dumps(report, ensure_ascii=False, indent=2))  # noqa: T201
    else:
        from llm_lander_tui.printed import fit_text

        print(fit_text(report))  # noqa: T201
    plan = cast("Mapping[str, object]", report["plan"])
    return FITS if plan["fits"] else DOES_NOT_FIT


def _fit_launched(launched: Launched, args: argparse.Namespace) -> Mapping[str, object]:
    """The answer to a start command, on the cards that it may see where none are named."""
    from llm_lander_tui import api
    from llm_lander_tui.gpus.visible import VARIABLE
    from llm_lander_tui.machine import nvml_source
    from llm_lander_tui.models.hub_errors import HubUnreachable

    seen = {} if launched.visible is None else {VARIABLE: launched.visible}
    try:
        report = api.fit(
            launched.model,
            launched.question,
            gpu=args.gpu,
            gpus=args.gpus,
            free_mib=args.free_mib,
            source=nvml_source({**os.environ, **seen}),
        )
    except HubUnreachable:
        if launched.otherwise is None:
            raise
        return _fit_launched(launched.otherwise, args)
    return {**report, "warnings": [*launched.said, *cast("Sequence[str]", report["warnings"])]}


def _launched(args: argparse.Namespace) -> Launched:
    """The start command, with what was said before `--` in place of the command's own."""
    from dataclasses import replace

    from llm_lander_tui.planner.launched import parse_command

    launched = parse_command(args.command)
    if args.model is not None:
        launched = replace(launched, model=args.model, otherwise=None)
    other = launched.otherwise
    return replace(
        launched,
        question=_overridden(launched.question, args),
        otherwise=other and replace(other, question=_overridden(other.question, args)),
    )


def _overridden(question: Question, args: argparse.Namespace) -> Question:
    from dataclasses import replace

    own = _question(args)
    given = {"weights": args.weights, "kv": args.kv, "context": args.context}
    given |= {"concurrency": args.concurrency, "tensor_parallel": own.tensor_parallel}
    given |= {"pipeline_parallel": own.pipeline_parallel}
    if args.engine is not None and args.engine.lower() != question.engine.lower():
        # Another engine's options and cache formats mean nothing to this one.
        question = replace(question, engine=args.engine, kv=None, options=None)
    named = {name: value for name, value in given.items() if value is not None}
    return replace(question, margin_bytes=own.margin_bytes, **named)


def _model(args: argparse.Namespace) -> int:
    import json

    from llm_lander_tui.memory.format_sizes import format_sizes
    from llm_lander_tui.models.sources import resolve
    from llm_lander_tui.models.summary import refusal, summary
    from llm_lander_tui.printed import model_text

    failed = False
    for name in args.models:
        try:
            model = resolve(name)
            report = summary(model) | {"formats": format_sizes(model)}
        except RefusedModel as error:
            report = refusal(name, error)
        except SourceError as error:
            failed = True
            report = {"name": name, "error": str(error)}
        text = json.dumps(report, ensure_ascii=False) if args.json else model_text(report)
        print(text)  # noqa: T201
    return SOURCE_FAILED if failed else FITS


def _gpus(args: argparse.Namespace) -> int:
    from llm_lander_tui.machine import nvml_source, read_within, require_gpus
    from llm_lander_tui.printed import gpus_text

    gpus = require_gpus(read_within(nvml_source()))
    if args.json:
        import json

        print(json.dumps([gpu.as_json() for gpu in gpus], indent=2))  # noqa: T201
    else:
        print(gpus_text(gpus))  # noqa: T201
    return FITS


def _models(args: argparse.Namespace) -> int:
    from llm_lander_tui.models import presets

    words = [word.lower() for word in args.words]
    found = [name for name in presets.names() if all(word in name.lower() for word in words)]
    if not found:
        raise UsageError(
            "No such preset",
            f"No model known without a network holds {' and '.join(map(repr, args.words))}.",
            "`llm-lander models` lists all; `llm-lander fit OWNER/NAME` asks the Hub.",
        )
    print("\n".join(found))  # noqa: T201
    return FITS


def _accuracy(args: argparse.Namespace) -> int:
    from llm_lander_tui.accuracy.command import run

    return run(args.files, configs=args.configs, engine=args.engine, as_json=args.json)
