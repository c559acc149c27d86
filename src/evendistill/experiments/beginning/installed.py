"""Which packages are installed, by what their own metadata say; nothing is imported."""

import re
import sys
from dataclasses import dataclass
from importlib import metadata

OURS = "evendistill"
LEAST_PYTHON = (3, 11)
ENABLES = {
    "hf": "data from parquet files, folders of images or the hub",
    "ray": "run --engine ray",
    "slurm": "run --engine slurm",
    "onnx": "export",
    "hub": "push",
    "tensorboard": "tensorboard",
}
DEVELOPING = {"dev", "docs", "mutate"}  # no user needs them
REQUIREMENT = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*\(?(?P<bounds>[^;)]*)\)?\s*")
EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
LEAST = re.compile(r">=\s*([0-9][0-9.]*)")


@dataclass(frozen=True)
class Package:
    """A package that is wanted.

    Attributes:
        name: on the package index.
        wanted: the requirement, as pip takes it.
        version: that is installed; None if none is.
        is_enough: whether one is, and is not too old.
    """

    name: str
    wanted: str
    version: str | None
    is_enough: bool


def python() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The version of Python, and the least that will do."""
    return tuple(sys.version_info[:3]), LEAST_PYTHON


def required() -> list[Package]:
    """This package and those that it cannot do without."""
    ours = _version(OURS)
    return [Package(OURS, OURS, ours, ours is not None), *_wanted().get(None, [])]


def extras() -> dict[str, list[Package]]:
    """The packages of each extra that enables something, this one's own left out."""
    return {extra: packages for extra, packages in _wanted().items() if extra is not None and extra not in DEVELOPING}


def _wanted() -> dict[str | None, list[Package]]:
    """Packages by extra; those of None are required."""
    try:
        told = metadata.requires(OURS) or []
    except metadata.PackageNotFoundError:
        return {}
    wanted: dict[str | None, list[Package]] = {}
    for each in told:
        requirement, _, marker = each.partition(";")
        match, extra = REQUIREMENT.fullmatch(requirement), EXTRA.search(marker)
        if match is not None and match["name"] != OURS:
            package = _package(match["name"], match["bounds"].strip())
            wanted.setdefault(extra and extra[1], []).append(package)
    return wanted


def _package(name: str, bounds: str) -> Package:
    version, least = _version(name), LEAST.search(bounds)
    is_enough = version is not None and (least is None or _numbers(version) >= _numbers(least[1]))
    return Package(name, name + bounds, version, is_enough)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, without zeros behind: 2.13.0+cpu is (2, 13)."""
    leading = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    numbers = [int(part) for part in leading[0].split(".")] if leading else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
