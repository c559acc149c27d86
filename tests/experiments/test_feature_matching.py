"""A recipe whose students match features: what runs are told, what is kept where, and what is refused."""

import pytest

from evendistill.data.datasets import load_data
from evendistill.experiments.engines.choice import How
from evendistill.experiments.grid import expand
from evendistill.experiments.networks import finished_network
from evendistill.experiments.spec import ListeningSpec
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import read_json
from evendistill.storage.tensors import read_tensors


@pytest.fixture
def swept(plain, write_recipe, tmp_path):
    """A sweep of one seed over a folder of this name, with this weight."""
    plain |= {"data": {"source": "made-up:3x1x8"}, "seeds": 1, "training": {"epochs": 2, "batch_size": 16}}

    def sweep(name, weight=None):
        plain["students"] |= {} if weight is None else {"feature_weight": weight}
        return Sweep.read(write_recipe(plain), tmp_path / name)

    return sweep


def trained(sweep):
    """Folders of the one teacher and of its students."""
    assert [outcome.error for outcome in sweep.train(How(jobs=1))] == [None] * len(sweep.needed)
    folders = {spec: sweep.runs / spec.folder_name for spec in sweep.needed.values()}
    (teacher,) = [folder for spec, folder in folders.items() if spec.teacher is None]
    return teacher, [folder for folder in folders.values() if folder != teacher]


def test_every_student_is_told_the_weight(read_plain, plain):
    plain["students"]["feature_weight"] = 2
    plain["baselines"] = ["balanced-kd"]
    heard = [cell.listening for cell in expand(read_plain(plain)) if cell.listening is not None]
    assert len(heard) == 4
    assert {listening.feature_weight for listening in heard} == {2.0}


def test_a_weight_of_zero_is_a_run_that_was_told_nothing():
    told = ListeningSpec(temperature=3.0, feature_weight=0.0)
    assert told == ListeningSpec(temperature=3.0)
    assert "feature_weight" not in told.model_dump(exclude_defaults=True)


def test_weights_are_runs_of_their_own_and_zero_is_none(swept):
    names = [{spec.folder_name for spec in swept("runs", weight).needed.values()} for weight in (None, 0, 0.0, 1, 0.5)]
    assert names[0] == names[1] == names[2]
    assert [len(names[0] & other) for other in names[3:]] == [1, 1]  # they share the teacher
    assert len(names[3] & names[4]) == 1


def test_features_are_kept_once_with_the_teacher_and_students_end_bare(swept):
    sweep = swept("matched", 0.5)
    teacher, students = trained(sweep)
    (path,) = teacher.glob("features-train-*.safetensors")
    data = load_data("made-up:3x1x8")
    assert read_tensors(path)["features"].shape == (len(data.train), 8)
    assert len(students) == 3
    for folder in students:
        assert not list(folder.glob("features-*"))
        assert read_json(folder / "spec.json")["listening"]["feature_weight"] == 0.5
    for spec in sweep.needed.values():
        network = finished_network(spec, data, sweep.runs)
        stored = read_tensors(sweep.runs / spec.folder_name / "model.safetensors")
        assert stored.keys() == network.state_dict().keys()


def test_the_weight_changes_what_students_learn_and_nothing_else(swept):
    teacher, students = trained(swept("bare", 0))
    same_teacher, others = trained(swept("matched", 5))
    assert (teacher / "model.safetensors").read_bytes() == (same_teacher / "model.safetensors").read_bytes()
    assert not list(teacher.glob("features-*"))
    for one, other in zip(students, others, strict=True):
        assert (one / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()


def test_the_recipe_is_refused_where_the_teacher_sees_augmented_inputs(read_plain, plain):
    plain["students"] |= {"feature_weight": 0.5, "teacher_view": "augmented"}
    with pytest.raises(ValueError, match=r"yaml: students: feature_weight needs teacher_view clean, got augmented$"):
        read_plain(plain)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "much", True])
def test_an_impossible_weight_is_refused(read_plain, plain, weight):
    plain["students"]["feature_weight"] = weight
    with pytest.raises(ValueError, match=r"students.feature_weight: [^\n]*$"):
        read_plain(plain)


def test_a_teacher_without_features_is_named_and_stops_its_students_alone(swept, plain):
    plain["teachers"]["objectives"] = ["standard", "balanced"]
    plain["teachers"]["mended"] = [{"kind": "mean", "others": ["balanced"]}]
    plain["students"]["objectives"] = ["balanced"]
    sweep = swept("runs", 1.0)
    errors = {outcome.hash: outcome.error for outcome in sweep.train(How(jobs=1))}
    for name, spec in sweep.needed.items():
        of_mean = spec.teacher is not None and spec.mend is None and spec.teacher.mend is not None
        expected = "no linear layer of the teacher, MeanOfProbabilities, gives its scores" if of_mean else "None"
        assert expected in str(errors[name])
