"""Answers as text for people who print instead of opening the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_lander_tui.gpus.gpu import Gpu
from llm_lander_tui.units import MIB, format_bytes, format_count, format_tokens

Report = Mapping[str, Any]


def fit_text(report: Report) -> str:
    """The blocks per weight format that R63 asks for, then the verdict and the start command."""
    model, plan = report["model"], report["plan"]
    free_mb = sum(gpu["free_vram_mb"] for gpu in report["gpus"])
    size = format_count(model["parameters"]).replace(" ", "")
    lines = []
    for name, result in report["results"].items():
        lines += [
            f"=== {model['name']} (quant={name}) (params={size}) ===",
            f"free_vram_mb: {free_mb}",
            *(f"{key}: {_plain(value)}" for key, value in result.items()),
            "",
        ]
    return "\n".join([*lines, *_verdict(report, plan), *_advice(report)])


def _verdict(report: Report, plan: Report) -> list[str]:
    gpus = report["gpus"]
    names = ", ".join(dict.fromkeys(g["gpu_name"] for g in gpus))
    on = f"{len(gpus)} x {names}" if len(gpus) > 1 else names
    what = f"{report['model']['name']}, {report['weights']} weights, {report['kv']} cache"
    head = f"{what}, {report['engine']}, on {on}:"
    if plan["fits"]:
        spare = format_bytes(min((b["spare_bytes"] for b in plan["budgets"]), default=0))
        tail = f"lands with {format_tokens(plan['context'])} tokens of context, {spare} to spare."
    elif plan["problems"]:
        tail = "does not start. " + " ".join(plan["problems"])
    else:
        short = format_bytes(plan["short_bytes"])
        tail = f"does not land at {format_tokens(plan['context'])} tokens: {short} are missing."
    bound = "memory" if plan["binding"] == "memory" else "the model's own limit"
    likely, safe = plan["max_context_length"], plan["safe_context_length"]
    sure = f" ({format_tokens(safe)} are safe)" if safe < likely else ""
    longest = f"Largest context {format_tokens(likely)}{sure}, bound by {bound}."
    return [head, f"  {tail}", f"  {longest}"]


def _advice(report: Report) -> list[str]:
    recommended = report["recommended"]
    lines = [] if recommended is None else [f"  Recommended: {recommended['reason']}"]
    lines += _scaling(report)
    lines += [f"  {line}" for line in report["plan"]["command"].splitlines()]
    return [*lines, *(f"! {warning}" for warning in report["warnings"])]


def _scaling(report: Report) -> list[str]:
    scaling, cards = report["scaling"], len(report["gpus"])
    if scaling is None or cards < 2 or len(scaling["gpus"]) == cards:
        return []
    tensor, pipeline = scaling["tensor_parallel"], scaling["pipeline_parallel"]
    ways = [
        f"{name} parallel {degree}"
        for name, degree in (("tensor", tensor), ("pipeline", pipeline))
        if degree > 1
    ]
    needed = len(scaling["gpus"])
    divided = f" ({', '.join(ways)})" if ways else ""
    return [f"  {needed} of the {cards} GPUs would hold it{divided}."]


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def gpus_text(gpus: Sequence[Gpu]) -> str:
    """A line per GPU: index, name, free of total, and its processes beneath."""
    width = max(len(gpu.name) for gpu in gpus)
    lines = []
    for gpu in gpus:
        lines.append(
            f"{gpu.index:>2}  {gpu.name:<{width}}  {format_bytes(gpu.free_bytes):>9} free"
            f" of {format_bytes(gpu.total_bytes)}"
        )
        lines += [
            f"      {p.pid:>8}  {_held(p.memory_bytes):>9}  {p.user or '?'}  {p.command or '?'}"
            for p in gpu.processes or ()
        ]
    return "\n".join(lines)


def _held(size: int | None) -> str:
    return "?" if size is None else f"{size // MIB} MiB"


def model_text(report: Report) -> str:
    """What a model is made of, a line per figure."""
    if reason := report.get("refused") or report.get("error"):
        return f"{report['name']}: {reason}"
    parts = ", ".join(f"{part} {format_count(n)}" for part, n in report["parts"].items() if n)
    layers = report["layers"]
    kinds = "; ".join(
        f"{title} " + ", ".join(f"{kind} {n}" for kind, n in layers[title].items())
        for title in ("attention", "mlp")
    )
    sizes = ", ".join(f"{name} {format_bytes(n)}" for name, n in report["formats"].items())
    return "\n".join(
        [
            f"{report['name']} ({report['model_type']})",
            f"  parameters  {report['parameters']:,} ({report['active_parameters']:,} active)",
            f"  parts       {parts}",
            f"  layers      {kinds}",
            f"  KV cache    {report['kv_bytes_per_token']:,} bytes per token at 16 bits",
            f"  state       {report['state_bytes_per_sequence']:,} bytes per sequence",
            f"  context     {_limit(report['context_limit'])}",
            f"  formats     {sizes}",
        ]
    )


def _limit(limit: int | None) -> str:
    return "no limit stated" if limit is None else f"{format_tokens(limit)} tokens"
