"""What this machine trains on: GPUs, cores, and whether they multiply bfloat16 fast; torch is imported late."""

from dataclasses import dataclass
from pathlib import Path

from evendistill.experiments.processes import cores

QUOTA = Path("/sys/fs/cgroup/cpu.max")
PROCESSOR = Path("/proc/cpuinfo")
DRIVER = Path("/proc/driver/nvidia/version")
BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch can use.

    Attributes:
        name: as its driver says.
        bytes: of its memory.
        bf16: whether it computes in bfloat16 itself.
    """

    name: str
    bytes: int
    bf16: bool


def gpus() -> list[Gpu]:
    """The GPUs that torch can use."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [Gpu(each.name, each.total_memory, each.major >= 8) for each in found]


def has_nvidia() -> bool:
    """Whether the driver of an NVIDIA GPU is loaded."""
    return DRIVER.exists()


def usable_cores() -> int:
    """The cores that this process may use."""
    return cores()


def quota() -> float | None:
    """How many cores' worth of time the container may use; None if that is not limited."""
    try:
        most, period = QUOTA.read_text().split()
        return None if most == "max" else int(most) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def has_fast_bf16() -> bool:
    """Whether the processor has instructions for bfloat16; torch is a tenth as fast as in float32 where it has none."""
    try:
        return not BF16.isdisjoint(PROCESSOR.read_text().split())
    except OSError:
        return False


def threads() -> int:
    """The threads that torch would use by itself."""
    import torch

    return torch.get_num_threads()
