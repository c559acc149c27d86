"""How long a sweep takes: all parts of a run count, no guess is far off, and what is there costs nothing."""

import time

import pytest

from evendistill.experiments.beginning.measuring import Cost, kind, kinds, measured
from evendistill.experiments.beginning.pace import Sizes, about, seconds_for, seconds_of
from evendistill.experiments.beginning.side_by_side import side_by_side
from evendistill.experiments.run import train_run
from evendistill.experiments.sources import seen
from evendistill.experiments.spec import DataSpec, RunSpec
from evendistill.training.turns import drained

SPEC = {
    "data": {"source": "digits"},
    "network": {"kind": "mlp", "hidden": [256, 256]},
    "objective": "robust",
    "training": {"epochs": 30, "batch_size": 64, "update_every": 8},
}
DIGITS = Sizes(898, 449, 450)
STEP, LOOK, BEGIN, MEND = (Cost(*(float(place == part) for place in range(4))) for part in range(4))
LISTENING = {"temperature": 3.0}
FRONTIER = {"kind": "frontier", "alphas": [0.0, 0.5, 1.0]}
SHORT = {"epochs": 3, "batch_size": 100}


def spec(**more):
    return RunSpec.model_validate(SPEC | more)


@pytest.mark.parametrize(
    ("cost", "more", "seconds"),
    [
        (STEP, {"objective": "standard"}, 3 * 9),
        (BEGIN, {}, 1),
        (MEND, {}, 0),
        (LOOK, {"objective": "standard"}, 449 + 450 + 898 + 449),  # of a teacher, whose students ask it for scores
        (LOOK, {"objective": "standard", "teacher": SPEC, "listening": LISTENING}, 449 + 450),
        (LOOK, {"training": SHORT | {"update_every": 2}}, 449 + 450 + 898 + 449 + 27 // 2 * 449),
        (LOOK, {"training": SHORT | {"update_examples": 100}}, 449 + 450 + 898 + 449),  # there is no step 32
        (LOOK, {"objective": "standard", "training": SHORT | {"iterate": "best"}}, 449 + 450 + 898 + 449 + 3 * 449),
        (LOOK, {"objective": FRONTIER}, 449 + 21 * (449 + 450)),
        (LOOK, {"teacher": SPEC, "mend": {"kind": "post-shift"}}, 449 + 450 + 898 + 449),
        (MEND, {"teacher": SPEC, "mend": {"kind": "post-shift"}}, 449),
        (STEP, {"teacher": SPEC, "mend": {"kind": "post-shift"}}, 0),
    ],
)
def test_all_parts_of_a_run_count(cost, more, seconds):
    assert seconds_of(spec(**{"training": SHORT} | more), DIGITS, cost) == seconds


def test_jobs_share_the_time_but_a_student_waits_for_its_teacher():
    teachers = [spec(order_seed=seed, training=SHORT, objective="standard") for seed in range(4)]
    costs = {kind(teachers[0]): STEP}
    assert seconds_for([], DIGITS, {}, ready=5.0) == 0
    assert seconds_for(teachers[:1], DIGITS, costs, ready=5.0, jobs=8) == 5 + 27  # one run is trained by one job
    assert seconds_for(teachers, DIGITS, costs, jobs=2) == 2 * 27
    student = spec(training=SHORT, objective="standard", teacher=teachers[0], listening=LISTENING)
    assert seconds_for([teachers[0], student], DIGITS, costs, jobs=2) == 2 * 27
    assert seconds_for([student], DIGITS, costs, jobs=2) == 27  # its teacher is finished


def test_each_kind_of_run_is_measured_once():
    small = spec(network={"kind": "mlp", "hidden": [4]})
    mended = spec(teacher=SPEC, mend={"kind": "post-shift"})
    every = [spec(), spec(order_seed=1), small, spec(objective="standard"), spec(objective=FRONTIER), mended]
    assert list(kinds(every).values()) == [spec(), small, spec(objective=FRONTIER), mended]


def test_a_frontier_is_measured_as_what_it_is_and_a_mend_by_what_it_puts_on():
    data = seen(DataSpec(), None)
    small = {"network": {"kind": "mlp", "hidden": [4]}}
    assert measured(spec(objective=FRONTIER, **small), data).step > 1.1 * measured(spec(**small), data).step
    costs = measured(spec(teacher=SPEC, mend={"kind": "post-shift"}), data)
    assert costs.mend > 0 == costs.step


def test_the_guess_is_of_the_size_of_what_it_takes(tmp_path):
    ready, costs = side_by_side(kinds([spec()]), DataSpec(), None, jobs=1)
    assert ready > 0.5  # a process imports torch
    guess = seconds_for([spec()], DIGITS, costs, jobs=1)
    start = time.perf_counter()
    drained(train_run(spec(), tmp_path))
    taken = time.perf_counter() - start
    assert taken / 4 < guess < taken * 4  # other work on the machine is nobody's to foretell


def test_of_processes_side_by_side_the_one_with_the_cause_speaks():
    wrong = spec(network={"kind": "own", "path": "no_such_module:network"})
    with pytest.raises(ValueError, match="no_such_module cannot be imported"):
        side_by_side(kinds([wrong]), DataSpec(), None, jobs=2)


@pytest.mark.parametrize("network", [{"kind": "convnet", "width": 2}, {"kind": "resnet", "depth": 8}])
def test_pictures_are_measured_within_seconds(network):
    start = time.perf_counter()
    assert measured(spec(network=network), seen(DataSpec(source="made-up:5x3x16"), None)).step > 0
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 second"), (40, "40 seconds"), (100, "2 minutes"), (5000, "83 minutes"), (9000, "2 hours"), (4e5, "5 days")],
)
def test_words_are_no_more_exact_than_the_guess(seconds, words):
    assert about(seconds, 2) == f"about {words} with --jobs 2"
