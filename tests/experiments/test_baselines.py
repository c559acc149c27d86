"""Baselines become runs of the recipe's own data, networks, schedule and seeds, each method once."""

from collections import Counter

import pytest

from evendistill.experiments.derive import smoke, write_recipe
from evendistill.experiments.grid import distinct_runs, expand
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.selection import best_of_each_group, on_validation

STUDENT_NETWORK, TEACHER_NETWORK = (4,), (8,)
TAUS = (0.5, 1.0, 1.5, 2.0)
FROM_STANDARD = [
    ("standard-distillation", "standard", None),
    ("balanced-student", "balanced", None),
    ("robust-student", "robust", "teacher"),
    ("robust-student", "robust", "true"),
    ("ada-margin", "ada-margin", None),
    ("ada-alpha", "ada-alpha", None),
    ("balanced-kd", "balanced-kd", None),
    ("distilled-group-dro", "group-dro-validation", "true"),
]
ALONE = [
    ("group-dro-train", "group-dro-train"),
    ("group-dro-validation", "group-dro-validation"),
    ("reweighted", "reweighted"),
]


@pytest.fixture
def full(plain):
    """A recipe with every baseline, two temperatures, both label modes."""
    plain["students"] |= {"temperatures": [1, 3], "validation_labels": ["teacher", "true"]}
    return plain | {"baselines": "all"}


@pytest.fixture
def cells(read_plain, full):
    return lambda **changes: [cell for cell in expand(read_plain(full | changes)) if cell.baseline is not None]


def of_kind(cells, kind):
    return [cell for cell in cells if cell.baseline.kind == kind]


def hidden(run):
    return run.network.model_dump()["hidden"]


def test_all_is_every_method_once_with_its_hyper_parameters(cells):
    counts = Counter(cell.baseline.kind for cell in cells())
    assert counts == {
        "standard-distillation": 2,
        "balanced-student": 2,
        "robust-student": 4,
        "post-shift": 1,
        "logit-adjustment": 4,
        "ada-margin": 4,
        "ada-alpha": 4,
        "balanced-kd": 2,
        "group-dro-train": 1,
        "group-dro-validation": 1,
        "distilled-group-dro": 2,
        "reweighted": 1,
    }
    assert len({run.folder_name for cell in cells() for run in cell.runs}) == 2 * sum(counts.values())


@pytest.mark.parametrize(("kind", "objective", "labels"), FROM_STANDARD)
def test_students_learn_from_the_standard_teacher_at_every_temperature(cells, kind, objective, labels):
    found = [cell for cell in of_kind(cells(), kind) if cell.validation_labels == labels]
    assert {cell.listening.temperature for cell in found} == {1, 3}
    for cell in found:
        assert (cell.teacher.name, cell.student.name) == ("standard", objective)
        for seed, run in enumerate(cell.runs):
            assert run.teacher is not None
            assert (run.teacher.objective.name, run.objective.name) == ("standard", objective)
            assert (hidden(run), hidden(run.teacher)) == (STUDENT_NETWORK, TEACHER_NETWORK)
            assert (run.order_seed, run.initialisation_seed, run.teacher.order_seed) == (seed, seed, seed)
            assert run.mend is None


def test_costs_put_on_afterwards_are_ours_and_train_nothing_but_the_balanced_student(cells, read_plain, full):
    assert of_kind(cells(), "costs-afterwards") == []  # all is what papers have
    found = cells(baselines=[{"kind": "costs-afterwards", "alphas": [0.5, 1.0]}])
    assert [(cell.student.alpha, cell.listening.temperature) for cell in found] == [(0.5, 1), (1, 1), (0.5, 3), (1, 3)]
    balanced = {
        run.hash for cell in expand(read_plain(full | {"baselines": ["balanced-student"]})) for run in cell.runs
    }
    for cell in found:
        assert cell.teacher.name == "standard"
        for seed, run in enumerate(cell.runs):
            assert run.mend.by_costs
            assert (run.mend.alpha, run.order_seed) == (cell.student.alpha, seed)
            assert run.teacher.hash in balanced
            assert (run.trained.hash, hidden(run)) == (run.teacher.hash, STUDENT_NETWORK)
    (row,) = {cell.group for cell in found}
    assert row == (found[0].teacher, None, None, "costs-afterwards")


@pytest.mark.parametrize(("kind", "objective"), ALONE)
def test_methods_without_a_teacher_train_the_network_of_the_students(cells, kind, objective):
    (cell,) = of_kind(cells(), kind)
    assert (cell.teacher, cell.listening, cell.student.name) == (None, None, objective)
    for seed, run in enumerate(cell.runs):
        assert (run.teacher, run.listening, run.mend) == (None, None, None)
        assert (hidden(run), run.order_seed, run.initialisation_seed) == (STUDENT_NETWORK, seed, seed)
        assert run.data.imbalance == 20


