"""How each server is started: the words that begin its command, and what its flags set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite


def number(text: str) -> int:
    """An integer as servers take it, with the suffixes that vLLM allows ("32k", "1M").

    Raises `ValueError` for what is none, and for more than any count is.
    """
    scale = {"k": 1000, "K": 1024, "m": 10**6, "M": 2**20, "g": 10**9, "G": 2**30}.get(text[-1:], 1)
    value = fraction(text[:-1] if scale != 1 else text) * scale
    if abs(value) > _MOST:
        raise ValueError(f"too large: {text!r}")
    return round(value)


_MOST = 2**63


def _length(text: str) -> int:
    """A context as vLLM takes it; LARGEST for the words with which it looks for what fits."""
    return LARGEST if text in {"auto", "-1"} else number(text)


LARGEST = -1
"""A context that is found by the server: the model's own where it fits, else what does."""


def fraction(text: str) -> float:
    """A finite number. Raises `ValueError` for what is none."""
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"not finite: {text!r}")
    return value


def count(text: str) -> int:
    """A whole number of at least one. Raises `ValueError` for another."""
    value = number(text)
    if value < 1:
        raise ValueError(f"less than one: {text!r}")
    return value


def share(text: str) -> float:
    """A part of a whole. Raises `ValueError` for what is none, nothing, or more than all."""
    value = fraction(text)
    if not 0 < value <= 1:
        raise ValueError(f"not a share: {text!r}")
    return value


def _yes(_: str) -> bool:
    return True


def _no(_: str) -> bool:
    return False


def _switch(text: str) -> str:
    return {"1": "on", "true": "on", "0": "off", "false": "off"}.get(text.lower(), text.lower())


def _layers(text: str) -> int | None:
    """Layers in GPU memory; None for all of them, which negative and huge numbers mean."""
    if text.lower() in {"all", "auto"}:
        return None
    layers = number(text)
    return layers if 0 <= layers < _ALL_LAYERS else None


_ALL_LAYERS = 256
"""More layers than any model has: people write 99 or 999 for all."""


def _shares(text: str) -> tuple[float, ...]:
    return tuple(fraction(part) for part in text.replace("/", ",").split(","))


