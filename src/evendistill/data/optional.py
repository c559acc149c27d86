"""Packages that only some sources of data need."""

import importlib
from typing import Any

PACKAGES = {"PIL.Image": "Pillow", "PIL.ImageOps": "Pillow"}


def needed(module: str, purpose: str) -> Any:  # noqa: ANN401 - a module, whose contents no type can say
    """The module, imported now and not earlier: most who import this package read no such files.

    Args:
        module: its name.
        purpose: what it is needed for, for the message: "reading parquet".

    Raises:
        ValueError: if it is not installed, saying how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = PACKAGES.get(module, module.split(".")[0])
        raise ValueError(f"{purpose} needs {package}: pip install 'evendistill[hf]'") from None