def test_shifts_are_the_teachers_themselves_in_folders_of_their_own(cells, read_plain, full):
    teachers = {run.hash for run in expand(read_plain(full))[0].runs}
    shifted = [*of_kind(cells(), "post-shift"), *of_kind(cells(), "logit-adjustment")]
    runs = [run for cell in shifted for run in cell.runs]
    assert {run.teacher.hash for run in runs} == teachers
    assert not teachers & {run.hash for run in runs}
    assert len({run.hash for run in runs}) == len(runs) == 10
    for run in runs:
        assert (run.network, run.training, run.order_seed) == (
            run.teacher.network,
            run.teacher.training,
            run.teacher.order_seed,
        )
    assert [cell.runs[0].mend.tau for cell in shifted[1:]] == list(TAUS)
    assert runs[0].folder_name == f"{runs[0].hash}-digits-post-shift-of-standard-s0"
    assert runs[2].folder_name == f"{runs[2].hash}-digits-logit-adjustment-0.5-of-standard-s0"


def test_hyper_parameters_are_those_of_the_methods(cells):
    assert {cell.student.per for cell in of_kind(cells(), "ada-margin")} == {"example", "class"}
    assert {cell.student.per for cell in of_kind(cells(), "ada-alpha")} == {"example", "class"}
    told = [{"kind": "group-dro-train", "adjustments": [0, 1, 2]}, {"kind": "logit-adjustment", "taus": [0.25]}]
    changed = cells(baselines=told)
    assert [cell.student.adjustment for cell in of_kind(changed, "group-dro-train")] == [0, 1, 2]
    assert {cell.student.multipliers for cell in of_kind(changed, "group-dro-train")} == {"train"}
    assert [cell.runs[0].mend.tau for cell in of_kind(changed, "logit-adjustment")] == [0.25]


def test_a_row_of_the_table_is_one_method_and_one_label_mode(finished_sweep, full):
    full["students"] = {**full["students"], "objectives": ["standard"]}
    sweep = finished_sweep(full, lambda spec: [0.9, 0.5])
    found = on_validation(sweep.cells, sweep.runs, robust_k=1)
    chosen = [sweep.cells[position] for position in best_of_each_group(sweep.cells, found)]
    named = Counter(cell.baseline.kind for cell in chosen if cell.baseline is not None)
    assert named == Counter({cell.baseline.kind: 1 for cell in sweep.cells if cell.baseline}) + Counter(
        {"robust-student": 1}
    )


def test_baselines_that_the_grid_holds_are_the_same_runs(cells, read_plain, full):
    grid = [cell for cell in expand(read_plain(full)) if cell.is_student]
    shared = ("standard-distillation", "balanced-student", "robust-student")
    runs = {run.hash for cell in cells() if cell.baseline.kind in shared for run in cell.runs}
    assert runs == {run.hash for cell in grid for run in cell.runs}
    with_, without = read_plain(full), read_plain(full | {"baselines": []})
    own = set(distinct_runs(expand(with_))) - set(distinct_runs(expand(without)))
    assert len(own) == 2 * (1 + 4 + 4 + 4 + 2 + 1 + 1 + 2 + 1)


def test_another_teacher_may_be_named(cells):
    told = [{"kind": "balanced-student", "teacher": "robust"}, {"kind": "post-shift", "teacher": {"alpha": 0.5}}]
    student, _, shift = cells(baselines=told)
    assert [run.teacher.objective.name for run in student.runs] == ["robust"] * 2
    assert [run.objective.name for run in shift.runs] == ["tradeoff-0.5"] * 2
    assert student.baseline.title == "balanced student of a robust teacher (Menon et al. 2021)"
    assert shift.baseline.title == "post-shift of the tradeoff-0.5 teacher (our search)"


def test_one_fixed_teacher_teaches_all_students_and_each_shift_keeps_its_own_seed(cells):
    for cell in cells(teacher_seed={"fixed": 7}):
        assert [run.order_seed for run in cell.runs] == [0, 1]
        if cell.runs[0].mend is not None:
            assert [run.teacher.order_seed for run in cell.runs] == [0, 1]
        elif cell.teacher is not None:
            assert [run.teacher.order_seed for run in cell.runs] == [7, 7]


