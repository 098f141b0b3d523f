"""The real pynvml over a stand-in driver: what a reading holds, and how each failure is told."""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path

import pytest

from llm_lander_tui.gpus import failures
from llm_lander_tui.gpus.nvml import NvmlSource
from llm_lander_tui.units import MIB

SYSTEM = "system driver=580.95.05;cuda=13000"


def card(
    n: int = 0, name: str = "NVIDIA GeForce RTX 4090", total: int = 24564, **more: object
) -> str:
    fields = {"name": name, "uuid": f"GPU-{n:02d}", "total": total, "reserved": 484, "used": 0}
    return "gpu " + ";".join(f"{k}={v}" for k, v in (fields | more).items())


def cards(count: int) -> list[str]:
    return [SYSTEM, *(card(n) for n in range(count))]


@pytest.fixture
def vllm_process():
    """A process that lives, and calls itself what vLLM's engine does."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "vllm", "serve", "Qwen/Qwen3-8B"],
        stdin=subprocess.PIPE,
    )
    yield process
    process.communicate()


def test_two_cards_one_of_them_half_full(read_nvml_apart, nvml_standin, vllm_process):
    reading = read_nvml_apart(nvml_standin.two_cards(vllm_process.pid))
    assert reading.problem is None
    assert reading.driver_version == "580.95.05"
    assert reading.cuda_version == "13.0"
    full, idle = reading.gpus
    assert (full.index, idle.index) == (0, 1)
    assert (full.uuid, idle.uuid) == ("GPU-aa", "GPU-bb")
    assert full.name == "NVIDIA GeForce RTX 4090"
    assert full.total_bytes == 24564 * MIB
    assert full.used_bytes == 12040 * MIB
    # 24,564 − 484 − 12,040 = 12,040 MiB: the half of what the driver leaves.
    assert full.free_bytes == 12040 * MIB
    assert idle.free_bytes == 24080 * MIB
    assert full.reserved_bytes == idle.reserved_bytes == 484 * MIB
    assert (full.utilisation_percent, full.memory_utilisation_percent) == (87, 40)
    assert full.temperature_c == 41
    assert (full.power_w, full.power_limit_w) == (62.5, 450.0)
    assert (full.sm_clock_mhz, full.memory_clock_mhz) == (2520, 10501)
    assert (full.pcie_generation, full.pcie_width) == (4, 16)
    assert full.compute_capability == (8, 9)
    assert full.multiprocessors == 128
    assert full.spec is not None
    assert full.spec.name == "RTX 4090"
    assert full.processes is not None
    (process,) = full.processes
    assert process.pid == vllm_process.pid
    assert process.memory_bytes == 12040 * MIB
    assert process.user == getpass.getuser()
    assert process.command is not None
    assert process.command.endswith("vllm serve Qwen/Qwen3-8B")
    assert idle.processes == ()
    assert full.as_json() == {
        "gpu_index": 0,
        "gpu_name": "NVIDIA GeForce RTX 4090",
        "total_vram_mb": 24564,
        "used_vram_mb": 12040,
        "free_vram_mb": 12040,
    }


def test_what_the_driver_does_not_tell_is_none(read_nvml):
    (gpu,) = read_nvml([SYSTEM, "gpu name=Some Card;total=8192;used=100"]).gpus
    assert (gpu.total_bytes, gpu.used_bytes, gpu.reserved_bytes) == (8192 * MIB, 100 * MIB, 0)
    missing = (
        gpu.uuid, gpu.utilisation_percent, gpu.memory_utilisation_percent, gpu.temperature_c,
        gpu.power_w, gpu.power_limit_w, gpu.sm_clock_mhz, gpu.memory_clock_mhz,
        gpu.pcie_generation, gpu.pcie_width, gpu.nvlinks, gpu.spec, gpu.compute_capability,
        gpu.multiprocessors, gpu.mig,
    )  # fmt: skip
    assert missing == (None,) * len(missing)
    assert gpu.processes == ()


def test_a_field_that_fails_costs_that_field_alone(read_nvml):
    lines = [SYSTEM, card(power=50000, temperature=40, util=3, memutil=1)]
    (gpu,) = read_nvml(
        [
            *lines,
            "fail call=nvmlDeviceGetTemperature;code=999",
            "fail call=nvmlDeviceGetTemperatureV;code=999",
        ]
    ).gpus
    assert gpu.temperature_c is None
    assert (gpu.power_w, gpu.utilisation_percent) == (50.0, 3)


def test_a_driver_without_the_old_temperature_call(read_nvml):
    lines = [SYSTEM, card(temperature=40), "fail call=nvmlDeviceGetTemperature;code=13"]
    assert [gpu.temperature_c for gpu in read_nvml(lines).gpus] == [40]


def test_a_pynvml_without_a_call_leaves_its_field(read_nvml, monkeypatch):
    monkeypatch.delattr("pynvml.nvmlDeviceGetPowerUsage")
    (gpu,) = read_nvml([SYSTEM, card(power=50000, limit=70000)]).gpus
    assert (gpu.power_w, gpu.power_limit_w) == (None, 70.0)


def test_one_clock_unknown_leaves_the_other(read_nvml):
    (gpu,) = read_nvml([SYSTEM, card(mem=10501)]).gpus
    assert (gpu.sm_clock_mhz, gpu.memory_clock_mhz) == (None, 10501)


def test_processes_unknown_is_none_and_hidden_memory_is_none(read_nvml):
    kinds = [
        f"fail call=nvmlDeviceGet{kind}RunningProcesses_v{v};code=3"
        for kind in ("Compute", "Graphics", "MPSCompute")
        for v in (2, 3)
    ]
    (gpu,) = read_nvml([*cards(1), *kinds]).gpus
    assert gpu.processes is None
    (gpu,) = read_nvml([*cards(1), "process gpu=0;pid=99999999;kind=C"]).gpus
    assert [(p.pid, p.memory_bytes, p.user, p.command) for p in gpu.processes or ()] == [
        (99999999, None, None, None)
    ]


def test_a_process_with_several_kinds_of_context_is_one(read_nvml, tmp_path: Path):
    for pid, command in ((7, b"Xorg\0:0\0"), (8, b"")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(command)
    lines = [
        *cards(1),
        "process gpu=0;pid=7;mib=300;kind=G",
        "process gpu=0;pid=7;mib=310;kind=C",
        "process gpu=0;pid=8;mib=2000;kind=M",
    ]
    (gpu,) = read_nvml(lines, proc=tmp_path).gpus
    assert [(p.pid, p.memory_bytes, p.command) for p in gpu.processes or ()] == [
        (8, 2000 * MIB, None),
        (7, 310 * MIB, "Xorg :0"),
    ]


def test_an_old_driver_gives_what_it_can(read_nvml):
    (gpu,) = read_nvml(
        [SYSTEM, card(used=1000, cc=809), "process gpu=0;pid=1;mib=900;kind=C"], old_driver=True
    ).gpus
    # Version 1 of the memory query counts the driver's reserve as used: 1,000 + 484.
    assert (gpu.used_bytes, gpu.reserved_bytes) == (1484 * MIB, 0)
    assert gpu.free_bytes == 23080 * MIB
    assert [p.memory_bytes for p in gpu.processes or ()] == [900 * MIB]
    assert gpu.multiprocessors == 128, "from the catalogue"


def test_nvlinks_are_counted(read_nvml):
    gpus = read_nvml([SYSTEM, card(0, links=12), card(1, links=0), card(2)]).gpus
    assert [gpu.nvlinks for gpu in gpus] == [12, 0, None]


def test_unified_memory_is_the_systems(read_nvml, tmp_path: Path):
    (tmp_path / "meminfo").write_text(
        "MemTotal: 125509632 kB\nMemFree: 1 kB\nMemAvailable: 104857600 kB\n"
    )
    (gpu,) = read_nvml([SYSTEM, "gpu name=NVIDIA GB10;uuid=GPU-0;cc=1201"], proc=tmp_path).gpus
    assert gpu.total_bytes == 125509632 * 1024
    assert gpu.free_bytes == 100 * 1024 * MIB
    assert gpu.used_bytes + gpu.free_bytes == gpu.total_bytes
    assert gpu.spec is not None
    assert gpu.spec.unified_memory


def test_a_card_without_any_memory_reading_is_left_out_and_named(read_nvml):
    reading = read_nvml([SYSTEM, "gpu name=Mystery;uuid=GPU-0", card(1)])
    assert [gpu.index for gpu in reading.gpus] == [1]
    assert reading.problem is not None
    assert reading.problem.title == "GPU memory unknown"
    assert "GPU 0 (Mystery)" in reading.problem.message


SLICE = "gpu=0;total=40448;name=NVIDIA H100 80GB HBM3"
MIG = [
    SYSTEM,
    card(0, "NVIDIA H100 80GB HBM3", 81559, mig=1, cc=900, cores=16896),
    card(1, "NVIDIA H100 80GB HBM3", 81559, mig=0, cc=900, cores=16896),
    f"mig uuid=MIG-a;{SLICE} MIG 3g.40gb;used=1272;sms=60;instance=1",
    f"mig uuid=MIG-b;{SLICE};used=0;sms=60;instance=2",
    f"mig uuid=MIG-c;{SLICE};used=0;sms=16;instance=2",
]


def test_mig_slices_stand_for_their_card(read_nvml):
    reading = read_nvml([*MIG, "process gpu=2;pid=5;mib=1272;kind=C"])
    assert reading.problem is None
    a, b, whole = reading.gpus
    assert [g.uuid for g in reading.gpus] == ["MIG-a", "MIG-b", "GPU-01"]
    assert (a.index, b.index, whole.index) == (0, 0, 1)
    assert a.name == "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    assert (a.mig, b.mig, whole.mig) == ("3g.40gb", "3g.40gb", None)
    assert (a.total_bytes, a.free_bytes) == (40448 * MIB, (40448 - 1272) * MIB)
    assert [p.memory_bytes for p in a.processes or ()] == [1272 * MIB]
    assert (a.multiprocessors, a.compute_capability) == (60, (9, 0))
    assert a.spec is not None
    assert whole.spec is not None
    assert whole.spec.bandwidth_gb_s is not None
    assert a.spec.bandwidth_gb_s == pytest.approx(whole.spec.bandwidth_gb_s / 2)
    assert whole.spec.bf16_tflops is not None
    assert a.spec.bf16_tflops == pytest.approx(whole.spec.bf16_tflops * 60 / 132)
    offered = sum(g.total_bytes for g in reading.gpus)
    assert offered <= 2 * 81559 * MIB, "a card's memory is offered once"
    assert reading.notes == (failures.ONE_SLICE,)


def test_mig_by_uuid_and_mode_without_instances(read_nvml):
    chosen = read_nvml(MIG, CUDA_VISIBLE_DEVICES="MIG-b")
    assert [g.uuid for g in chosen.gpus] == ["MIG-b"]
    assert chosen.notes == ("CUDA_VISIBLE_DEVICES=MIG-b hides 2 of 3 GPUs.",)
    reading = read_nvml([SYSTEM, card(0, mig=1), card(1)])
    assert [g.index for g in reading.gpus] == [1]
    assert "GPU 0 is in MIG mode without an instance" in reading.notes[0]
    alone = read_nvml([SYSTEM, card(0, mig=1)])
    assert alone.gpus == ()
    assert alone.problem is not None
    assert alone.problem.title == "No MIG instance"


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        ("2,0", [2, 0]),
        (" 1 , 3", [1, 3]),
        ("GPU-03,GPU-01", [3, 1]),
        ("0,7,1", [0]),
        ("1,-1,2", [1]),
        ("0,,1", [0]),
        ("1,zero", [1]),
    ],
)
def test_visible_devices(read_nvml, value, indices):
    reading = read_nvml(cards(4), CUDA_VISIBLE_DEVICES=value)
    assert [gpu.index for gpu in reading.gpus] == indices
    assert reading.problem is None
    assert reading.notes == (f"CUDA_VISIBLE_DEVICES={value} hides {4 - len(indices)} of 4 GPUs.",)


@pytest.mark.parametrize("value", ["", "-1", "9", "GPU-", "1,1", "NoDevFiles"])
def test_visible_devices_that_hide_all(read_nvml, value):
    reading = read_nvml(cards(4), CUDA_VISIBLE_DEVICES=value)
    assert reading.gpus == ()
    assert reading.problem is not None
    assert reading.problem.title == "No visible GPU"
    assert "all 4 GPUs" in reading.problem.message


def test_indices_among_unlike_cards_are_warned_of(read_nvml):
    lines = [SYSTEM, card(0), card(1, "Tesla T4", 15360)]
    mixed = read_nvml(lines, CUDA_VISIBLE_DEVICES="0,1")
    assert len(mixed.gpus) == 2
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in mixed.notes[0]
    ordered = read_nvml(lines, CUDA_VISIBLE_DEVICES="0,1", CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert ordered.notes == ()


@pytest.mark.parametrize(
    ("code", "title", "remedy"),
    [
        (4, "No permission", "/dev/nvidia"),
        (9, "NVIDIA driver not loaded", "modprobe nvidia"),
        (13, "NVIDIA driver too old", "Update the driver"),
        (15, "GPU lost", "dmesg"),
        (16, "GPU needs a reset", "--gpu-reset"),
        (18, "Driver and library differ", "Reboot"),
        (999, "NVIDIA driver failed", "nvidia-smi"),
        (12345, "NVIDIA driver failed", "nvidia-smi"),
    ],
)
def test_failures_of_the_driver(read_nvml, code, title, remedy):
    reading = read_nvml([f"system init={code}", card()])
    assert reading.gpus == ()
    assert reading.problem is not None
    assert reading.problem.title == title
    assert remedy in reading.problem.remedy
    assert reading.problem.message.endswith(".")


def test_unknown_error_says_its_number(read_nvml):
    problem = read_nvml(["system init=12345"]).problem
    assert problem is not None
    assert "12345" in problem.message


def test_no_gpu_at_all(read_nvml):
    reading = read_nvml([SYSTEM])
    assert reading.problem == failures.NO_GPU
    assert reading.driver_version == "580.95.05"


def test_no_library(monkeypatch):
    import pynvml

    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", absent)
    problem = NvmlSource({}).read().problem
    assert problem is not None
    assert problem.title == "No NVIDIA driver found"
    assert "libnvidia-ml.so.1" in problem.message
    assert "--gpus all" in problem.remedy


def test_no_pynvml(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    problem = NvmlSource({}).read().problem
    assert problem is not None
    assert problem.title == "pynvml is missing"
    assert "nvidia-ml-py" in problem.remedy


def test_a_driver_lost_between_calls_is_opened_anew(nvml_standin, read_nvml):
    assert len(read_nvml(cards(2)).gpus) == 2
    source = NvmlSource({})
    assert len(source.read().gpus) == 2
    nvml_standin.write([*cards(2), "fail call=nvmlDeviceGetMemoryInfo_v2;code=1"])
    problem = source.read().problem
    assert problem is not None
    nvml_standin.write(cards(3))
    assert len(source.read().gpus) == 3
    nvml_standin.write([*cards(3), "fail call=nvmlDeviceGetHandleByIndex_v2;gpu=1;code=9"])
    assert len(source.read().gpus) == 3, "a known card is not looked up again"
    source.close()
    lost = source.read()
    assert lost.gpus == ()
    assert lost.problem == failures.driver_problem(9, "")


def test_titles_tell_the_failures_apart():
    codes = [8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 20, 4, 999]
    problems = [failures.driver_problem(code, "x") for code in codes]
    assert len({p.title for p in problems}) == len(codes)
    assert all(p.message and p.remedy for p in problems)
    assert "nvml.dll" in failures.driver_problem(12, "x", windows=True).message


@pytest.mark.parametrize(
    "call",
    ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetPowerUsage"],
)
def test_a_lost_card_is_named_and_the_others_stay(read_nvml, call):
    reading = read_nvml([*cards(3), f"fail call={call};gpu=1;code=15"])
    assert [gpu.index for gpu in reading.gpus] == [0, 2]
    assert reading.problem is not None
    assert reading.problem.title == "GPU lost"
    assert "GPU 1" in reading.problem.message


def test_a_card_that_fails_otherwise_says_how(read_nvml):
    reading = read_nvml([*cards(2), "fail call=nvmlDeviceGetHandleByIndex_v2;gpu=0;code=999"])
    assert [gpu.index for gpu in reading.gpus] == [1]
    assert reading.problem is not None
    assert reading.problem.title == "GPU failed"
    assert "error 999" in reading.problem.message


def test_a_slice_that_tells_no_attributes_stays(read_nvml):
    lines = [*MIG[:4], "fail call=nvmlDeviceGetAttributes_v2;code=3"]
    named, whole = read_nvml(lines).gpus
    assert (named.mig, named.multiprocessors, whole.mig) == ("3g.40gb", None, None)


def test_two_lost_cards_are_both_named(read_nvml):
    lost = [f"fail call=nvmlDeviceGetUtilizationRates;gpu={n};code=15" for n in (0, 2)]
    reading = read_nvml([*cards(3), *lost])
    assert [gpu.index for gpu in reading.gpus] == [1]
    assert reading.problem is not None
    assert reading.problem.title == "2 GPUs lost"
    assert "GPU 0" in reading.problem.message
    assert "GPU 2" in reading.problem.message


def test_cards_come_back_when_the_driver_does(nvml_standin):
    code = (
        "import os, sys\n"
        "from llm_lander_tui.gpus.nvml import NvmlSource\n"
        "source = NvmlSource(os.environ)\n"
        "for _ in sys.stdin:\n"
        "    reading = source.read()\n"
        "    print(len(reading.gpus), reading.problem and reading.problem.title, flush=True)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=nvml_standin.environment(cards(2)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None

    def said(lines: list[str]) -> str:
        nvml_standin.write(lines)
        program.stdin.write("\n")
        program.stdin.flush()
        return program.stdout.readline().strip()

    try:
        assert said(cards(2)) == "2 None"
        gone = [*cards(2), "fail call=nvmlDeviceGetCount_v2;code=9"]
        assert said(gone) == "0 NVIDIA driver not loaded"
        assert said(["system init=9"]) == "0 NVIDIA driver not loaded"
        assert said(cards(3)) == "3 None"
        assert said(cards(1)) == "1 None"
    finally:
        program.communicate()
