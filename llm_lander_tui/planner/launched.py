"""The way back: the start command of a server, read into the question that it answers."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from llm_lander_tui.engines import registry
from llm_lander_tui.errors import UsageError
from llm_lander_tui.planner.question import Question


@dataclass(frozen=True, slots=True)
class Launched:
    """A start command understood: the model it names, the question, and words left unread."""

    model: str
    question: Question
    unread: tuple[str, ...] = ()


def _number(text: str) -> int:
    """An integer as servers take it, with the suffixes that vLLM allows ("32k", "1M")."""
    scale = {"k": 1000, "K": 1024, "m": 10**6, "M": 2**20}.get(text[-1:], 1)
    return round(float(text[:-1] if scale != 1 else text) * scale)


def _yes(_: str) -> bool:
    return True


def _no(_: str) -> bool:
    return False


def _switch(text: str) -> str:
    return {"1": "on", "true": "on", "0": "off", "false": "off"}.get(text.lower(), text.lower())


@dataclass(frozen=True, slots=True)
class Flag:
    """What a flag sets, and how its value is read; `alone` flags take no value.

    `sets` is a field of the question, or "model", "k", "v", or a field of the engine's options.
    """

    sets: str
    read: Callable[[str], object] = str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server is started: its engine, how its command is recognised, its flags.

    `starts` are word sequences that begin the arguments; `slots_share` tells that the context flag
    holds for all sequences together; `positional` that the first bare word is the model.
    """

    engine: str
    starts: tuple[tuple[str, ...], ...]
    flags: Mapping[str, Flag]
    slots_share: bool = False
    positional: bool = False


def _flags(**named: Flag) -> dict[str, Flag]:
    return {"--" + name.replace("_", "-"): flag for name, flag in named.items()}


_LLAMA_CPP = Dialect(
    "llama.cpp",
    (("llama-server",), ("llama-cli",), ("server",)),
    {
        **dict.fromkeys(("-m", "--model", "-hf", "--hf-repo", "-hfr"), Flag("model")),
        **dict.fromkeys(("-c", "--ctx-size"), Flag("context", _number)),
        **dict.fromkeys(("-np", "--parallel"), Flag("concurrency", _number)),
        **dict.fromkeys(("-ctk", "--cache-type-k"), Flag("k")),
        **dict.fromkeys(("-ctv", "--cache-type-v"), Flag("v")),
        **dict.fromkeys(("-ngl", "--gpu-layers", "--n-gpu-layers"), Flag("gpu_layers", _number)),
        **dict.fromkeys(("-ncmoe", "--n-cpu-moe"), Flag("cpu_moe_layers", _number)),
        **dict.fromkeys(("-ub", "--ubatch-size"), Flag("ubatch", _number)),
        **dict.fromkeys(("-b", "--batch-size"), Flag("batch", _number)),
        **dict.fromkeys(("-fa", "--flash-attn"), Flag("flash_attention", _switch)),
        **dict.fromkeys(("-nkvo", "--no-kv-offload"), Flag("kv_offload", _no, alone=True)),
        "--swa-full": Flag("swa_full", _yes, alone=True),
        "--kv-unified": Flag("kv_unified", _yes, alone=True),
        "--no-kv-unified": Flag("kv_unified", _no, alone=True),
        "--no-mmap": Flag("mmap", _no, alone=True),
        **dict.fromkeys(("-sm", "--split-mode"), Flag("split_mode")),
    },
    slots_share=True,
)
_VLLM = Dialect(
    "vllm",
    (("vllm", "serve"), ("-m", "vllm.entrypoints.openai.api_server"), ("api_server.py",)),
    {
        **_flags(
            model=Flag("model"),
            max_model_len=Flag("context", _number),
            max_num_seqs=Flag("max_num_seqs", _number),
            max_num_batched_tokens=Flag("max_num_batched_tokens", _number),
            gpu_memory_utilization=Flag("gpu_memory_utilization", float),
            tensor_parallel_size=Flag("tensor_parallel", _number),
            pipeline_parallel_size=Flag("pipeline_parallel", _number),
            kv_cache_dtype=Flag("kv"),
            block_size=Flag("block_size", _number),
            enforce_eager=Flag("enforce_eager", _yes, alone=True),
            enable_expert_parallel=Flag("enable_expert_parallel", _yes, alone=True),
        ),
        "-tp": Flag("tensor_parallel", _number),
        "-pp": Flag("pipeline_parallel", _number),
    },
    positional=True,
)
_SGLANG = Dialect(
    "sglang",
    (("-m", "sglang.launch_server"), ("sglang", "serve")),
    _flags(
        model_path=Flag("model"),
        model=Flag("model"),
        context_length=Flag("context", _number),
        max_running_requests=Flag("max_running_requests", _number),
        mem_fraction_static=Flag("mem_fraction_static", float),
        chunked_prefill_size=Flag("chunked_prefill_size", _number),
        tp=Flag("tensor_parallel", _number),
        tp_size=Flag("tensor_parallel", _number),
        tensor_parallel_size=Flag("tensor_parallel", _number),
        pp_size=Flag("pipeline_parallel", _number),
        kv_cache_dtype=Flag("kv"),
    ),
)
_TGI = Dialect(
    "tgi",
    (("text-generation-launcher",),),
    _flags(
        model_id=Flag("model"),
        max_total_tokens=Flag("context", _number),
        max_concurrent_requests=Flag("concurrency", _number),
        num_shard=Flag("tensor_parallel", _number),
        kv_cache_dtype=Flag("kv"),
        cuda_memory_fraction=Flag("cuda_memory_fraction", float),
        max_batch_prefill_tokens=Flag("max_batch_prefill_tokens", _number),
    ),
)
_TENSORRT_LLM = Dialect(
    "tensorrt-llm",
    (("trtllm-serve", "serve"), ("trtllm-serve",)),
    {
        "--max_seq_len": Flag("context", _number),
        "--max_batch_size": Flag("concurrency", _number),
        "--max_num_tokens": Flag("max_num_tokens", _number),
        "--tp_size": Flag("tensor_parallel", _number),
        "--pp_size": Flag("pipeline_parallel", _number),
        "--kv_cache_free_gpu_memory_fraction": Flag("free_gpu_memory_fraction", float),
    },
    positional=True,
)
_LMDEPLOY = Dialect(
    "lmdeploy",
    (("lmdeploy", "serve", "api_server"),),
    _flags(
        session_len=Flag("context", _number),
        max_batch_size=Flag("concurrency", _number),
        cache_max_entry_count=Flag("cache_max_entry_count", float),
        tp=Flag("tensor_parallel", _number),
    ),
    positional=True,
)
_OLLAMA = Dialect("ollama", (("ollama", "run"),), {}, positional=True)

