"""What a recipe unfolds into, counted by hand."""

from importlib import resources

import pytest

from evendistill.experiments.grid import distinct_runs, expand
from evendistill.experiments.spec import ListeningSpec

DEMO = resources.files("evendistill.experiments").joinpath("recipes/demo.yaml").read_text(encoding="utf-8")


@pytest.fixture
def demo(read_plain):
    return expand(read_plain(DEMO))


def names(cell):
    return cell.teacher.name, cell.student.name if cell.student else None, cell.validation_labels


def students_of(cells):
    return [cell for cell in cells if cell.student is not None]


def test_the_demo_has_three_teachers_and_four_students_of_each(demo):
    kinds = [("standard", None), ("balanced", None), ("robust", "teacher"), ("robust", "true")]
    teachers = ["standard", "balanced", "robust"]
    expected = [(teacher, None, None) for teacher in teachers]
    expected += [(teacher, *kind) for teacher in teachers for kind in kinds]
    assert [names(cell) for cell in demo] == expected
    assert len(demo) == 15


def test_the_demo_takes_forty_five_runs_for_three_seeds(demo):
    runs = distinct_runs(demo)
    assert len(runs) == 45
    assert all(name == run.hash for name, run in runs.items())
    assert sum(run.role == "teacher" for run in runs.values()) == 9
    assert [run.order_seed for run in demo[-1].runs] == [0, 1, 2]


@pytest.mark.parametrize("told", ["matched", {"fixed": 1}, {"fixed": 7}])
def test_each_teacher_is_trained_once_and_before_its_students(read_plain, plain, told):
    cells = expand(read_plain({**plain, "teacher_seed": told}))
    runs = list(distinct_runs(cells).values())
    trained = set()
    for run in runs:
        assert run.hash not in trained
        assert run.teacher is None or run.teacher.hash in trained
        trained.add(run.hash)
    assert trained == {run.hash for cell in cells for run in cell.runs} | {
        run.teacher.hash for cell in cells for run in cell.runs if run.teacher
    }


def test_a_matched_student_learns_from_the_teacher_of_its_own_seed(read_plain, plain):
    cells = expand(read_plain({**plain, "seeds": [4, 6]}))
    for cell in students_of(cells):
        assert [run.order_seed for run in cell.runs] == [4, 6]
        teachers = [run.teacher for run in cell.runs if run.teacher]
        assert [teacher.order_seed for teacher in teachers] == [4, 6]
        assert [teacher.initialisation_seed for teacher in teachers] == [4, 6]
    assert len(distinct_runs(cells)) == 2 + 3 * 2


@pytest.mark.parametrize(("fixed", "count"), [(0, 2 + 3 * 2), (9, 3 + 3 * 2)])
def test_a_fixed_teacher_teaches_students_of_every_seed(read_plain, plain, fixed, count):
    cells = expand(read_plain({**plain, "teacher_seed": {"fixed": fixed}}))
    assert [run.order_seed for run in cells[0].runs] == [0, 1]
    for cell in students_of(cells):
        assert [run.order_seed for run in cell.runs] == [0, 1]
        assert [run.teacher.order_seed for run in cell.runs if run.teacher] == [fixed, fixed]
    assert len(distinct_runs(cells)) == count


def test_students_without_multipliers_are_not_doubled_by_who_labels(read_plain, plain):
    plain["students"] |= {
        "objectives": ["standard", "balanced", {"alpha": 0.5}],
        "validation_labels": ["teacher", "true"],
        "validation_temperatures": [1.0, 2.0],
    }
    listening = [(names(cell)[1], cell.listening) for cell in students_of(expand(read_plain(plain)))]
    assert listening == [
        ("standard", ListeningSpec(temperature=3)),
        ("balanced", ListeningSpec(temperature=3)),
        ("tradeoff-0.5", ListeningSpec(temperature=3, validation_labels="teacher", validation_temperature=1)),
        ("tradeoff-0.5", ListeningSpec(temperature=3, validation_labels="teacher", validation_temperature=2)),
        ("tradeoff-0.5", ListeningSpec(temperature=3, validation_labels="true")),
    ]


def test_every_student_is_crossed_with_every_temperature(read_plain, plain):
    plain["students"]["temperatures"] = [1, 5]
    cells = students_of(expand(read_plain(plain)))
    told = [(names(cell)[1], cell.listening and cell.listening.temperature) for cell in cells]
    assert told == [(name, t) for name in ("standard", "balanced", "robust") for t in (1, 5)]
    assert len({run.hash for cell in cells for run in cell.runs}) == 12


def test_temperatures_of_one_entry_share_a_group_and_label_modes_do_not(read_plain, plain):
    plain["students"] |= {"temperatures": [1, 5], "validation_labels": ["teacher", "true"]}
    cells = students_of(expand(read_plain(plain)))
    groups = {cell.group: 0 for cell in cells}
    for cell in cells:
        groups[cell.group] += 1
    assert list(groups.values()) == [2, 2, 2, 2]
    assert len(cells) == 8


def test_each_run_is_told_what_the_recipe_says(read_plain, plain):
    plain |= {"robust_k": 3}
    plain["students"] |= {"onehot_weight": 0.2, "teacher_view": "augmented", "training": {"epochs": 7}}
    *_, robust = expand(read_plain(plain))
    run = robust.runs[1]
    assert run.teacher is not None
    assert run.listening is not None
    assert (run.data.imbalance, run.teacher.data.imbalance) == (20, 20)
    assert (run.training.epochs, run.teacher.training.epochs) == (7, 2)
    assert (run.network.model_dump()["hidden"], run.teacher.network.model_dump()["hidden"]) == ((4,), (8,))
    assert (run.objective.name, run.teacher.objective.name) == ("robust", "standard")
    assert (run.robust_k, run.teacher.robust_k) == (3, 3)
    assert (run.listening.onehot_weight, run.listening.teacher_view) == (0.2, "augmented")
    assert (run.initialisation_seed, run.order_seed) == (1, 1)


def test_a_recipe_may_have_teachers_alone(read_plain, plain):
    del plain["students"]
    cells = expand(read_plain(plain))
    assert [names(cell) for cell in cells] == [("standard", None, None)]
    assert len(distinct_runs(cells)) == 2


def test_a_larger_recipe_shares_the_runs_of_a_smaller_one(read_plain, plain):
    small = set(distinct_runs(expand(read_plain(plain))))
    plain["seeds"] = 4
    plain["teachers"]["objectives"] = ["robust", "standard"]
    assert small < set(distinct_runs(expand(read_plain(plain))))
