"""How long a sweep takes: no guess is far off, and what is not trained costs nothing."""

import time

import pytest

from evendistill.experiments.beginning import pace
from evendistill.experiments.beginning.pace import Sizes, about, seconds_a_step, seconds_for
from evendistill.experiments.run import train_run
from evendistill.experiments.spec import RunSpec
from evendistill.training.turns import drained

SPEC = {
    "data": {"source": "digits"},
    "network": {"kind": "mlp", "hidden": [256, 256]},
    "objective": "robust",
    "training": {"epochs": 30, "batch_size": 64, "update_every": 8},
}
DIGITS = Sizes(898, 449, (1, 8, 8), 10)


def spec(**more):
    return RunSpec.model_validate(SPEC | more)


def test_time_adds_up_over_runs_and_is_shared_by_jobs(monkeypatch):
    monkeypatch.setattr(pace, "seconds_a_step", lambda network, recipe, of: 0.1)
    plain = spec(objective="standard", training={"epochs": 3, "batch_size": 100})
    assert seconds_for([plain], DIGITS, jobs=1) == pytest.approx(3 * 9 * 0.1)
    assert seconds_for([plain] * 4, DIGITS, jobs=2) == pytest.approx(2 * 3 * 9 * 0.1)
    assert seconds_for([plain], DIGITS, jobs=8) == pytest.approx(3 * 9 * 0.1)  # one run is trained by one job
    moved = spec(training={"epochs": 3, "batch_size": 100, "update_every": 2})
    assert seconds_for([moved], DIGITS, jobs=1) == pytest.approx(3 * 9 * 0.1 * (1 + 449 / 100 / 2 / 3))
    mended = spec(teacher=SPEC, mend={"kind": "post-shift"})
    assert seconds_for([mended], DIGITS, jobs=1) == 0


def test_each_network_is_timed_once(monkeypatch):
    asked = []
    monkeypatch.setattr(pace, "seconds_a_step", lambda network, recipe, of: asked.append(network) or 0.1)
    small = spec(network={"kind": "mlp", "hidden": [4]})
    seconds_for([spec(), spec(order_seed=1), small, spec(objective="standard")], DIGITS)
    assert asked == [spec().network, small.network]


def test_the_guess_is_of_the_size_of_what_it_takes(tmp_path):
    guess = seconds_for([spec()], DIGITS, jobs=1)
    start = time.perf_counter()
    drained(train_run(spec(), tmp_path))
    taken = time.perf_counter() - start
    assert taken / 10 < guess < taken * 10  # other work on the machine is nobody's to foretell


@pytest.mark.parametrize("network", [{"kind": "convnet", "width": 2}, {"kind": "resnet", "depth": 8}])
def test_pictures_are_timed_within_seconds(network):
    start = time.perf_counter()
    assert seconds_a_step(spec(network=network).network, spec().training, Sizes(99, 9, (3, 16, 16), 5)) > 0
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 second"), (40, "40 seconds"), (100, "2 minutes"), (5000, "83 minutes"), (9000, "2 hours"), (4e5, "5 days")],
)
def test_words_are_no_more_exact_than_the_guess(seconds, words):
    assert about(seconds, 2) == f"about {words} with --jobs 2"
