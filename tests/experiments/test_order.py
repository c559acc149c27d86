"""The order of runs, row by row of the table, and shares of them that together are all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evendistill.experiments.grid import distinct_runs, every_run, expand
from evendistill.experiments.order import cheapest_first, ready, share
from evendistill.experiments.recipe import GridSpec

FEW = settings(max_examples=30)  # each is a recipe of up to some hundred runs
OBJECTIVES = ["standard", "balanced", "robust"]
BASELINES = ["reweighted", "post-shift", "group-dro-train", "standard-distillation"]
MENDED = [{"kind": "mean", "others": ["balanced", "robust"]}, {"kind": "adjusted", "alpha": 0.5}]


def said(run):
    """What a person calls a run: its objective, and whose student it is."""
    return run.taught_as + (f" of {run.teacher.taught_as}" if run.listening else "")


@pytest.fixture
def unlike(plain):
    """Two teachers of ten epochs, two students of three under each and alone, one seed."""
    plain["teachers"] |= {"objectives": ["standard", "robust"], "training": {"epochs": 10}}
    plain["students"] |= {"objectives": ["standard", "robust"], "training": {"epochs": 3}, "alone": True}
    return plain | {"seeds": 1}


def test_the_row_that_costs_the_fewest_further_epochs_is_next(read_plain, unlike):
    cells = expand(read_plain(unlike))
    order = [said(run) for run in cheapest_first(cells, distinct_runs(cells)).values()]
    assert order[:1] == ["robust"]  # alone: 3 epochs, where the teachers are 20, and the rows of students 26 and 29
    assert order[1:3] == ["standard", "robust"]  # the teachers: now 6 and 9 are left
    assert order[3:5] == ["robust of standard", "robust of robust"]
    assert order[5:] == ["standard", "standard of standard", "standard of robust"]


def test_what_is_done_costs_nothing(read_plain, unlike):
    cells = expand(read_plain(unlike))
    needed = {name: run for name, run in distinct_runs(cells).items() if run.teacher or run.training.epochs == 3}
    del needed[next(name for name, run in needed.items() if said(run) == "robust")]
    order = [said(run) for run in cheapest_first(cells, needed).values()]
    assert order == ["robust of standard", "robust of robust", "standard", "standard of standard", "standard of robust"]


def test_a_mended_teacher_costs_no_epochs(read_plain, unlike):
    unlike["teachers"] |= {"objectives": ["standard"], "mended": [{"kind": "adjusted", "alpha": 0.5}]}
    unlike["students"] |= {"objectives": ["robust"], "alone": False, "training": {"epochs": 12}}
    unlike["baselines"] = ["reweighted"]  # 12 epochs, no teacher
    cells = expand(read_plain(unlike))
    order = [said(run) for run in cheapest_first(cells, distinct_runs(cells)).values()]
    assert order[:2] == ["standard", "adjusted-0.5-of-standard"]
    assert order[2:] == ["reweighted", "robust of standard", "robust of adjusted-0.5-of-standard"]


def test_the_student_of_a_teacher_that_failed_is_never_ready(read_plain, plain):
    needed = every_run(read_plain(plain))
    teacher, other = (name for name, run in needed.items() if not run.inputs)
    waiting = {name: run for name, run in needed.items() if run.inputs}
    assert [needed[name].inputs[0].hash for name in ready(waiting, needed, {teacher: True, other: False})] == [
        teacher
    ] * 3
    assert list(ready(waiting, needed, {teacher: False})) == []


def test_runs_that_no_cell_shows_come_last(read_plain, unlike):
    cells = expand(read_plain(unlike))
    needed = distinct_runs(cells)
    order = list(cheapest_first(cells[:2], needed))
    assert order[:2] == [run.hash for cell in cells[:2] for run in cell.runs]
    assert order[2:] == [name for name in needed if name not in order[:2]]


def some(values, least=1):
    return st.lists(st.sampled_from(values), min_size=least, unique_by=str)


@st.composite
def grids(draw):
    """Recipes of every shape that has to do with which run needs which."""
    epochs = st.fixed_dictionaries({"epochs": st.integers(1, 5)})
    network = {"kind": "mlp", "hidden": [4]}
    teachers = {"network": network, "objectives": draw(some(OBJECTIVES)), "training": draw(epochs)}
    students = {"network": network, "objectives": draw(some(OBJECTIVES)), "training": draw(epochs)}
    students |= {"alone": draw(st.booleans()), "temperatures": draw(some([1.0, 3.0]))}
    told = {"teachers": teachers | {"mended": draw(some(MENDED, 0))}, "seeds": draw(st.integers(1, 3))}
    told |= {"teacher_seed": draw(st.sampled_from(["matched", {"fixed": 1}, {"fixed": 9}]))}
    if draw(st.integers(0, 4)):
        told |= {"students": students, "baselines": draw(some(BASELINES, 0))}
    return GridSpec.model_validate({"name": "any", "data": {"imbalance": 10}} | told)


@st.composite
def sweeps(draw):
    """Cells, and the runs that are missing: where a student is there, so is its teacher."""
    cells = expand(draw(grids()))
    finished: set[str] = set()
    for name, run in distinct_runs(cells).items():
        if {each.hash for each in run.inputs} <= finished and draw(st.booleans()):
            finished.add(name)
    return cells, {name: run for name, run in distinct_runs(cells).items() if name not in finished}


def missing_above(run, needed):
    """A run and all that it learns from, as far as that is missing."""
    above = set().union(*(missing_above(each, needed) for each in run.inputs))
    return above | ({run.hash} & needed.keys())


def cost(names, needed):
    return sum(needed[name].training.epochs for name in names if needed[name].mend is None)


@FEW
@given(sweeps())
def test_any_order_is_of_all_runs_after_what_they_learn_from_and_greedy_by_rows(sweep):
    cells, needed = sweep
    order = list(cheapest_first(cells, needed))
    assert sorted(order) == sorted(needed)
    for place, name in enumerate(order):
        assert not {each.hash for each in needed[name].inputs} & set(order[place:])
    rows = {}
    for cell in cells:
        row = (cell.student, cell.validation_labels, cell.baseline and cell.baseline.kind)
        rows[row] = rows.get(row, set()) | set().union(*(missing_above(run, needed) for run in cell.runs))
    left, done = [row for row in rows.values() if row], set[str]()
    while left := [row for row in left if row - done]:
        least = min(cost(row - done, needed) for row in left)
        ahead = [row - done for row in left if cost(row - done, needed) == least]
        chosen = [row for row in ahead if row == set(order[len(done) : len(done) + len(row)])]
        assert chosen, "the next runs are not those of a cheapest row"
        done |= chosen[0]


@FEW
@given(grids(), st.integers(1, 7))
def test_shares_are_all_runs_and_each_holds_what_it_needs(grid, of):
    needed = every_run(grid)
    shares = [share(needed, number, of) for number in range(1, of + 1)]
    last = needed.keys() - {each.hash for run in needed.values() for each in run.inputs}
    assert set().union(*shares) == needed.keys()
    assert sorted(name for each in shares for name in each if name in last) == sorted(last)
    sizes = [len(each.keys() & last) for each in shares]
    assert max(sizes) - min(sizes) <= 1
    for each in shares:
        assert each == {name: needed[name] for name in needed if name in each}
        assert list(each) == [name for name in needed if name in each]
        above = [missing_above(run, needed) for name, run in each.items() if name in last]
        assert each.keys() == set().union(*above)  # and nothing besides


@FEW
@given(grids(), st.integers(1, 7))
def test_students_of_one_teacher_are_neighbours(grid, of):
    needed = every_run(grid)
    last = needed.keys() - {each.hash for run in needed.values() for each in run.inputs}
    firsts = []
    for number in range(1, of + 1):
        firsts.append({first(run) for name, run in share(needed, number, of).items() if name in last})
    for teacher in set().union(*firsts):
        places = [place for place, there in enumerate(firsts) if teacher in there]
        assert all(firsts[place] == {teacher} for place in range(places[0] + 1, places[-1]))
        assert len(places) == places[-1] - places[0] + 1


def first(run):
    """The teacher at the head of a family."""
    return first(run.inputs[0]) if run.inputs else run.hash


def test_two_shares_of_two_teachers_train_one_each(read_plain, plain):
    needed = every_run(read_plain(plain))
    for number in (1, 2):
        assert sum(not run.inputs for run in share(needed, number, 2).values()) == 1
    assert share(needed, 1, 1) == needed


@pytest.mark.parametrize(("number", "of"), [(0, 2), (3, 2), (1, 0), (-1, 3)])
def test_there_is_no_such_share(read_plain, plain, number, of):
    with pytest.raises(ValueError, match=f"a share is K/N with K from 1 to N, got {number}/{of}"):
        share(every_run(read_plain(plain)), number, of)
