"""Networks that the package does not bring: a user's own, by the path of what makes them, and those of timm."""

import difflib
import importlib
import inspect
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType

from torch import nn

ON_PATH = (
    "the folder that holds the module must be on Python's path: PYTHONPATH=FOLDER evendistill ..., or PYTHONPATH=. in "
    "that folder"
)
WANTED = "a network of a recipe takes the keyword num_classes: def __init__(self, num_classes, ...)"


def imported(path: str) -> Callable[..., nn.Module]:
    """What makes a network, by its path.

    It is looked for on ``sys.path`` as that is: in the current directory only if that is on it, as it is under
    ``python -m``, or with ``PYTHONPATH=.``.

    Args:
        path: "package.module:callable".

    Returns:
        The callable; what it gives is not looked at.

    Raises:
        ValueError: if the path has another form, or there is no such callable; always one line.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f'a network of your own is "package.module:callable", got {path!r}')
    try:
        module = _module(module_name)
    except ImportError as error:
        hint = f"; {ON_PATH}" if str(error).endswith(f"No module named {module_name.partition('.')[0]!r}") else ""
        raise ValueError(f"{path!r}: {module_name} cannot be imported: {error}{hint}") from error
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, vars(module), n=1)
        raise ValueError(f"{path!r}: {module_name} has no {name}{f'; did you mean {near[0]}?' if near else ''}")
    make: Callable[..., nn.Module] = getattr(module, name)
    if not callable(make):
        raise ValueError(f"{path!r} must be callable, got {type(make).__name__}")
    return make


def from_path(path: str, num_classes: int, channels: int, arguments: Mapping[str, object]) -> nn.Module:
    """A user's own network.

    Args:
        path: "package.module:callable", as for `imported`.
        num_classes: width of the scores; given by keyword.
        channels: of the images; given by keyword if the callable takes ``channels`` or any keyword.
        arguments: further keywords.

    Returns:
        What the callable gives.

    Raises:
        ValueError: if there is no such callable, if calling it is a TypeError, or if it gives no network; one line.
    """
    make = imported(path)
    given = {"channels": channels} if _takes_channels(make) else {}
    try:
        network = make(num_classes=num_classes, **given, **arguments)
    except TypeError as error:
        said = _last_line(error)
        hint = f"; {WANTED}" if "'num_classes'" in said and "unexpected keyword" in said else ""
        raise ValueError(f"{path!r} cannot be called: {said}{hint}") from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"{path!r} must give an nn.Module, got {type(network).__name__}")
    return network


def from_timm(name: str, num_classes: int, channels: int, arguments: Mapping[str, object]) -> nn.Module:
    """A network of timm, which is imported here and nowhere else.

    Args:
        name: as for ``timm.create_model``.
        num_classes: width of the scores.
        channels: of the images.
        arguments: further keywords of ``timm.create_model``.

    Returns:
        The network.

    Raises:
        ValueError: if timm cannot be imported, or does not make this network of these arguments; always one line.
    """
    try:
        timm = _module("timm")
    except ImportError as error:
        raise ValueError(f"timm cannot be imported: {error}; {name!r} needs `pip install timm`") from error
    try:
        return timm.create_model(name, num_classes=num_classes, in_chans=channels, **arguments)
    except (RuntimeError, TypeError, AssertionError) as error:  # asserted: that a name's prefix is known
        raise ValueError(f"timm cannot make {name!r}: {_last_line(error)}") from error


def _module(name: str) -> ModuleType:
    """The module, whatever running it raises being an ImportError in one line."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # it runs others' code, maybe a whole script
        raise ImportError(_last_line(error)) from error


def _takes_channels(make: Callable[..., object]) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return False
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(p.kind is p.VAR_KEYWORD or (p.name == "channels" and p.kind in by_name) for p in parameters)


def _last_line(error: BaseException) -> str:
    """The last line that a traceback would show."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
