"""Every guide runs from top to bottom, in an empty folder: its Python, its recipes, its commands, its printed words."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evendistill.cli import app
from evendistill.experiments.recipe import read_recipe

ROOT = Path(__file__).parents[1]
START = ROOT / "docs" / "index.md"
FOLDER = ROOT / "docs" / "guides"
GUIDES = sorted(FOLDER.glob("*.md"))
WIDEST = 80  # letters of a line of code on the site, in a window of 1280 pixels
NEEDS = {  # guide: module, and the extra that brings it
    "image-folder": ("PIL", "hf"),
    "tabular": ("sklearn", "dev"),
    "text": ("sklearn", "dev"),
    "trackers": ("tensorboard", "tensorboard"),
}
NUMBER = re.compile(r"-?\d+\.\d+")
LEARNT = 0.3  # in the worst class, by the best of a recipe's networks
APART = 0.25  # other machines round otherwise, and small networks fall elsewhere


@dataclass(frozen=True)
class Block:
    """A fenced block; ``name`` is the file that its first line names, if it names one."""

    language: str
    code: str
    line: int

    @property
    def name(self) -> str | None:
        found = re.match(r"# (\S+\.\w+)\n", self.code)
        return found[1] if found else None


def blocks(guide: Path) -> Iterator[Block]:
    text = guide.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        yield Block(found[1], found[2], text[: found.start()].count("\n") + 2)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """The current folder, empty, whose modules can be imported, and nobody's afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def commands(code: str) -> None:
    """As a shell would, with the ``evendistill`` of this Python."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for line in code.splitlines():
        done = subprocess.run(line, shell=True, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"


def same_words(printed: str, shown: str) -> None:
    """Word by word; numbers may lie a little apart."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    for one, other in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        assert abs(float(one) - float(other)) <= APART, f"printed is {one}, shown is {other}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_it_runs_from_top_to_bottom(guide, empty_folder, capsys):
    if guide.stem in NEEDS:
        module, extra = NEEDS[guide.stem]
        pytest.importorskip(module, reason=f"the guide needs the extra {extra}")
    space: dict[str, object] = {"__name__": "guide"}
    for block in blocks(guide):
        if block.name is not None:
            (empty_folder / block.name).write_text(block.code, encoding="utf-8")
        match block.language:
            case "python":
                capsys.readouterr()
                exec(compile("\n" * (block.line - 1) + block.code, str(guide), "exec"), space)
            case "yaml":
                assert read_recipe(empty_folder / str(block.name))
            case "sh":
                commands(block.code)
            case "text":  # what the Python before it printed
                same_words(capsys.readouterr().out, block.code)
    found = [json.loads(path.read_text())["worst_class_accuracy"] for path in empty_folder.glob("runs/*/test.json")]
    assert max(found, default=1.0) > LEARNT, "what the recipe of this guide trains is of no use"


def test_the_python_of_the_start_page_learns(empty_folder, capsys):
    (code,) = [block.code for block in blocks(START) if block.language == "python"]
    exec(compile(code, str(START), "exec"), {"__name__": "start"})
    assert float(capsys.readouterr().out) > LEARNT


def test_the_commands_of_the_start_page_are_verbs_and_its_code_is_not_cut():
    verbs = {verb.name or getattr(verb.callback, "__name__", "") for verb in app.registered_commands}
    shown = [line for block in blocks(START) for line in block.code.splitlines()]
    told = {found[1] for line in shown if (found := re.match(r"evendistill (\S+)", line))}
    assert {"demo", "init", "run", "export"} <= told <= verbs
    assert max(map(len, shown)) <= WIDEST


@pytest.mark.parametrize("page", [START, *GUIDES], ids=lambda page: page.stem)
def test_what_is_installed_is_a_clone_with_extras_that_there_are(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for told in re.findall(r"pip install ([^`\n]+)", page.read_text("utf-8")):
        found = re.fullmatch(r"'\.\[(.+)\]'", told)
        assert found, f"{told} is on no index of packages"
        assert set(found[1].split(",")) <= set(extras)


def test_no_link_of_a_result_leads_to_a_folder():
    for page in sorted((ROOT / "results").rglob("*.md")):  # the site has files alone
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).is_file(), f"{page}: {target}"


def test_what_the_trackers_of_the_guide_are_told(monkeypatch):
    """They are not installed here; what is called, and with what, is as their manuals have it."""
    told: list[tuple[object, ...]] = []
    wandb, mlflow = ModuleType("wandb"), ModuleType("mlflow")
    vars(wandb)["log"] = lambda data, step: told.append(("wandb", data, step))
    vars(mlflow)["log_metrics"] = lambda metrics, step: told.append(("mlflow", metrics, step))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    (code,) = [block.code for block in blocks(FOLDER / "trackers.md") if "import wandb" in block.code]
    space: dict[str, Any] = {}
    exec(code, space)
    record = {"epoch": 1, "step": 7, "loss": 0.5, "multipliers": [0.25, 0.75], "class_errors": [0.0, None]}
    space["to_wandb"](record)
    space["to_mlflow"](record)
    flat = {"loss": 0.5, "multipliers/0": 0.25, "multipliers/1": 0.75, "class_errors/0": 0.0}
    assert told == [("wandb", flat, 7), ("mlflow", flat, 7)]


def test_there_are_guides_for_what_people_bring():
    names = {"own-loop", "own-network", "image-folder", "text", "tabular", "groups", "trackers"}
    assert names <= {guide.stem for guide in GUIDES}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_it_is_short_and_all_of_it_is_run(guide):
    text = guide.read_text(encoding="utf-8")
    assert text.count("\n") <= 120
    assert max(map(len, text.splitlines())) <= 130
    assert {block.language for block in blocks(guide)} <= {"python", "yaml", "sh", "text", ""}
    assert any(block.language == "python" for block in blocks(guide))
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (guide.parent / target).exists(), target