def test_gain_and_step_are_for_group_dro_that_validation_moves(cells, full):
    full["training"] |= {"gain": "cross_entropy", "multiplier_step": 0.7}
    plain = cells()
    for cell in plain:
        own = cell.baseline.kind in ("group-dro-validation", "distilled-group-dro")
        told = ("zero_one", 0.1) if own else ("cross_entropy", 0.7)
        assert {(run.training.gain, run.training.multiplier_step) for run in cell.runs} == {told}
        assert {run.training.epochs for run in cell.runs} == {2}
    for kind in ("group-dro-validation", "distilled-group-dro"):
        changed = cells(baselines=[{"kind": kind, "gain": "cross_entropy", "multiplier_step": 0.3}])
        told = {(run.training.gain, run.training.multiplier_step) for cell in changed for run in cell.runs}
        assert told == {("cross_entropy", 0.3)}
        teachers = {run.teacher.training.multiplier_step for cell in changed for run in cell.runs if run.teacher}
        assert teachers <= {0.7}


def test_students_with_a_training_of_their_own_share_it_with_their_baselines(cells, full):
    full["students"]["training"] = {"epochs": 5}
    for cell in cells():
        expected = 2 if cell.runs[0].mend is not None else 5
        assert {run.training.epochs for run in cell.runs} == {expected}
        assert {run.teacher.training.epochs for run in cell.runs if run.teacher} <= {2}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"kind": "post-shift", "taus": [1]}, "taus is for logit-adjustment, got it for post-shift"),
        ({"kind": "logit-adjustment", "gain": "zero_one"}, "gain is for group-dro-validation and distilled-group-dro"),
        ({"kind": "group-dro-train", "multiplier_step": 0.5}, "multiplier_step is for group-dro-validation and"),
        ({"kind": "group-dro-validation", "adjustments": [1]}, "adjustments is for group-dro-train, got it for"),
        ({"kind": "reweighted", "teacher": "robust"}, "baselines.0: reweighted has no teacher"),
        ({"kind": "group-dro-train", "teacher": "standard"}, "group-dro-train has no teacher"),
        ({"kind": "logit-adjustment", "taus": [-1]}, "baselines.0.taus.0: must be at least 0"),
        ({"kind": "logit-adjustment", "taus": []}, "baselines.0.taus: "),
        ({"kind": "logit-adjustment", "tau": 1}, "unknown field baselines.0.tau; did you mean taus?"),
        ({"taus": [1]}, "baselines.0.kind: is missing"),
        ("post-shif", "baselines.0.kind: must be 'standard-distillation', "),
        (3, "baselines.0: "),
    ],
)
def test_what_a_method_does_not_take_is_refused_in_one_line(read_plain, plain, told, words):
    with pytest.raises(ValueError, match=r"recipe\.yaml: ") as error:
        read_plain(plain | {"baselines": [told]})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_baselines_are_a_list_or_all(read_plain, plain):
    with pytest.raises(ValueError, match=r"recipe\.yaml: baselines: "):
        read_plain(plain | {"baselines": "some"})


def test_baselines_without_students_are_refused(read_plain, plain):
    del plain["students"]
    with pytest.raises(ValueError, match=r"recipe\.yaml: baselines need students, whose network and training they"):
        read_plain(plain | {"baselines": ["post-shift"]})


def test_a_recipe_with_everything_is_written_read_and_made_small(read_plain, full, tmp_path):
    told = [
        "post-shift",
        {"kind": "balanced-kd", "teacher": "robust"},
        {"kind": "logit-adjustment", "taus": [0.25, 0.75]},
        {"kind": "group-dro-train", "adjustments": [0, 3]},
        {"kind": "group-dro-validation", "gain": "cross_entropy", "multiplier_step": 0.2},
    ]
    changes = {"selection": {"rule": "paper", "factor": 2}, "search": {"epochs": 0.5, "keep": 0.2}}
    grid = read_plain(full | {"baselines": told, "published": "cifar10-lt"} | changes)
    assert read_recipe(write_recipe(grid, tmp_path / "written.yaml")) == grid
    tried = smoke(grid)
    assert read_recipe(write_recipe(tried, tmp_path / "tried.yaml")) == tried
    assert [baseline.kind for baseline in tried.baselines] == ["post-shift", "group-dro-validation"]
    assert (tried.baselines[1].gain, tried.baselines[1].multiplier_step) == ("cross_entropy", 0.2)
    few = smoke(grid.model_copy(update={"baselines": grid.baselines[2:4]}))
    assert [few.baselines[0].taus, few.baselines[1].adjustments] == [(0.25,), (0,)]
    assert read_recipe(write_recipe(few, tmp_path / "few.yaml")) == few
    assert (tried.search, tried.selection.rule) == (grid.search, "best-robust")


@pytest.mark.parametrize(
    "floor", [{"rule": "weighted-sum", "weight": 0.3}, {"rule": "average-above", "robust_floor": 0.9}]
)
def test_every_rule_is_written_and_read(read_plain, plain, floor, tmp_path):
    grid = read_plain(plain | {"selection": floor})
    assert read_recipe(write_recipe(grid, tmp_path / "written.yaml")).selection == grid.selection
    assert smoke(grid).selection.rule == "best-robust"
