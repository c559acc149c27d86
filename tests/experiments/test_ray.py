"""The Ray engine without Ray: what it asks for, and what it makes of the answers."""

import math
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from evendistill.experiments.engines import on_ray
from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.engines.on_ray import RayEngine, train_there
from evendistill.experiments.engines.stopping import StoppedError


class RayError(Exception):
    """Of the name that Ray has for it; the two below likewise."""


class RayTaskError(RayError):
    cause = ModuleNotFoundError("No module named 'evendistill'")


class TaskCancelledError(RayError):
    pass


class FakeRay:
    """As much of Ray as the engine uses; tasks answer what they are told, or not at all."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, TaskCancelledError=TaskCancelledError)

    def __init__(self, *machines) -> None:
        self.machines = [{"Resources": machine, "Alive": machine.get("alive", True)} for machine in machines]
        self.began, self.asked, self.answers, self.cancelled, self.shut = None, None, {}, [], 0
        self.on_init = lambda: None

    def init(self, **told):
        self.began = told | {"statistics": os.environ["RAY_USAGE_STATS_ENABLED"]}
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.on_init()

    def nodes(self):
        return self.machines

    def remote(self, **asked):
        self.asked = asked
        return lambda function: SimpleNamespace(remote=lambda *told: (function, *told))

    def wait(self, references, num_returns, timeout):
        assert references, "Ray does not wait for nothing"
        done = [each for each in references if each[3] in self.answers][:num_returns]
        return done, [each for each in references if each not in done]

    def get(self, reference):
        answer = self.answers[reference[3]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cancel(self, reference, force):
        assert not force
        self.cancelled.append(reference[3])

    def shutdown(self):
        self.shut += 1


@pytest.fixture
def made(monkeypatch, tmp_path):
    """A Ray engine on such machines, and their Ray."""
    monkeypatch.setattr(on_ray, "cores", lambda: 2)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")

    def make(*machines, jobs=None, ray=None, **options):
        ray = ray or FakeRay(*(machines or [{"CPU": 2.0}]))
        monkeypatch.setattr(on_ray, "_ray", lambda: ray)
        return RayEngine(tmp_path / "r.yaml", tmp_path / "runs", jobs=jobs, options=options), ray

    return make


@pytest.mark.parametrize(
    ("jobs", "options", "cpus"),
    [(None, {}, 2), (1, {}, 1), (5, {}, 5), (3, {"cpus": 0.5}, 2), (None, {"cpus": 2}, 2), (4, {"cpus": 2}, 4)],
)
def test_an_own_ray_has_the_cores_of_this_machine_and_keeps_to_itself(made, jobs, options, cpus):
    before = signal.getsignal(signal.SIGTERM)
    _, ray = made({"CPU": float(cpus)}, jobs=jobs, **options)
    told = {"logging_level": "ERROR", "log_to_driver": True, "statistics": "0"}
    assert ray.began == {"address": "local", "num_cpus": cpus, "include_dashboard": False} | told
    assert signal.getsignal(signal.SIGTERM) is before  # Ray's own handler would end this process unsaved
    _, ray = made(address="ray-head")
    assert ray.began == {"address": "ray-head"} | told


@pytest.mark.parametrize(
    ("machines", "options", "places"),
    [
        ([{"CPU": 3.0}, {"CPU": 3.0}], {"cpus": 2}, 2),  # each run on one machine
        ([{"CPU": 3.0}, {"CPU": 3.0, "alive": False}], {}, 3),
        ([{"CPU": 16.0, "GPU": 2.0}], {}, 2),
        ([{"CPU": 16.0, "GPU": 2.0}], {"gpus": 0.25}, 8),
        ([{"CPU": 16.0, "GPU": 2.0}], {"gpus": 0}, 16),
        ([{"CPU": 4.0}, {"CPU": 4.0, "GPU": 1.0}], {}, 1),
        ([{"CPU": 16.0, "memory": 8.0 * 2**30}], {"memory_gb": 3}, 2),
        ([{"CPU": 16.0}], {"jobs": 5}, 5),
        ([{"CPU": 16.0}], {"cpus": 0.5, "jobs": 20}, 20),
    ],
)
def test_there_is_room_for_what_fits_whole_on_the_machines(made, machines, options, places):
    engine, ray = made(*machines, **options)
    assert (engine.room, engine.running) == (places, 0)
    engine.start("one")
    assert (engine.room, engine.running) == (places - 1, 1)
    assert ray.asked["num_cpus"] == options.get("cpus", 1)


def test_a_task_asks_for_what_was_told(made):
    _, ray = made({"CPU": 8.0, "GPU": 1.0, "memory": 2.0**34}, cpus=2, gpus=0.5, memory_gb=4, retries=0)
    assert ray.asked == {"num_cpus": 2.0, "num_gpus": 0.5, "memory": 4 * 2**30, "max_retries": 0}
    _, ray = made({"CPU": 8.0, "memory": 2.0**34})
    assert ray.asked == {"num_cpus": 1.0, "num_gpus": 0.0, "memory": None, "max_retries": 3}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cpus": 3}, "a run asks for CPU 3; no machine of the cluster has as much"),
        ({"gpus": 1}, "a run asks for CPU 1, GPU 1; no machine of the cluster has as much"),
        ({"memory_gb": 2}, "a run asks for CPU 1, memory 2147483648; no machine of the cluster has as much"),
    ],
)
def test_what_no_machine_has_is_refused_and_ray_is_left(made, options, error):
    ray = FakeRay({"CPU": 2.0, "memory": 2.0**30}, {"CPU": 2.0, "memory": 2.0**30})
    with pytest.raises(ValueError, match=error):
        made(ray=ray, **options)
    assert ray.shut == 1


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ({"cpu": 1}, "has no option cpu; it has address, cpus, gpus, memory_gb, retries"),
        ({"cpus": "two"}, "option cpus of the engine ray must be a number from 0 on, got 'two'"),
        ({"gpus": -1}, "option gpus of the engine ray must be a number from 0 on, got -1"),
        ({"cpus": math.nan}, "got nan"),
        ({"memory_gb": math.inf}, "got inf"),
        ({"gpus": True}, "got True"),
        ({"retries": 1.5}, "option retries of the engine ray must be a whole number from 0 on, got 1.5"),
        ({"address": 6379}, "option address of the engine ray must be an address, got 6379"),
    ],
)
def test_a_wrong_option_is_refused_before_ray_begins(made, option, word):
    ray = FakeRay({"CPU": 2.0})
    with pytest.raises(ValueError, match=word):
        made(ray=ray, **option)
    assert ray.began is None


@pytest.mark.parametrize(
    ("error", "kind", "line"),
    [
        (ConnectionError("no Ray\nthere"), ValueError, "Ray: no Ray there"),
        (RuntimeError("another\nversion"), ValueError, "Ray: another version"),
        (Exception("it timed\nout"), OSError, "Ray did not begin: it timed out"),
    ],
)
def test_a_ray_that_does_not_answer_is_one_line(made, error, kind, line):
    ray = FakeRay({"CPU": 2.0})
    ray.on_init = lambda: (_ for _ in ()).throw(error)
    with pytest.raises(kind, match=f"^{line}$"):
        made(ray=ray, address="auto")


def test_where_nothing_listens_ray_is_not_asked_at_all(made):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ray = FakeRay({"CPU": 2.0})
        for told in (address, f"ray://{address}"):
            with pytest.raises(
                ValueError, match=rf"^Ray: nothing answers at {told} \(.*refused\); is the cluster up\?$"
            ):
                made(ray=ray, address=told)
        assert ray.began is None
        taken.listen()
        assert made(ray=ray, address=address)[1].began["address"] == address


def test_sigterm_while_ray_begins_is_no_other_than_later(made):
    ray = FakeRay({"CPU": 2.0})
    ray.on_init = lambda: sys.exit(15)  # as Ray's handler does
    with pytest.raises(StoppedError) as caught:
        made(ray=ray)
    assert caught.value.code == 143


def test_each_answer_of_ray_becomes_an_outcome(made, capsys):
    engine, ray = made({"CPU": 9.0})
    answers = {"a": Outcome("a"), "b": TaskCancelledError(), "c": RayTaskError(), "d": RayError()}
    for name in [*answers, "e"]:
        engine.start(name)
    assert engine.ended(0) == []
    ray.answers = answers
    found = {outcome.hash: outcome for _ in range(9) for outcome in engine.ended(0)}
    assert {name: outcome.end for name, outcome in found.items()} == {
        "a": "finished",
        "b": "cut off",
        "c": "failed",
        "d": "died",
    }
    assert found["c"].error == "No module named 'evendistill'"
    assert found["d"].error == "with RayError"
    assert engine.running == 1
    assert "ModuleNotFoundError" in capsys.readouterr().err  # whole, since it is nobody's input


def test_nothing_to_wait_for_takes_its_time(made):
    engine, _ = made()
    since = time.monotonic()
    assert engine.ended(0.2) == []
    assert time.monotonic() - since >= 0.2


def test_a_stop_cancels_every_task_and_leaves_ray(made):
    engine, ray = made({"CPU": 9.0})
    for name in "ab":
        engine.start(name)
    ray.answers = {"a": Outcome("a", "cut off")}
    assert [(outcome.hash, outcome.end) for outcome in engine.stop()] == [("a", "cut off"), ("b", "cut off")]
    assert (ray.cancelled, ray.shut) == (["a", "b"], 1)


def test_a_path_in_a_recipe_means_the_same_on_every_machine(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(on_ray, "train_one", lambda *more: told.append((Path.cwd(), *more)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for folder in ("here", "not there"):
        train_there(str(tmp_path / folder), "recipe", "name", "runs")
    assert told == [(tmp_path / "here", "recipe", "name", "runs")] * 2  # a folder that is not there is not gone to
