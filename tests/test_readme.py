"""Every command and every line of code in the README runs."""

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


def sections_of(page):
    titles = re.findall(r"^##+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {f"#{title.lower().replace(' ', '-')}" for title in titles}


def test_every_file_and_section_it_names_is_there():
    text = README.read_text(encoding="utf-8")
    sections = sections_of(README)
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        path, _, part = target.partition("#")
        named = sections if not path else sections_of(README.parent / path) if part else set()
        assert f"#{part}" in named if part else (README.parent / path).exists(), target


def test_use_comes_before_results():
    titles = re.findall(r"^## (.+)$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    use, results = ("Two commands", "On your own data", "Fifteen lines", "Recipes"), titles.index("What we measured")
    assert tuple(titles[:4]) == use
    assert titles[results:] == ["What we measured", "Speed", "Citing"]


COLUMNS = ("results/fashion-mnist-lt/table.md", "results/digits-lt/table.md", "results/cifar10-lt-small/table.md")
TEACHERS = ("standard", "balanced", "robust")


def test_its_table_beside_the_published_one_is_what_was_printed_and_what_is_committed():
    shown = README.read_text(encoding="utf-8").split("## What we measured")[1].split("## Speed")[0]
    rows = [line.strip("| ").split(" | ") for line in shown.splitlines() if line.startswith("| ")]
    assert rows[0][1:] == [
        "published: CIFAR-10-LT",
        "Fashion-MNIST-LT, 3 seeds",
        "digits-LT, 5 seeds",
        "small CIFAR-10-LT, 1 seed",
    ]
    printed = (README.parent / "docs/reproduction.md").read_text(encoding="utf-8").split("### CIFAR-10-LT")[1]
    tables = [printed.split("###")[0], *((README.parent / name).read_text(encoding="utf-8") for name in COLUMNS)]
    assert len(rows[2:]) == 6
    for title, *entries in rows[2:]:
        teacher, student = title.replace(", alone", " → none").split(" → ")
        for entry, table in zip(entries, tables, strict=True):
            (line,) = (row for row in table.splitlines() if row.startswith(f"| {student} |"))
            assert entry == line.strip("| ").split(" | ")[1 + TEACHERS.index(teacher)].removesuffix(" ★")


def test_the_numbers_under_its_picture_are_the_committed_ones():
    committed = (README.parent / "results/digits-lt/table.md").read_text(encoding="utf-8")
    found = re.findall(r"\d+\.\d ± \d\.\d", README.read_text(encoding="utf-8").split("\n## ")[0])
    assert len(found) == 2
    for each in found:
        assert f"| {each} (" in committed
