"""Several recipes share one table if their rows can be compared, and are refused in one line if not."""

import sys

import pytest
import yaml

from evendistill import cli
from evendistill.experiments.report.table import make_table
from evendistill.experiments.sweep import Sweep


@pytest.fixture
def sweeps(finish_run, plain, tmp_path):
    """Two recipes over one folder: the second has other students and these changes; all their runs are finished."""

    def make(**changes):
        other = plain | {"students": plain["students"] | {"objectives": ["standard", {"alpha": 0.5}]}} | changes
        made = []
        for name, content in (("one", plain), ("two", other)):
            path = tmp_path / f"{name}.yaml"
            path.write_text(yaml.safe_dump(content), encoding="utf-8")
            made.append(Sweep.read(path, tmp_path / "runs"))
            for spec in made[-1].needed.values():
                recalls = [0.9, 0.7 if spec.objective.name == "tradeoff-0.5" else 0.5]
                finish_run(spec, recalls, recalls)
        return made

    return make


def test_comparable_recipes_share_a_table_and_their_runs(sweeps):
    one, two = sweeps()
    table = make_table(joined := Sweep.joined([one, two]))
    assert [row.student for row in table.rows] == ["none", "standard", "balanced", "robust", "tradeoff-0.5"]
    assert table.selected is not None
    assert table.selected.student == "tradeoff-0.5"
    assert joined.needed.keys() == one.needed.keys() | two.needed.keys()
    assert joined.epochs() == 2 * len(joined.needed) == 2 * (2 + 4 * 2)


def test_a_recipe_beside_itself_is_itself(sweeps):
    one, _ = sweeps()
    assert Sweep.joined([one]).cells == Sweep.joined([one, one]).cells == one.cells


def test_teachers_come_first_and_baselines_last_in_the_order_of_the_recipe(sweeps):
    one, two = sweeps(baselines=["reweighted", "post-shift", "standard-distillation"])
    joined = Sweep.joined([two, one])
    kinds = [cell.baseline.kind if cell.baseline else "student" if cell.student else "teacher" for cell in joined.cells]
    assert kinds == ["teacher", *["student"] * 4, "reweighted", "post-shift", "standard-distillation"]
    table = make_table(joined)
    assert [row.student for row in table.baselines] == kinds[5:]
    assert Sweep.joined([two]).cells == two.cells


def test_the_trials_of_both_count_into_the_epochs(sweeps):
    search = {"epochs": 0.5, "keep": 0.5}
    one, two = sweeps(search=search)
    two = Sweep.read(two.recipe, two.runs)
    assert [len(one.tried), len(two.tried)] == [0, 1 + 2]
    joined = Sweep.joined([one, two])
    assert joined.epochs() == 2 * len(joined.needed) + 2 * 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 3}, "differ in seeds, so they cannot share a table: (0, 1) and (0, 1, 2)"),
        ({"data": {"source": "digits", "imbalance": 10}}, 'differ in data, so they cannot share a table: {"source": '),
        ({"robust_k": 2}, "differ in robust_k, so they cannot share a table: 1 and 2"),
        ({"teacher_seed": {"fixed": 0}}, "differ in teacher_seed, so they cannot share a table: 'matched' and {"),
        ({"selection": {"rule": "paper"}}, 'differ in selection, so they cannot share a table: {"rule": "best-robust"'),
    ],
)
def test_recipes_that_cannot_be_compared_are_refused_in_one_line(sweeps, monkeypatch, capsys, changes, words):
    one, two = sweeps(**changes)
    with pytest.raises(ValueError, match=r"one\.yaml and .*two\.yaml differ in "):
        Sweep.joined([one, two])
    monkeypatch.setattr(
        sys, "argv", ["evendistill", "select", str(one.recipe), str(two.recipe), "--out", str(one.runs)]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_groups_make_recipes_incomparable(sweeps, plain, tmp_path):
    plain |= {"data": {"source": "x.npz", "group_column": "place"}}
    one, two = sweeps(grouping="class x attribute")
    with pytest.raises(ValueError, match="differ in grouping, so they cannot share a table: 'class' and 'class x"):
        Sweep.joined([one, two])
