"""Every command and every line of code in the README runs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from evendistill.experiments.grid import expand
from evendistill.experiments.recipe import read_recipe

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_it_has_what_this_file_tests():
    assert len(blocks("python")) == 2
    assert len(blocks("yaml")) == 2
    assert [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()] == ["make demo", "make test"]


@pytest.mark.parametrize("code", blocks("python"), ids=["fifteen lines", "own loop"])
def test_its_python_runs(code):
    space: dict[str, object] = {}
    exec(compile(code, "README", "exec"), space)
    assert "loss" in space or "metrics" in space


def test_the_fifteen_lines_are_at_most_fifteen():
    code = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(code) <= 15


def test_the_fifteen_lines_beat_standard_distillation_in_the_worst_class():
    code = blocks("python")[0]
    worst = []
    for change in ({}, {"ed.Balanced()": "ed.Standard()", "ed.Robust()": "ed.Standard()"}):
        for old, new in change.items():
            assert old in code
            code = code.replace(old, new)
        space: dict[str, object] = {}
        import torch

        torch.manual_seed(0)
        exec(compile(code, "README", "exec"), space)
        worst.append(space["metrics"].worst_class_accuracy)  # pyright: ignore[reportAttributeAccessIssue]
    assert worst[0] > worst[1] + 0.1


def test_its_commands_run_on_its_recipe(tmp_path):
    (tmp_path / "my-first.yaml").write_text(blocks("yaml")[0])
    assert len(expand(read_recipe(tmp_path / "my-first.yaml"))) == 2 + 2 * (2 + 2 + 4) + 1 + 1 + 2
    np.savez(tmp_path / "predictions.npz", scores=np.eye(3), labels=np.arange(3))
    labels = np.arange(600) % 3
    np.savez(tmp_path / "my-data.npz", x=np.eye(3)[labels] + 0.1 * np.random.default_rng(0).random((600, 3)), y=labels)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("evendistill")]
    assert len(lines) == 21
    shutil.copytree(README.parent / "recipes", tmp_path / "recipes")
    for line in lines:
        done = subprocess.run(
            [sys.executable, "-m", *line.partition("#")[0].split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_its_recipe_of_images_is_made_of_fields_that_there_are(tmp_path):
    shown = yaml.safe_load(blocks("yaml")[1])
    whole = yaml.safe_load(blocks("yaml")[0]) | {"data": shown["data"], "view": shown["view"]}
    for side in ("teachers", "students"):
        whole[side] = whole[side] | shown[side]
    (tmp_path / "images.yaml").write_text(yaml.safe_dump(whole))
    assert read_recipe(tmp_path / "images.yaml").view is not None


def test_every_file_and_section_it_names_is_there():
    text = README.read_text(encoding="utf-8")
    sections = {f"#{title.lower().replace(' ', '-')}" for title in re.findall(r"^##+ (.+)$", text, flags=re.MULTILINE)}
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert target in sections or (README.parent / target).exists(), target


def test_use_comes_before_results():
    titles = re.findall(r"^## (.+)$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    use, results = ("Two commands", "On your own data", "Fifteen lines", "Recipes"), titles.index("What we measured")
    assert tuple(titles[:4]) == use
    assert titles[results:] == ["What we measured", "Speed", "Citing"]


def test_the_numbers_under_its_picture_are_the_committed_ones():
    committed = (README.parent / "results/digits-lt/table.md").read_text(encoding="utf-8")
    found = re.findall(r"\d+\.\d ± \d\.\d", README.read_text(encoding="utf-8").split("\n## ")[0])
    assert len(found) == 2
    for each in found:
        assert f"| {each} (" in committed


def test_its_table_of_methods_is_the_committed_one():
    shown = (
        README.read_text(encoding="utf-8")
        .split("### Beside what others would use")[1]
        .split("What the paper claims")[0]
    )
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 14
    for place, name in enumerate(("digits-lt-table-2", "fashion-mnist-lt-table-2"), start=1):
        committed = (README.parent / "results" / name / "table.md").read_text(encoding="utf-8")
        for row in rows:
            title, (worst, _, average) = row[0].removeprefix("| "), row[place].removesuffix(" |").partition(" (")
            line = f"| {worst} | {average.removesuffix(')')} |"
            assert line in committed
            assert "**selected**" in title or f"| {title} {line}" in committed


def test_its_table_is_the_committed_one():
    committed = (README.parent / "results/digits-lt/table.md").read_text(encoding="utf-8")
    rows = [line for line in committed.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 5
    for row in rows:
        assert row in README.read_text(encoding="utf-8")


def section(title):
    return README.read_text(encoding="utf-8").split(f"### {title}")[1].split("\n### ")[0]


def table_rows(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(("place", "name"), [(1, "digits-lt-teachers"), (4, "fashion-mnist-lt-teachers")])
def test_its_correlations_are_the_committed_ones(place, name):
    ranking = json.loads((README.parent / "results" / name / "ranking.json").read_text())
    rows = table_rows(section("What makes a good teacher"))
    assert rows[0][place].endswith(f"LT, {len(ranking['teachers'])}")
    names = ("calibration", "own_calibration", "shifted_risk", "worst_class_accuracy", "average_accuracy")
    for row, predictor in zip(rows[2:7], names, strict=True):
        found = ranking["correlations"][predictor]
        assert row[place] == f"{found['value']:+.2f} ({found['lower']:+.2f} to {found['upper']:+.2f})"
        assert row[place + 1] == f"{ranking['trained'][predictor]['value']:+.2f}"
        assert row[place + 2] == " / ".join(f"{each[predictor]['value']:+.2f}" for each in ranking["within"].values())


@pytest.mark.parametrize(("place", "name"), [(1, "digits-lt-teachers"), (3, "fashion-mnist-lt-teachers")])
def test_its_mended_teachers_are_the_committed_ones(place, name):
    committed = table_rows((README.parent / "results" / name / "table.md").read_text(encoding="utf-8"))
    rounded = {tuple(re.sub(r" ± [0-9.]+", "", entry).removesuffix(" ★") for entry in row[1:]) for row in committed}
    rows = table_rows(section("What makes a good teacher"))[9:]
    assert len(rows) == 8
    for row in rows:
        assert tuple(re.sub(r" ± [0-9.]+", "", entry) for entry in row[place : place + 2]) in rounded
