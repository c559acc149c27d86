"""Packages that only exporting needs."""

import importlib
from typing import Any


def needed(module: str, purpose: str, extra: str) -> Any:  # noqa: ANN401 - a module, whose contents no type can say
    """The module, imported now and not earlier.

    Args:
        module: its name.
        purpose: what it is needed for, for the message: "writing ONNX".
        extra: of this package, that installs it.

    Raises:
        ValueError: if it is not installed, saying how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(f"{purpose} needs {module.split('.')[0]}: pip install 'evendistill[{extra}]'") from None