DIALECTS = (_LLAMA_CPP, _VLLM, _SGLANG, _TGI, _TENSORRT_LLM, _LMDEPLOY, _OLLAMA)


def parse_command(command: str | Sequence[str]) -> Launched:
    """The question behind a start command of any engine that is known here.

    Raises `UsageError` when no server is recognised, the model is missing or a value is not one.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise UsageError("Not a command", f"The line cannot be read: {error}.") from error
    dialect, rest = _recognised(words)
    found, unread = _read(dialect, rest)
    model = found.pop("model", None)
    if not isinstance(model, str):
        raise UsageError("No model", f"The {dialect.engine} command names no model.")
    return Launched(_model_name(dialect, model), _question(dialect, found), tuple(unread))


def _recognised(words: Sequence[str]) -> tuple[Dialect, list[str]]:
    names = [os.path.basename(word) for word in words]  # noqa: PTH119
    for dialect in DIALECTS:
        for start in dialect.starts:
            for at in range(min(len(words), 12)):
                if tuple(names[at : at + len(start)]) == start:
                    return dialect, list(words[at + len(start) :])
    known = ", ".join(" ".join(dialect.starts[0]) for dialect in DIALECTS)
    raise UsageError("Unknown command", "No server is recognised in it.", f"Known: {known}.")


def _read(dialect: Dialect, words: list[str]) -> tuple[dict[str, object], list[str]]:
    found: dict[str, object] = {}
    unread: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        flag = dialect.flags.get(name) or dialect.flags.get(_dashed(name))
        if flag is None:
            if dialect.positional and not word.startswith("-") and "model" not in found:
                found["model"] = word
            else:
                unread.append(word)
            continue
        text = "" if flag.alone else value if equals else _next(rest, name)
        try:
            found[flag.sets] = flag.read(text)
        except ValueError as error:
            raise UsageError("Not a value", f"{name} cannot be {text!r}.") from error
    return found, unread


def _dashed(name: str) -> str:
    return "--" + name[2:].replace("_", "-") if name.startswith("--") else name


def _next(rest: Iterator[str], name: str) -> str:
    value = next(rest, None)
    if value is None:
        raise UsageError("Incomplete", f"{name} needs a value.")
    return value


def _model_name(dialect: Dialect, model: str) -> str:
    return f"ollama:{model}" if dialect is _OLLAMA else model


@dataclass(slots=True)
class _Split:
    question: dict[str, object] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)


def _question(dialect: Dialect, found: dict[str, object]) -> Question:
    engine = registry.get(dialect.engine)
    k, v = found.pop("k", None), found.pop("v", None)
    if k or v:
        k, v = k or "f16", v or "f16"
        found["kv"] = k if k == v else f"{k}/{v}"
    if found.get("kv") in {"auto", "bfloat16", "float16"}:
        del found["kv"]
    split = _Split()
    asked = {f.name for f in fields(Question)}
    defaults = engine.default_options
    known = {f.name: type(getattr(defaults, f.name)) for f in fields(defaults)}  # type: ignore[arg-type]
    for name, value in found.items():
        if name in asked:
            split.question[name] = value
        elif name in known:
            split.options[name] = known[name](value) if isinstance(value, str) else value
    slots, context = split.question.get("concurrency", 1), split.question.get("context")
    if dialect.slots_share and isinstance(context, int) and isinstance(slots, int) and slots > 1:
        split.question["context"] = context // slots
    if not split.question.get("context"):
        split.question.pop("context", None)
    if split.options:
        split.question["options"] = replace(defaults, **split.options)  # type: ignore[type-var]
    return replace(Question(engine=engine.id), **split.question)  # type: ignore[arg-type]
