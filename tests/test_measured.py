"""What the page of results says is what is committed."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "measured.md"


def test_its_table_of_methods_is_the_committed_one():
    shown = (
        PAGE.read_text(encoding="utf-8").split("## Beside what others would use")[1].split("What the paper claims")[0]
    )
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 14
    for place, name in enumerate(("digits-lt-table-2", "fashion-mnist-lt-table-2"), start=1):
        committed = (ROOT / "results" / name / "table.md").read_text(encoding="utf-8")
        for row in rows:
            title, (worst, _, average) = row[0].removeprefix("| "), row[place].removesuffix(" |").partition(" (")
            line = f"| {worst} | {average.removesuffix(')')} |"
            assert line in committed
            assert "**selected**" in title or f"| {title} {line}" in committed


@pytest.mark.parametrize("name", ["digits-lt", "fashion-mnist-lt"])
def test_its_table_is_the_committed_one(name):
    committed = (ROOT / "results" / name / "table.md").read_text(encoding="utf-8")
    rows = [line for line in committed.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 5
    for row in rows:
        assert row in PAGE.read_text(encoding="utf-8")


def section(title):
    return PAGE.read_text(encoding="utf-8").split(f"## {title}")[1].split("\n## ")[0]


def table_rows(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(("place", "name"), [(1, "digits-lt-teachers"), (4, "fashion-mnist-lt-teachers")])
def test_its_correlations_are_the_committed_ones(place, name):
    ranking = json.loads((ROOT / "results" / name / "ranking.json").read_text())
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
    committed = table_rows((ROOT / "results" / name / "table.md").read_text(encoding="utf-8"))
    rounded = {tuple(re.sub(r" ± [0-9.]+", "", entry).removesuffix(" ★") for entry in row[1:]) for row in committed}
    rows = table_rows(section("What makes a good teacher"))[9:]
    assert len(rows) == 8
    for row in rows:
        assert tuple(re.sub(r" ± [0-9.]+", "", entry) for entry in row[place : place + 2]) in rounded
