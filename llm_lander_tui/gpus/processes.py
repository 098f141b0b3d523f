"""What a process on a GPU is, as its command line tells."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """What a process is; `server`: it answers inference requests, its memory held meanwhile."""

    name: str
    server: bool = False


UNKNOWN = ProcessKind("unknown")
"""The command line is hidden (another user's container, Windows)."""
OTHER = ProcessKind("other")
PYTHON = ProcessKind("Python")
"""A Python program that says nothing of itself: it is not guessed at."""

_PYTHON = re.compile(r"(?:.*[/\\])?python[\d.]*w?(?:\.exe)?")
_FLAG_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})

_KINDS: tuple[tuple[ProcessKind, str], ...] = (
    (ProcessKind("vLLM", server=True), r"vllm(::|\.| |$)|ray::rayworkerwrapper|ray::.*vllm"),
    (ProcessKind("SGLang", server=True), r"sglang(::|\.| |$)"),
    (ProcessKind("Ollama", server=True), r"ollama(_llama_server)?( |$)|(.*[/\\])?ollama[/\\].*"),
    (
        ProcessKind("llama.cpp", server=True),
        r"(llama-server|llama_cpp\.server|llamafile|koboldcpp)( |$|-|\.)",
    ),
    (ProcessKind("llama.cpp"), r"llama-[a-z0-9-]+( |$)"),
    (ProcessKind("TGI", server=True), r"text-generation-(server|launcher|router)"),
    (ProcessKind("TEI", server=True), r"text-embeddings-router"),
    (ProcessKind("TensorRT-LLM", server=True), r"trtllm-(serve|llmapi-launch)|tensorrt_llm\."),
    (ProcessKind("Triton", server=True), r"tritonserver|triton_python_backend_stub"),
    (ProcessKind("LMDeploy", server=True), r"lmdeploy( serve|\.serve|\.cli serve)"),
    (ProcessKind("LMDeploy"), r"lmdeploy( |\.|$)"),
    (ProcessKind("MLC LLM", server=True), r"mlc_llm( serve|\.serve)"),
    (ProcessKind("TabbyAPI", server=True), r"(.*[/\\])?tabbyapi[/\\].*"),
    (ProcessKind("ComfyUI", server=True), r"(.*[/\\])?comfyui([/\\].*| |$)"),
    (
        ProcessKind("notebook"),
        r"(ipykernel_launcher|ipykernel|colab_kernel_launcher|jupyter)(\.py|-|_| |\.|$)",
    ),
    (
        ProcessKind("training"),
        r"(torchrun|deepspeed|accelerate|axolotl)(\.| |$)|torch\.distributed\.(run|launch)"
        r"|llamafactory(-cli)? train|([a-z0-9]+[-_])*(pre)?(train|training|trainer|finetune|sft)"
        r"([-_][a-z0-9]+)*\.py",
    ),
    (
        ProcessKind("desktop"),
        r"(xorg|xwayland|x|gnome-shell|mutter|kwin_(x11|wayland)|plasmashell|sway|hyprland|weston"
        r"|cinnamon|xfwm4|compiz|gdm.*|sddm.*|lightdm.*|firefox|chrome|chromium|electron|code"
        r"|dwm|explorer|gnome-[a-z-]+|xdg-desktop-portal.*|steam.*)( |$)",
    ),
    (ProcessKind("CUDA MPS"), r"nvidia-cuda-mps-(server|control)"),
)
_RULES = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)


def process_kind(command: str | None) -> ProcessKind:
    """The kind of a process by its command line (arguments joined by blanks), None when hidden.

    What is run decides, never what it is given: the executable or the title that it set itself,
    and for Python the script or module.
    """
    if not command or not command.strip():
        return UNKNOWN
    words = command.split()
    in_python = _PYTHON.fullmatch(words[0].lower()) is not None
    if in_python:
        words = _after_interpreter(words[1:])
        if not words:
            return PYTHON
    spellings = _spellings(words)
    for kind, rule in _RULES:
        if any(rule.match(program) for program in spellings):
            return kind
    return PYTHON if in_python else OTHER


def _after_interpreter(words: list[str]) -> list[str]:
    """The script or module that Python was given, with its arguments; nothing for -c or stdin."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-m":
            return words[at + 1 :]
        if words[at] == "-c" or words[at] == "-":
            return []
        at += 2 if words[at] in _FLAG_WITH_VALUE else 1
    return words[at:]


def _spellings(words: list[str]) -> tuple[str, str]:
    """Program and first argument, by the program's last name and by its whole path."""
    path = words[0].lower().removesuffix(".exe").rstrip(":")
    name = re.split(r"[/\\]", path)[-1] or path
    rest = " ".join(words[1:2])
    return f"{name} {rest}".strip(), f"{path} {rest}".strip()
