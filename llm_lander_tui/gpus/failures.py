"""What a failure of the NVIDIA driver means to a person: title, sentence, remedy, by NVML code.

The codes are those of `nvmlReturn_t` in NVIDIA's NVML API reference; they are written out here so
that this table can be read without loading pynvml.
"""

from __future__ import annotations

from llm_lander_tui.gpus.gpu import Problem

UNINITIALIZED = 1
NOT_SUPPORTED = 3
NO_PERMISSION = 4
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
GPU_NOT_FOUND = 28

CARD_GONE = frozenset({GPU_IS_LOST, RESET_REQUIRED, GPU_NOT_FOUND})
"""Failures after which nothing more can be asked of a card."""
SESSION_GONE = frozenset({UNINITIALIZED, DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH})
"""Failures after which nothing more can be asked of the driver before it is opened anew."""

_DRIVER: dict[int, tuple[str, str, str]] = {
    NO_PERMISSION: (
        "No permission",
        "This user may not ask the NVIDIA driver.",
        "Allow the user to open /dev/nvidiactl and /dev/nvidia0 (often the group video or render).",
    ),
    8: (
        "GPU without power",
        "A GPU's external power cable is not attached, and the driver refuses to start.",
        "Attach the power cables and reboot.",
    ),
    DRIVER_NOT_LOADED: (
        "NVIDIA driver not loaded",
        "The driver's library is installed, but its kernel module is not running.",
        "Load it (sudo modprobe nvidia), or reinstall the driver for this kernel and reboot; "
        "dmesg tells why it did not load.",
    ),
    10: (
        "GPU without interrupts",
        "The kernel delivers no interrupts from a GPU.",
        "See dmesg for NVRM lines, and check the BIOS settings of the slot.",
    ),
    FUNCTION_NOT_FOUND: (
        "NVIDIA driver too old",
        "The driver's library lacks a function that every driver since 2018 has.",
        "Update the driver, or remove a stub libnvidia-ml from the library path.",
    ),
    14: (
        "GPU memory record damaged",
        "The infoROM of a GPU is corrupted.",
        "See nvidia-smi -q for the card, and ask the vendor for a replacement.",
    ),
    GPU_IS_LOST: (
        "GPU lost",
        "A GPU has fallen off the bus, and the driver answers nothing.",
        "See dmesg for the Xid line (79: off the bus), then reset the GPU or reboot.",
    ),
    RESET_REQUIRED: (
        "GPU needs a reset",
        "A GPU stopped on an error, and the driver waits for its reset.",
        "Stop its processes and run sudo nvidia-smi --gpu-reset, or reboot.",
    ),
    17: (
        "Blocked by the system",
        "The operating system or a control group blocks the request to the NVIDIA driver.",
        "Check the container's device permissions (/dev/nvidia*).",
    ),
    LIB_RM_VERSION_MISMATCH: (
        "Driver and library differ",
        "The driver's library and the running kernel module have different versions, as after an "
        "update without a reboot.",
        "Reboot, or unload and load the nvidia kernel modules.",
    ),
    20: (
        "Out of host memory",
        "The NVIDIA driver found too little host memory to answer.",
        "Free some memory of the machine.",
    ),
    999: (
        "NVIDIA driver failed",
        "The driver answers with an unknown error.",
        "A container that lost its device permissions has to be started anew; else see dmesg for "
        "NVRM lines, and whether nvidia-smi works.",
    ),
}

_CARD: dict[int, tuple[str, str, str]] = {
    GPU_IS_LOST: (
        "GPU lost",
        "has fallen off the bus and is left out",
        "See dmesg for the Xid line (79: off the bus), then reset the GPU or reboot.",
    ),
    GPU_NOT_FOUND: (
        "GPU lost",
        "is no longer there and is left out",
        "See dmesg for the Xid line (79: off the bus), then reset the GPU or reboot.",
    ),
    RESET_REQUIRED: (
        "GPU needs a reset",
        "stopped on an error and is left out",
        "Stop its processes and run sudo nvidia-smi --gpu-reset, or reboot.",
    ),
    NO_PERMISSION: (
        "No permission",
        "may not be read by this user and is left out",
        "Allow the user to open its /dev/nvidia file, or ask whoever set the device limits.",
    ),
    NOT_SUPPORTED: (
        "GPU memory unknown",
        "does not tell its memory and is left out",
        "Plan with a GPU from the catalogue in its place.",
    ),
}


def driver_problem(code: int, text: str, windows: bool = False) -> Problem:
    """The failure of the driver as a whole; `text` is NVML's own name for it."""
    if code == LIBRARY_NOT_FOUND:
        library = "nvml.dll" if windows else "libnvidia-ml.so.1"
        return Problem(
            "No NVIDIA driver found",
            f"The driver's library {library} is not on this machine.",
            "Install the NVIDIA driver; in a container start with --gpus all.",
        )
    if code in _DRIVER:
        return Problem(*_DRIVER[code])
    return Problem(
        "NVIDIA driver failed",
        f"The driver answers with error {code}: {text}.",
        "See dmesg for NVRM lines, and whether nvidia-smi works.",
    )


def card_problem(index: int, name: str | None, code: int, text: str) -> Problem:
    """The failure of one card, whose neighbours stay."""
    card = f"GPU {index}" + (f" ({name})" if name else "")
    if code in _CARD:
        title, happened, remedy = _CARD[code]
        return Problem(title, f"{card} {happened}.", remedy)
    return Problem(
        "GPU failed",
        f"{card} answers with error {code} ({text}) and is left out.",
        "See dmesg for NVRM lines, and whether nvidia-smi works.",
    )


def joined(problems: list[Problem]) -> Problem | None:
    """Several problems as one; None for none."""
    if len(problems) < 2:
        return problems[0] if problems else None
    titles = {problem.title for problem in problems}
    return Problem(
        f"{len(problems)} GPUs lost" if titles == {"GPU lost"} else f"{len(problems)} GPUs failed",
        " ".join(problem.message for problem in problems),
        problems[0].remedy,
    )


NO_GPU = Problem(
    "No GPU found",
    "The NVIDIA driver is running, and reports no GPU.",
    "Check lspci for the card; in a container start with --gpus all.",
)


def none_visible(value: str, count: int) -> Problem:
    """CUDA_VISIBLE_DEVICES leaves nothing of `count` cards."""
    cards = "the GPU" if count == 1 else f"all {count} GPUs"
    said = f"CUDA_VISIBLE_DEVICES={value}" if value else "CUDA_VISIBLE_DEVICES is empty and"
    return Problem(
        "No visible GPU",
        f"{said} hides {cards} of this machine.",
        "Unset it, or name cards that exist: CUDA_VISIBLE_DEVICES=0.",
    )


def no_instance(index: int) -> str:
    """A sentence about a card in MIG mode that has not been divided."""
    return f"GPU {index} is in MIG mode without an instance, so nothing can run on it."


ONE_SLICE = (
    "A CUDA program uses one MIG slice at a time, the first unless CUDA_VISIBLE_DEVICES names one."
)

NO_INSTANCE = Problem(
    "No MIG instance",
    "Every GPU is in MIG mode without an instance, so nothing can run on them.",
    "Create instances (sudo nvidia-smi mig -cgi PROFILE -C) or leave the mode (nvidia-smi -mig 0).",
)
