"""What a recipe may say of mends, and how mended runs are named."""

import json
import sys
from types import ModuleType

import pytest
from torch import nn

from evendistill.experiments.derive import smoke, write_recipe
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.run import train_run
from evendistill.experiments.spec import RunSpec
from evendistill.training.turns import drained

TEACHER = {"data": {}, "network": {"kind": "mlp", "hidden": [8]}, "objective": "standard", "training": {"epochs": 1}}
OTHER = TEACHER | {"objective": "robust"}
MENDS = [
    ("post-shift", "post-shift-of-standard"),
    ("class-temperatures", "class-temperatures-of-standard"),
    ({"kind": "vector-scaling", "of": "robust"}, "vector-scaling-of-robust"),
    ("logit-adjustment", "logit-adjustment-1-of-standard"),
    ({"kind": "logit-adjustment", "tau": 1.5}, "logit-adjustment-1.5-of-standard"),
    ({"kind": "adjusted", "alpha": 0}, "adjusted-0-of-standard"),
    ({"kind": "adjusted", "alpha": 0.5}, "adjusted-0.5-of-standard"),
    ({"kind": "refitted", "alpha": 0.25, "of": {"alpha": 0.5}}, "refitted-0.25-of-tradeoff-0.5"),
    ({"kind": "mean", "others": ["robust"]}, "mean-of-standard-and-robust"),
    ({"kind": "mean", "of": "balanced", "others": ["robust", "standard"]}, "mean-of-balanced-and-robust-and-standard"),
]
MEAN, ADJUSTED = {"kind": "mean", "others": ["balanced", "robust"]}, {"kind": "adjusted", "alpha": 0.5}


def read(plain):
    return RunSpec.model_validate(plain)


def mended(told, **more):
    plain = {"kind": told} if isinstance(told, str) else told
    others = [TEACHER | {"objective": each} for each in plain.get("others", [])]
    base = TEACHER | {"objective": plain.get("of", "standard")}
    return read({**base, "teacher": base, "mend": plain} | ({"others": others} if others else {}) | more)


@pytest.mark.parametrize(("told", "name"), MENDS, ids=[name for _, name in MENDS])
def test_a_mend_is_named_by_its_kind_its_number_and_its_teachers(read_plain, plain, told, name):
    plain["teachers"]["mended"] = [told]
    (mend,) = read_plain(plain).teachers.mended
    assert mend.name == name
    assert mended(told).taught_as == name
    assert mended(told).folder_name == f"{mended(told).hash}-digits-{name}-s0"


def test_runs_that_are_not_mended_say_nothing_of_mends():
    """Their names are golden in test_spec: whoever writes these fields into them trains the world anew."""
    for plain in (TEACHER, {**TEACHER, "teacher": OTHER, "listening": {"temperature": 1.0}}):
        assert not {"mend", "others", "shift"} & read(plain).canonical().keys()
        assert read(plain | {"mend": None, "others": []}).hash == read(plain).hash
    assert read(TEACHER).canonical() == {
        "schema_version": 1,
        "data": {},
        "network": {"kind": "mlp", "hidden": [8]},
        "objective": {"alpha": 0.0, "base": "standard"},
        "training": {"epochs": 1},
    }


def test_every_mend_has_a_name_of_its_own_and_so_have_its_students():
    runs = [read(TEACHER), *(mended(told) for told, _ in MENDS)]
    assert len({run.hash for run in runs}) == len(MENDS) + 1
    taught = [run.changed(teacher=run, listening={"temperature": 1.0}, mend=None, others=()) for run in runs]
    assert len({run.hash for run in taught} | {run.hash for run in runs}) == 2 * (len(MENDS) + 1)
    swapped = mended(MEAN, others=[OTHER | {"order_seed": 1}, TEACHER])
    assert swapped.hash != mended(MEAN).hash
    saved_often = OTHER | {"training": {"epochs": 1, "checkpoint_every": 9.0}}
    assert mended(MEAN, others=[saved_often, TEACHER]).hash == mended(MEAN, others=[OTHER, TEACHER]).hash


@pytest.mark.parametrize(("told", "name"), MENDS, ids=[name for _, name in MENDS])
def test_a_mended_run_survives_json(told, name):
    written = json.loads(json.dumps(mended(told).canonical()))
    assert written.pop("schema_version") == 1
    assert read(written) == mended(told)
    assert read(written).hash == mended(told).hash


def test_a_mend_has_as_many_teachers_as_it_names_and_listens_to_none():
    with pytest.raises(ValueError, match="mean-of-standard-and-balanced-and-robust needs 3 finished teachers"):
        mended(MEAN, others=[OTHER])
    with pytest.raises(ValueError, match=r"adjusted-0\.5-of-standard needs 1 finished teachers and listens to none"):
        mended(ADJUSTED, listening={"temperature": 1.0})


