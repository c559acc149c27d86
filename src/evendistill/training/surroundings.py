"""Where and with what a run is trained, for its ``env.json``."""

import os
import platform
import socket
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def surroundings(folder: Path) -> dict[str, Any]:
    """The machine, the versions and the process, at this moment."""
    return {
        "cores": os.cpu_count(),
        "evendistill": version("evendistill"),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "path": str(folder.resolve()),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "started": time.time(),
        "torch": torch.__version__,
    }