@dataclass(frozen=True, slots=True)
class Flag:
    """What a flag sets, and how its value is read; `alone` flags take no value.

    `bare` is the value of a flag that stood alone in older releases, where none follows.

    `sets` is a field of the question or of the engine's options, or one of "model", "file", "k",
    "v", "quantize", "dtype", "enable_lora", "max_loras", "max_lora_rank"; "" sets
    nothing that memory depends on.
    """

    sets: str
    read: Callable[[str], object] = str
    alone: bool = False
    bare: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server is started: its engine, how its command is recognised, its flags.

    `starts` are word sequences that begin the arguments, `images` names of containers that do;
    `positional` tells that the first bare word is the model. `quantize` are the formats behind the
    values of the quantization flag, `kv` those behind other words for a KV format. `degree` is the
    tensor parallel degree where none is named, None for every card.
    """

    engine: str
    starts: tuple[tuple[str, ...], ...]
    flags: Mapping[str, Flag]
    images: tuple[str, ...] = ()
    positional: bool = False
    quantize: Mapping[str, str] | None = None
    kv: Mapping[str, str] | None = None
    degree: int | None = None
    adapters: int = 1
    """LoRA adapters at once where their number is not named."""


def _flags(**named: Flag) -> dict[str, Flag]:
    return {"--" + name.replace("_", "-"): flag for name, flag in named.items()}


_VALUES = (
    "--host", "--port", "-p", "--api-key", "--api-key-file", "--hf-token", "--log-level",
    "--uvicorn-log-level", "--seed", "--served-model-name", "--alias", "-a", "--chat-template",
    "--tool-call-parser", "--reasoning-parser", "--download-dir", "--model-name", "--model-names",
    "--controller-address", "--worker-address", "--config-file", "--load-format", "--tokenizer",
    "--tokenizer-mode", "--timeout", "-to", "--threads", "-t", "--threads-batch", "-tb", "--temp",
    "--top-k", "--top-p", "--min-p", "--log-file", "--server-name", "--server-port", "--hostname",
    "--backend", "--weights-cache-override", "--huggingface-hub-cache", "--shard-uds-path",
    "--log_level", "--revision", "--max-input-tokens", "--max-input-length",
    "--max-concurrent-requests", "--max-running-requests", "--limit-worker-concurrency",
    "--num-gpus", "--max-gpu-memory", "--reasoning-format", "--jinja-file", "--max-log-len",
    "--ssl-keyfile", "--ssl-certfile", "--root-path", "--grpc-port", "--nccl-port", "--dist-port",
    "--model-format", "--trust_remote_code", "--max-batch-size", "--threads-http", "--random-seed",
    "--prompt", "--fit-target", "--fit-ctx", "-fitt", "-fitc", "--fit", "-fit", "--cache-ram",
    "-cram", "--sleep-idle-seconds",
)  # fmt: skip
_ALONE = (
    "--trust-remote-code", "--disable-log-requests", "--disable-log-stats",
    "--enable-log-requests", "--enable-auto-tool-choice", "--jinja", "--no-webui", "--metrics",
    "--verbose", "-v", "--no-warmup", "--enable-metrics", "--show-time-cost", "--json-output",
    "--mlock", "--log-disable", "--slots", "--props", "--offline", "--no-enable-log-requests",
    "--enable-server-load-tracking", "--log-requests", "--allow-terminate-by-client",
)  # fmt: skip
HARMLESS: Mapping[str, Flag] = {
    **dict.fromkeys(_VALUES, Flag("")),
    **dict.fromkeys(_ALONE, Flag("", alone=True)),
}
"""Flags of servers and their programs that no number of a plan depends on, a capacity included:
how many sequences a server admits says nothing of how many full contexts are asked for."""

_DTYPE = Flag("dtype")
_LORA = Flag("enable_lora", _yes, alone=True)
_ADAPTERS, _RANK = Flag("max_loras", count), Flag("max_lora_rank", count)
DTYPES = {
    "float16": "FP16", "half": "FP16", "bfloat16": "BF16", "float32": "FP32", "float": "FP32",
    "16-true": "FP16", "bf16-true": "BF16", "32-true": "FP32",
}  # fmt: skip

_LLAMA_FLAGS = {
    **dict.fromkeys(("-m", "--model"), Flag("model")),
    **dict.fromkeys(("-hf", "--hf-repo", "-hfr"), Flag("repository")),
    **dict.fromkeys(("-hff", "--hf-file"), Flag("file")),
    **dict.fromkeys(("-c", "--ctx-size"), Flag("context", number)),
    **dict.fromkeys(("-np", "--parallel"), Flag("concurrency", count)),
    **dict.fromkeys(("-ctk", "--cache-type-k"), Flag("k")),
    **dict.fromkeys(("-ctv", "--cache-type-v"), Flag("v")),
    **dict.fromkeys(("-ngl", "--gpu-layers", "--n-gpu-layers"), Flag("gpu_layers", _layers)),
    **dict.fromkeys(("-ncmoe", "--n-cpu-moe"), Flag("cpu_moe_layers", number)),
    **dict.fromkeys(("-ub", "--ubatch-size"), Flag("ubatch", count)),
    **dict.fromkeys(("-b", "--batch-size"), Flag("batch", count)),
    **dict.fromkeys(("-fa", "--flash-attn"), Flag("flash_attention", _switch, bare="on")),
    **dict.fromkeys(("-nkvo", "--no-kv-offload"), Flag("kv_offload", _no, alone=True)),
    "--swa-full": Flag("swa_full", _yes, alone=True),
    **dict.fromkeys(("-kvu", "--kv-unified"), Flag("kv_unified", _yes, alone=True)),
    **dict.fromkeys(("-no-kvu", "--no-kv-unified"), Flag("kv_unified", _no, alone=True)),
    "--no-mmap": Flag("mmap", _no, alone=True),
    "--no-op-offload": Flag("op_offload", _no, alone=True),
    **dict.fromkeys(("-sm", "--split-mode"), Flag("split_mode")),
    **dict.fromkeys(("-ts", "--tensor-split"), Flag("tensor_split", _shares)),
    **dict.fromkeys(("-mg", "--main-gpu"), Flag("main_gpu", number)),
}
LLAMA_CPP = Dialect(
    "llama.cpp",
    (("llama-server",), ("llama-cli",), ("server",)),
    _LLAMA_FLAGS,
    images=("llama.cpp",),
)
_VLLM = Dialect(
    "vllm",
    (("vllm", "serve"), ("-m", "vllm.entrypoints.openai.api_server"), ("api_server.py",)),
    {
        **_flags(
            model=Flag("model"),
            max_model_len=Flag("context", _length),
            max_num_seqs=Flag("max_num_seqs", count),
            max_num_batched_tokens=Flag("max_num_batched_tokens", count),
            gpu_memory_utilization=Flag("gpu_memory_utilization", share),
            tensor_parallel_size=Flag("tensor_parallel", count),
            pipeline_parallel_size=Flag("pipeline_parallel", count),
            data_parallel_size=Flag("data_parallel", count),
            kv_cache_dtype=Flag("kv"),
            dtype=_DTYPE,
            quantization=Flag("quantize"),
            block_size=Flag("block_size", count),
            cpu_offload_gb=Flag("cpu_offload_gb", fraction),
            enable_lora=_LORA,
            max_loras=_ADAPTERS,
            max_lora_rank=_RANK,
            enforce_eager=Flag("enforce_eager", _yes, alone=True),
            enable_expert_parallel=Flag("enable_expert_parallel", _yes, alone=True),
            async_scheduling=Flag("async_scheduling", _yes, alone=True),
            no_async_scheduling=Flag("async_scheduling", _no, alone=True),
            enable_prefix_caching=Flag("prefix_caching", _yes, alone=True),
            no_enable_prefix_caching=Flag("prefix_caching", _no, alone=True),
        ),
        "-tp": Flag("tensor_parallel", count),
        "-pp": Flag("pipeline_parallel", count),
        "-dp": Flag("data_parallel", count),
        "-q": Flag("quantize"),
    },
    images=("vllm-openai",),
    positional=True,
    quantize={
        "fp8": "FP8", "bitsandbytes": "NF4", "awq": "AWQ-4bit-g128", "awq_marlin": "AWQ-4bit-g128",
        "gptq": "GPTQ-4bit-g128", "gptq_marlin": "GPTQ-4bit-g128", "mxfp4": "MXFP4",
        "modelopt_fp4": "NVFP4",
    },
    kv={"fp8_e4m3": "fp8"},
    degree=1,
)  # fmt: skip
_SGLANG = Dialect(
    "sglang",
    (("-m", "sglang.launch_server"), ("sglang", "serve")),
    _flags(
        model_path=Flag("model"),
        model=Flag("model"),
        context_length=Flag("context", number),
        mem_fraction_static=Flag("mem_fraction_static", share),
        chunked_prefill_size=Flag("chunked_prefill_size", number),
        cuda_graph_max_bs=Flag("cuda_graph_max_bs", number),
        cuda_graph_max_bs_decode=Flag("cuda_graph_max_bs", number),
        disable_cuda_graph=Flag("disable_cuda_graph", _yes, alone=True),
        page_size=Flag("page_size", count),
        tp=Flag("tensor_parallel", count),
        tp_size=Flag("tensor_parallel", count),
        tensor_parallel_size=Flag("tensor_parallel", count),
        pp=Flag("pipeline_parallel", count),
        pp_size=Flag("pipeline_parallel", count),
        pipeline_parallel_size=Flag("pipeline_parallel", count),
        dp=Flag("data_parallel", count),
        dp_size=Flag("data_parallel", count),
        data_parallel_size=Flag("data_parallel", count),
        enable_dp_attention=Flag("dp_attention", _yes, alone=True),
        ep_size=Flag("expert_parallel", lambda text: number(text) > 1),
        enable_lora=_LORA,
        max_loras_per_batch=_ADAPTERS,
        max_lora_rank=_RANK,
        lora_target_modules=Flag(""),
        kv_cache_dtype=Flag("kv"),
        dtype=_DTYPE,
        quantization=Flag("quantize"),
    ),
    quantize={
        "fp8": "FP8", "awq": "AWQ-4bit-g128", "awq_marlin": "AWQ-4bit-g128",
        "gptq": "GPTQ-4bit-g128", "gptq_marlin": "GPTQ-4bit-g128", "w8a8_int8": "W8A8",
        "w8a8_fp8": "FP8-dynamic", "modelopt_fp4": "NVFP4", "mxfp4": "MXFP4",
    },
    degree=1,
    adapters=8,
)  # fmt: skip
_TGI = Dialect(
    "tgi",
    (("text-generation-launcher",),),
    _flags(
        model_id=Flag("model"),
        max_total_tokens=Flag("context", number),
        num_shard=Flag("tensor_parallel", count),
        kv_cache_dtype=Flag("kv"),
        dtype=_DTYPE,
        quantize=Flag("quantize"),
        cuda_memory_fraction=Flag("cuda_memory_fraction", share),
        max_batch_prefill_tokens=Flag("max_batch_prefill_tokens", count),
    ),
    images=("text-generation-inference",),
    quantize={
        "fp8": "FP8", "bitsandbytes": "LLM.int8", "bitsandbytes-nf4": "NF4",
        "bitsandbytes-fp4": "FP4", "awq": "AWQ-4bit-g128", "gptq": "GPTQ-4bit-g128",
    },
    kv={"fp8_e4m3fn": "fp8_e4m3"},
)  # fmt: skip
_TENSORRT_LLM = Dialect(
    "tensorrt-llm",
    (("trtllm-serve", "serve"), ("trtllm-serve",)),
    {
        "--max_seq_len": Flag("context", number),
        "--max_batch_size": Flag("max_batch_size", count),
        "--max_num_tokens": Flag("max_num_tokens", count),
        "--tp_size": Flag("tensor_parallel", count),
        "--pp_size": Flag("pipeline_parallel", count),
        "--ep_size": Flag("expert_parallel", lambda text: number(text) > 1),
        "--kv_cache_dtype": Flag("kv"),
        "--kv_cache_free_gpu_memory_fraction": Flag("free_gpu_memory_fraction", share),
    },
    positional=True,
    degree=1,
)
_LMDEPLOY = Dialect(
    "lmdeploy",
    (("lmdeploy", "serve", "api_server"),),
    _flags(
        session_len=Flag("context", number),
        cache_max_entry_count=Flag("cache_max_entry_count", fraction),
        cache_block_seq_len=Flag("cache_block_seq_len", count),
        max_prefill_token_num=Flag("max_prefill_token_num", count),
        quant_policy=Flag("kv"),
        dtype=_DTYPE,
        tp=Flag("tensor_parallel", count),
    ),
    positional=True,
    kv={"0": "auto", "4": "int4", "8": "int8"},
    degree=1,
)
_EXLLAMA = Dialect(
    "exllamav2",
    (("chat.py",), ("test_inference.py",)),
    {
        **dict.fromkeys(("-m", "--model_dir"), Flag("model")),
        **dict.fromkeys(("-l", "--length"), Flag("context", number)),
        **dict.fromkeys(("-c8", "--cache_8bit"), Flag("kv", lambda _: "fp8", alone=True)),
        **dict.fromkeys(("-cq8", "--cache_q8"), Flag("kv", lambda _: "int8", alone=True)),
        **dict.fromkeys(("-cq4", "--cache_q4"), Flag("kv", lambda _: "int4", alone=True)),
        **dict.fromkeys(("-cs", "--cache_size"), Flag("context", count)),
        **dict.fromkeys(("-cq", "--cache_quant"), Flag("kv", lambda bits: f"int{bits}")),
        **dict.fromkeys(("-gs", "--gpu_split"), Flag("")),
        **dict.fromkeys(("-mode", "--mode"), Flag("")),
    },
)
_LITGPT = Dialect(
    "pytorch",
    (("litgpt", "generate"), ("litgpt", "generate_sequentially"), ("litgpt", "chat")),
    {
        "--max_new_tokens": Flag("max_new_tokens", count),
        "--quantize": Flag("quantize"),
        "--precision": _DTYPE,
    },
    positional=True,
    quantize={
        "bnb.nf4": "NF4", "bnb.nf4-dq": "NF4-DQ", "bnb.fp4": "FP4", "bnb.fp4-dq": "FP4-DQ",
        "bnb.int8": "LLM.int8",
    },
)  # fmt: skip
_FASTCHAT = Dialect(
    "fastchat",
    (("-m", "fastchat.serve.model_worker"), ("-m", "fastchat.serve.cli")),
    {
        "--model-path": Flag("model"),
        "--load-8bit": Flag("quantize", lambda _: "8bit", alone=True),
        "--dtype": _DTYPE,
        **dict.fromkeys(
            ("--gptq-wbits", "--gptq-groupsize", "--awq-wbits", "--awq-groupsize"), Flag("")
        ),
    },
    quantize={"8bit": "LLM.int8"},
)
OLLAMA = Dialect("ollama", (("ollama", "run"), ("ollama", "serve")), {}, positional=True)
OLLAMA_ENVIRONMENT: Mapping[str, Flag] = {
    "OLLAMA_NUM_PARALLEL": Flag("concurrency", count),
    "OLLAMA_KV_CACHE_TYPE": Flag("kv"),
    "OLLAMA_FLASH_ATTENTION": Flag("flash_attention", lambda text: _switch(text) == "on"),
    "OLLAMA_GPU_OVERHEAD": Flag("gpu_overhead", number),
    "OLLAMA_CONTEXT_LENGTH": Flag("context", number),
}
OLLAMA_PARAMETERS: Mapping[str, Flag] = {
    "num_ctx": Flag("context", number),
    "num_batch": Flag("num_batch", count),
    "num_gpu": Flag("num_gpu", _layers),
}
"""What a Modelfile's PARAMETER lines set."""

DIALECTS = (
    LLAMA_CPP, _VLLM, _SGLANG, _TGI, _TENSORRT_LLM, _LMDEPLOY, _EXLLAMA, _LITGPT, _FASTCHAT, OLLAMA,
)  # fmt: skip
