"""The options of the command line: what each command takes, and what means nothing to it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from llm_lander_tui import __version__
from llm_lander_tui.errors import UsageError

Run = Callable[[argparse.Namespace], int]


def parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The parser; `runs` are what the commands do by their names, "" opens the screen.

    What it finds holds besides the options `run`, the `name` of the command, and `takes`: which of
    the screen's options mean something to it.
    """
    parser = argparse.ArgumentParser(
        prog="llm-lander",
        description="Does this model land on these GPUs, with how much context, on which engine.",
        epilog="Without a command the full-screen program opens; `llm-lander -- vllm serve MODEL …`"
        " opens it with the plan of a server's start command.",
    )
    parser.add_argument("--version", action="version", version=f"llm-lander {__version__}")
    _screen_arguments(parser)
    parser.set_defaults(run=runs[""], takes=_SCREEN, name="llm-lander")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(
        name: str,
        takes: tuple[str, ...],
        about: str,
        description: str | None = None,
        epilog: str | None = None,
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=about,
            description=description,
            epilog=epilog,
            # What stands before the command is kept where the command names no value of its own.
            argument_default=argparse.SUPPRESS,
        )
        made.set_defaults(run=runs[name], takes=takes, name=f"llm-lander {name}")
        return made

    fit = command(
        "fit",
        _QUESTION,
        "print whether a model fits, and its largest context, per weight format",
        description="Print, per weight format, the largest context and the memory it takes.",
        epilog="A server's own start command may follow: llm-lander fit -- vllm serve MODEL …",
    )
    fit.add_argument("model", metavar="MODEL", nargs="?", help=_MODEL_HELP)
    _gpu_arguments(fit)
    _question_arguments(fit)
    _json_argument(fit, "print one JSON object")

    model = command("model", (), "print what models are made of")
    model.add_argument("models", metavar="MODEL", nargs="+", help=_MODEL_HELP)
    _json_argument(model, "print one JSON object a line")

    gpus = command("gpus", (), "print the GPUs of this machine")
    _json_argument(gpus, "print a JSON list")

    models = command("models", (), "list the models known without a network")
    models.add_argument(
        "words", metavar="WORD", nargs="*", default=[], help="show those that hold every word"
    )

    accuracy = command("accuracy", ("engine",), "measure the predictions against logged runs")
    accuracy.add_argument(
        "files", metavar="FILE", nargs="*", default=[], help="JSON lines of measured records"
    )
    accuracy.add_argument("--configs", metavar="DIR", action="append", default=[])
    accuracy.add_argument("--engine", metavar="ENGINE")
    _json_argument(accuracy, "print one JSON object a line")
    return parser


_QUESTION = (
    "model", "gpu", "engine", "weights", "kv", "context", "concurrency", "margin_mib",
)  # fmt: skip
_SCREEN = (*_QUESTION, "demo", "resume")
"""The screen's own options; a command shares those of the question."""
_MODEL_HELP = "a preset, a Hugging Face id, a .gguf file, a config.json, a directory, ollama:NAME"


def _json_argument(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--json", action="store_true", default=False, help=about)


def _own_number(parser: argparse.ArgumentParser, option: str, about: str) -> None:
    parser.add_argument(option, metavar="N", type=int, default=None, help=about)


def _gpu_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gpu", metavar="NAME", help='catalogue GPUs: "RTX 4090", "4x H100, L40S"')
    _own_number(parser, "--gpus", "how many of them")
    _own_number(parser, "--free-mib", "free memory of each, in MiB")


def _format_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", metavar="ENGINE", help="llama.cpp, vllm, transformers, …")
    parser.add_argument("--weights", metavar="FORMAT", help="weight format: Q4_K_M, FP8, BF16, …")
    parser.add_argument("--kv", metavar="FORMAT", help="KV cache format: f16, q8_0, fp8, …")
    parser.add_argument("--context", metavar="N", type=int, help="tokens of one sequence")
    parser.add_argument("--concurrency", metavar="N", type=int, help="sequences at once")
    parser.add_argument("--margin-mib", metavar="N", type=int, help="safety margin (500)")


def _question_arguments(parser: argparse.ArgumentParser) -> None:
    _format_arguments(parser)
    _own_number(parser, "--tp", "tensor parallel degree")
    _own_number(parser, "--pp", "pipeline parallel degree")


def _screen_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="MODEL", help="open with " + _MODEL_HELP)
    parser.add_argument("--gpu", metavar="NAME", help='open with catalogue GPUs: "4x RTX 4090"')
    _format_arguments(parser)
    parser.add_argument("--demo", action="store_true", help="open with made-up GPUs")
    parser.add_argument("--resume", action="store_true", help="open with the last scenario")


def refuse_lost(args: argparse.Namespace) -> None:
    """Raise `UsageError` for what stands before a command, or behind `--`, and means nothing to it.

    A command takes over what it shares with the screen (`llm-lander --engine vllm fit MODEL`).
    """
    given = {name: getattr(args, name, None) for name in _SCREEN}
    lost = [name for name, value in given.items() if value not in (None, False)]
    lost = [f"--{name.replace('_', '-')}" for name in lost if name not in args.takes]
    if args.command and "model" not in args.takes:
        lost.append("a start command behind --")
    if lost:
        means = "means" if len(lost) == 1 else "mean"
        raise UsageError(
            "Out of place",
            f"{' and '.join(lost)} {means} nothing to `{args.name}`.",
            f"`{args.name} --help` lists what does.",
        )
