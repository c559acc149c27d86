"""Fixtures and settings that every test shares."""

import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from evendistill import cli

# The first call into torch is slow, so a deadline would make a test flaky; derandomised, every run sees the same cases.
settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("house")
torch.set_num_threads(1)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # shells begin so what runs in their background
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    "test_readme.py",
    "test_benchmarks.py",
    "test_cli.py",
    "test_early_failures.py",
    "test_guides.py",
    "test_ranking.py",
)
"""Files that take minutes: begun last, one core would wait for them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process, in a folder: exit code, standard output and error."""

    def call(folder: Path, *words: object) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["evendistill", *map(str, words)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capfd.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, told.out, told.err

    return call


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
