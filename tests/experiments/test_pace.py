"""How long a sweep takes: all parts of a run count, no guess is far off, and what is there costs nothing."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from evendistill.experiments.beginning import measuring
from evendistill.experiments.beginning.measuring import LOOKS_SECONDS, STEPS_SECONDS, Cost, kind, kinds, measured
from evendistill.experiments.beginning.pace import Sizes, about, seconds_for, seconds_of
from evendistill.experiments.beginning.side_by_side import side_by_side
from evendistill.experiments.run import train_run
from evendistill.experiments.sources import seen
from evendistill.experiments.spec import DataSpec, RunSpec
from evendistill.models.conditioned import Conditioned
from evendistill.training.loop import fit
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
CLOCKED = """
import torch

class Net(torch.nn.Sequential):
    seconds = 0.0

    def __init__(self, num_classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, num_classes))

    def forward(self, inputs):
        type(self).seconds += 0.05 if self.training else 0.001 * len(inputs)
        return super().forward(inputs)
"""


def spec(**more):
    return RunSpec.model_validate(SPEC | more)


@pytest.mark.parametrize(
    ("cost", "more", "seconds"),
    [
        (STEP, {"objective": "standard"}, 3 * 8 - 1),
        (STEP, {"objective": "standard", "training": {"epochs": 3, "batch_size": 1000}}, 3 - 1),
        (BEGIN, {}, 1),
        (MEND, {}, 0),
        (LOOK, {"objective": "standard"}, 449 + 450 + 898 + 449),  # of a teacher, whose students ask it for scores
        (LOOK, {"objective": "standard", "teacher": SPEC, "listening": LISTENING}, 449 + 450),
        (LOOK, {"training": SHORT | {"update_every": 5}}, 449 + 450 + 898 + 449 + 4 * 449),  # before steps 5, ...
        (
            LOOK,
            {"training": SHORT | {"update_every": 5, "update_phase": "epoch"}},
            449 + 450 + 898 + 449 + (3 * 2 - 1) * 449,
        ),
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
    assert seconds_for(teachers[:1], DIGITS, costs, ready=5.0, jobs=8) == 5 + 23  # one run is trained by one job
    assert seconds_for(teachers, DIGITS, costs, jobs=2) == 2 * 23
    student = spec(training=SHORT, objective="standard", teacher=teachers[0], listening=LISTENING)
    assert seconds_for([teachers[0], student], DIGITS, costs, jobs=2) == 2 * 23
    assert seconds_for([student], DIGITS, costs, jobs=2) == 23  # its teacher is finished


def test_each_kind_of_run_is_measured_once():
    small = spec(network={"kind": "mlp", "hidden": [4]})
    mended = spec(teacher=SPEC, mend={"kind": "post-shift"})
    every = [spec(), spec(order_seed=1), small, spec(objective="standard"), spec(objective=FRONTIER), mended]
    assert list(kinds(every).values()) == [spec(), small, spec(objective=FRONTIER), mended]


def test_a_frontier_is_measured_as_what_it_is(monkeypatch):
    fitted = []
    monkeypatch.setattr(
        measuring, "fit", lambda network, *told, **more: fitted.append(network) or fit(network, *told, **more)
    )
    data, small = seen(DataSpec(), None), {"network": {"kind": "mlp", "hidden": [4]}}
    for objective in ("robust", FRONTIER):
        assert measured(spec(objective=objective, **small), data).step > 0
    assert [isinstance(network, Conditioned) for network in fitted] == [False, True]


def test_a_mend_is_measured_by_what_it_puts_on():
    costs = measured(spec(teacher=SPEC, mend={"kind": "post-shift"}), seen(DataSpec(), None))
    assert costs.mend > 0 == costs.step


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Seconds that pass while an own network works, and at no other time: a step has 50 ms, an example 1 ms."""
    (tmp_path / "clocked.py").write_text(CLOCKED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "clocked", raising=False)
    of = importlib.import_module("clocked").Net
    now = SimpleNamespace(perf_counter=lambda: of.seconds)
    monkeypatch.setattr(measuring, "time", now)
    return now.perf_counter


@pytest.mark.parametrize("objective", ["standard", "robust", FRONTIER])
def test_the_guess_is_what_it_takes(tmp_path, clock, objective):
    run = spec(network={"kind": "own", "path": "clocked:Net"}, objective=objective)
    guess = seconds_for([run], DIGITS, {kind(run): measured(run, seen(DataSpec(), None))})
    start = clock()
    drained(train_run(run, tmp_path))
    assert guess == pytest.approx(clock() - start - 0.002)  # a trial looks at two examples


def test_processes_measure_with_clocks_of_their_own():
    ready, costs = side_by_side(kinds([spec()]), DataSpec(), None, jobs=2)
    assert ready > 0
    (cost,) = costs.values()
    assert min(cost.step, cost.look, cost.begin) > 0 == cost.mend


def test_of_processes_side_by_side_the_one_with_the_cause_speaks():
    wrong = spec(network={"kind": "own", "path": "no_such_module:network"})
    with pytest.raises(ValueError, match="no_such_module cannot be imported"):
        side_by_side(kinds([wrong]), DataSpec(), None, jobs=2)


@pytest.mark.parametrize("network", [{"kind": "convnet", "width": 2}, {"kind": "resnet", "depth": 8}])
def test_pictures_are_measured(network):
    assert measured(spec(network=network), seen(DataSpec(source="made-up:5x3x16"), None)).step > 0


def test_measuring_takes_a_few_steps_alone(clock):
    run = spec(network={"kind": "own", "path": "clocked:Net"})
    start = clock()
    cost = measured(run, seen(DataSpec(), None))
    assert (cost.step, cost.look, cost.mend) == (pytest.approx(0.05), pytest.approx(0.001), 0)
    assert clock() - start < STEPS_SECONDS + LOOKS_SECONDS + 3 * (0.05 + 0.001 * 449)  # what warms up, and one over


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 second"), (40, "40 seconds"), (100, "2 minutes"), (5000, "83 minutes"), (9000, "2 hours"), (4e5, "5 days")],
)
def test_words_are_no_more_exact_than_the_guess(seconds, words):
    assert about(seconds, 2) == f"about {words} with --jobs 2"