@pytest.mark.parametrize("others", [["standard"], ["robust", "robust"]])
def test_a_mean_of_a_teacher_with_itself_is_refused(others):
    with pytest.raises(ValueError, match="others must differ from of and from one another"):
        mended({"kind": "mean", "others": others})


def test_a_mend_without_its_teacher_is_refused():
    with pytest.raises(ValueError, match="a student needs both a teacher and how it listens"):
        read(TEACHER | {"mend": {"kind": "post-shift"}})


class Doubled(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.linear = nn.Linear(64, num_classes)

    def forward(self, inputs):
        return 2 * self.linear(inputs.flatten(1))


def test_a_network_without_a_linear_head_cannot_be_refitted_and_says_so_in_one_line(monkeypatch, tmp_path):
    module = ModuleType("their_nets")
    module.__dict__["Doubled"] = Doubled
    monkeypatch.setitem(sys.modules, "their_nets", module)
    base = TEACHER | {"network": {"kind": "own", "path": "their_nets:Doubled"}}
    drained(train_run(read(base), tmp_path))
    refitted, shifted = (
        read({**base, "teacher": base, "mend": mend})
        for mend in ({"kind": "refitted", "alpha": 0.5}, {"kind": "adjusted", "alpha": 0.5})
    )
    with pytest.raises(
        ValueError, match=r"^no linear layer of Doubled gives its scores as they are, so it has no head$"
    ):
        drained(train_run(refitted, tmp_path))
    assert "no linear layer of Doubled" in json.loads((tmp_path / refitted.folder_name / "FAILED").read_text())["error"]
    assert drained(train_run(shifted, tmp_path)).finished  # other mends need no head


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (["post-shif"], "teachers.mended.0: kind must be one of post-shift, logit-adjustment"),
        ([ADJUSTED, "adjusted"], "teachers.mended.1.alpha: is missing"),
        ([{"kind": "adjusted", "alpha": 2}], "teachers.mended.0.alpha: must be at most 1, got 2"),
        ([{"kind": "refitted", "alpha": -1}], "teachers.mended.0.alpha: must be at least 0"),
        ([{"kind": "logit-adjustment", "tau": -1}], "teachers.mended.0.tau: must be at least"),
        ([{"kind": "adjusted", "alpa": 1}], "unknown field teachers.mended.0.alpa; did you mean alpha?"),
        ([{"kind": "mean", "other": ["robust"]}], "unknown field teachers.mended.0.other; did you mean others?"),
        (["mean"], "teachers.mended.0.others: is missing"),
        ([{"kind": "mean", "others": []}], "teachers.mended.0.others: must be a list of at least 1, got []"),
        ([{"kind": "mean", "others": ["robst"]}], "teachers.mended.0.others.0: must be one of standard, balanced,"),
        ([{"kind": "post-shift", "of": {"alpha": 3}}], "teachers.mended.0.of.alpha: must be at most 1"),
        (["post-shift", "post-shift"], "teachers.mended: must differ from one another, got post-shift-of-standard"),
        (["logit-adjustment", {"kind": "logit-adjustment", "tau": 1}], "teachers.mended: must differ from one another"),
        (["post-shift", {"kind": "post-shift", "of": "standard"}], "teachers.mended: must differ from one another"),
        ("post-shift", "teachers.mended: must be a list, got 'post-shift'"),
        ([3], "teachers.mended.0: "),
        ([{"of": "standard"}], "teachers.mended.0: "),
    ],
)
def test_what_cannot_be_mended_is_one_line(read_plain, plain, told, line):
    plain["teachers"]["mended"] = told
    with pytest.raises(ValueError, match=r"recipe\.yaml: ") as error:
        read_plain(plain)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_field_of_a_view_is_not_taken_for_a_kind_of_mend(read_plain, plain):
    with pytest.raises(ValueError, match=r"recipe\.yaml: view\.mean\.0: must be a number, got 'a'"):
        read_plain(plain | {"view": {"mean": ["a"], "std": [1.0]}})


def test_an_unknown_field_is_never_its_own_suggestion(read_plain, plain):
    plain["teachers"]["mended"] = [{"kind": "vector-scaling", "alpha": 1}]
    with pytest.raises(ValueError, match=r"recipe\.yaml: unknown field teachers\.mended\.0\.alpha$"):
        read_plain(plain)


def test_mends_are_written_read_and_tried_small(read_plain, plain, tmp_path):
    plain["teachers"]["mended"] = [told for told, _ in MENDS]
    grid = read_plain(plain)
    assert read_recipe(write_recipe(grid, tmp_path / "written.yaml")) == grid
    assert smoke(grid).teachers.mended == grid.teachers.mended
