"""The driver with an engine that trains nothing: what is started when, and what follows from how it ended."""

import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evendistill.experiments.driving import LOOK_AGAIN, LOOK_AT_LEAST, MOST_TRIES, TEACHER_FAILED, WAIT, drive
from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.status import read_status
from evendistill.storage.owners import LEASE
from evendistill.storage.watch import SILENCE


class Run(NamedTuple):
    """As much of a spec as the driver looks at."""

    hash: str
    inputs: tuple = ()
    folder_name = property(lambda self: f"{self.hash}-run")

    def canonical(self) -> dict[str, str]:
        return {"hash": self.hash}


class FakeEngine:
    """Ends each try of a run as it is told, else well; it also is the clock, and objects to being asked too much."""

    def __init__(self, ends=None, width=2, pick=lambda running: running[0], patience=20 * SILENCE) -> None:
        self.ends = {name: list(told) for name, told in (ends or {}).items()}
        self.width, self.pick, self.patience = width, pick, patience
        self.begun, self.times, self.done, self.at, self.now, self.stops = [], [], [], [], 0.0, 0
        self.before_start: Callable[..., object] = lambda name: None
        self.meanwhile: Callable[..., object] = lambda: None

    room = property(lambda self: self.width - len(self.at))
    running = property(lambda self: len(self.at))

    def start(self, name: str) -> None:
        assert self.room > 0, "it was handed more than it takes"
        assert name not in self.at, "a run was started twice at the same time"
        assert not self.stops, "a run was started after the stop"
        self.before_start(name)
        self.at, self.begun, self.times = [*self.at, name], [*self.begun, name], [*self.times, self.now]

    def ended(self, seconds: float) -> list[Outcome]:
        self.now += seconds
        assert self.now < self.patience, "it waits for ever"
        self.meanwhile()
        if not self.at:
            return []
        self.at.remove(name := self.pick(self.at))
        end = self.ends[name].pop(0) if self.ends.get(name) else "finished"
        self.done += [name] if end == "finished" else []
        return [Outcome(name, end, None if end == "finished" else f"its {end} end", is_input=end == "failed")]

    def stop(self) -> list[Outcome]:
        self.stops += 1
        return [Outcome(name, "cut off") for name in self.at]


def driven(engine, runs, needed, **told) -> Any:
    """The driver's generator, on the engine's own clock."""
    return drive(engine, runs, {run.hash: run for run in needed}, clock=lambda: engine.now, **told)


def ends(outcomes):
    return {outcome.hash: outcome.end for outcome in outcomes}


def of_another(runs, run, name, **content):
    """A file that another process left in the folder of a run."""
    folder = runs / run.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


TEACHER, STUDENT, OTHER, OTHERS = Run("t"), Run("s", (Run("t"),)), Run("u"), Run("v", (Run("u"),))
OWNER = {"host": "elsewhere", "boot": "another", "pid": 7}


def test_a_student_waits_for_its_own_teacher_and_for_no_other(tmp_path):
    engine = FakeEngine(pick=lambda at: "t" if "t" in at else "s" if "s" in at else at[0])
    outcomes = list(driven(engine, tmp_path, [TEACHER, OTHER, STUDENT, OTHERS]))
    assert engine.begun == ["t", "u", "s", "v"]
    assert [(outcome.hash, outcome.end) for outcome in outcomes] == [(name, "finished") for name in "tsuv"]


def test_a_failure_takes_its_students_along_once_and_the_others_go_on(tmp_path):
    engine = FakeEngine({"t": ["failed"]}, width=1)
    outcomes = list(driven(engine, tmp_path, [TEACHER, STUDENT, Run("r", (STUDENT,)), OTHER, OTHERS]))
    assert engine.begun == ["t", "u", "v"]
    assert len(outcomes) == 5
    told = {outcome.hash: (outcome.error, outcome.is_input) for outcome in outcomes if outcome.end == "failed"}
    assert told == {"t": ("its failed end", True), "s": (TEACHER_FAILED, True), "r": (TEACHER_FAILED, True)}


def test_runs_begin_in_their_order_and_one_whose_process_died_again_at_the_front(tmp_path):
    engine = FakeEngine({"t": ["died", "died"]}, width=1)
    outcomes = list(
        driven(engine, tmp_path, [TEACHER, OTHERS, Run("a")])
    )  # a teacher that is not asked for is finished
    assert [(outcome.hash, outcome.end) for outcome in outcomes] == [(name, "finished") for name in "tva"]
    assert engine.begun == ["t", "t", "t", "v", "a"]


def test_three_deaths_are_a_failure_that_is_written_down(tmp_path):
    engine = FakeEngine({"t": ["died"] * MOST_TRIES}, width=1)
    outcomes = list(driven(engine, tmp_path, [TEACHER, STUDENT, OTHER]))
    assert engine.begun == ["t", "t", "t", "u"]
    assert ends(outcomes) == {"t": "failed", "s": "failed", "u": "finished"}
    told = json.loads((tmp_path / TEACHER.folder_name / "FAILED").read_text())
    assert (told["error"], told["kind"], outcomes[0].is_input) == (outcomes[0].error, "RuntimeError", False)
    assert "its process died 3 times, last its died end" in told["error"]
    (entry, waiting) = read_status(tmp_path, [TEACHER.folder_name, STUDENT.folder_name])
    assert (entry.state, entry.note, waiting.state) == ("failed", told["error"], "waiting")
    assert [path.name for path in tmp_path.iterdir()] == [TEACHER.folder_name]


def test_a_failure_that_cannot_be_written_down_is_reported_all_the_same(tmp_path):
    engine = FakeEngine({"t": ["died"] * MOST_TRIES})
    in_the_way = tmp_path / TEACHER.folder_name
    engine.meanwhile = lambda: engine.begun == ["t"] * MOST_TRIES and in_the_way.write_text("")
    (outcome,) = driven(engine, tmp_path, [TEACHER])
    assert outcome.end == "failed"
    assert "and it could not be marked: " in outcome.error


@pytest.mark.parametrize("is_at_the_stop", [False, True])
def test_a_run_that_failed_without_a_word_in_its_folder_counts_as_failed(tmp_path, is_at_the_stop):
    engine = FakeEngine({"t": ["failed"]}, width=1)
    if is_at_the_stop:
        engine.stop = lambda: [Outcome("t", "failed", "its failed end", is_input=True)]
    outcomes = list(driven(engine, tmp_path, [TEACHER], is_over=lambda: is_at_the_stop))
    assert [outcome.error for outcome in outcomes] == ["its failed end"]
    (entry,) = read_status(tmp_path)
    assert (entry.state, entry.folder.name, entry.note) == ("failed", TEACHER.folder_name, "its failed end")
    (outcome,) = driven(FakeEngine(), tmp_path, [TEACHER])
    assert outcome == Outcome("t", "failed", "its failed end", is_input=True, is_elsewhere=True)
    again = FakeEngine()
    assert ends(driven(again, tmp_path, [TEACHER], again=frozenset("t"))) == {"t": "finished"}
    assert again.begun == ["t"]


@pytest.mark.parametrize("end", ["busy", "cut off"])
def test_what_another_holds_or_a_stranger_stopped_is_looked_at_again_later(tmp_path, end):
    engine = FakeEngine({"t": [end] * 5 + ["died"] * (MOST_TRIES - 1)}, width=1)
    assert ends(driven(engine, tmp_path, [TEACHER, OTHER])) == {"t": "finished", "u": "finished"}
    assert engine.begun == ["t", "u"] + ["t"] * (4 + MOST_TRIES)  # room is not left empty meanwhile; no try is used up
    of_t = [time for name, time in zip(engine.begun, engine.times, strict=True) if name == "t"][:6]
    pauses = [later - earlier for earlier, later in itertools.pairwise(of_t)]
    doubled = [min(LOOK_AGAIN * 2**look, LOOK_AT_LEAST) for look in range(5)]
    assert all(least <= pause < least + 1 for pause, least in zip(pauses, doubled, strict=True))


def test_the_last_run_of_another_is_waited_for_no_longer_than_it_takes(tmp_path):
    engine, took = FakeEngine(), 0.12
    of_another(tmp_path, TEACHER, LEASE, **OWNER)
    engine.meanwhile = lambda: engine.now > took and of_another(tmp_path, TEACHER, "DONE")
    (outcome,) = driven(engine, tmp_path, [TEACHER])
    assert outcome.is_elsewhere
    assert engine.now < took + LOOK_AGAIN


def test_one_that_waits_for_hours_goes_on_looking(tmp_path):
    engine, hours = FakeEngine(patience=4 * 3600), 3 * 3600
    of_another(tmp_path, TEACHER, LEASE, **OWNER)

    def meanwhile() -> None:
        of_another(tmp_path, TEACHER, LEASE, **OWNER, beat=int(engine.now))
        if engine.now > hours:
            of_another(tmp_path, TEACHER, "DONE")

    engine.meanwhile = meanwhile
    assert ends(driven(engine, tmp_path, [TEACHER])) == {"t": "finished"}
    assert engine.now < hours + LOOK_AT_LEAST + 1


def test_students_of_a_teacher_that_another_trained_begin_at_once(tmp_path):
    of_another(tmp_path, TEACHER, "DONE")
    engine = FakeEngine()
    assert ends(driven(engine, tmp_path, [TEACHER, STUDENT])) == {"t": "finished", "s": "finished"}
    assert engine.times == [0.0]


def test_signals_are_looked_at_while_others_are_waited_for(tmp_path):
    engine, looked = FakeEngine(), []
    of_another(tmp_path, TEACHER, LEASE, **OWNER)
    engine.meanwhile = lambda: of_another(tmp_path, TEACHER, LEASE, **OWNER, beat=int(engine.now))
    assert not list(driven(engine, tmp_path, [TEACHER], is_over=lambda: looked.append(engine.now) or engine.now > 60))
    assert all(later - earlier < WAIT + 1e-9 for earlier, later in itertools.pairwise(looked))


@pytest.mark.parametrize(("end", "error"), [("finished", None), ("failed", "the loss became nan")])
def test_what_another_process_makes_of_a_run_counts(tmp_path, end, error):
    engine = FakeEngine()
    of_another(tmp_path, TEACHER, LEASE, **OWNER)

    def meanwhile() -> None:
        of_another(tmp_path, TEACHER, LEASE, **OWNER, beat=int(engine.now))  # its heart beats
        if engine.now > 2.5 * SILENCE:
            name = {"finished": "DONE", "failed": "FAILED"}[end]
            of_another(tmp_path, TEACHER, name, error="the loss\nbecame nan", kind="FloatingPointError")

    engine.meanwhile = meanwhile
    first, second = driven(engine, tmp_path, [TEACHER, STUDENT])
    assert first == Outcome("t", end, error, is_input=end == "failed", is_elsewhere=True)
    assert (second.hash, second.end, second.is_elsewhere) == ("s", end, False)
    assert engine.begun == (["s"] if end == "finished" else [])
    assert engine.now < 2.5 * SILENCE + LOOK_AT_LEAST + 1  # it was looked at often enough


@pytest.mark.parametrize(("kind", "is_input"), [("ValueError", True), ("RuntimeError", False)])
def test_what_has_failed_before_is_not_tried_unless_it_is_asked_for(tmp_path, kind, is_input):
    for run in (TEACHER, OTHER):
        of_another(tmp_path, run, "FAILED", error="too wide", kind=kind)
    engine = FakeEngine()
    outcomes = list(driven(engine, tmp_path, [TEACHER, STUDENT, OTHER, OTHERS], again=frozenset("u")))
    assert engine.begun == ["u", "v"]
    assert outcomes[0] == Outcome("t", "failed", "too wide", is_input=is_input, is_elsewhere=True)
    assert ends(outcomes) == {"t": "failed", "s": "failed", "u": "finished", "v": "finished"}


def test_the_lease_of_an_owner_that_has_fallen_silent_is_taken_over(tmp_path):
    of_another(tmp_path, TEACHER, LEASE, **OWNER)
    engine = FakeEngine()
    assert ends(driven(engine, tmp_path, [TEACHER, OTHER])) == {"t": "finished", "u": "finished"}
    assert engine.begun == ["u", "t"]
    assert SILENCE <= engine.times[1] < SILENCE + LOOK_AT_LEAST + 1
    assert not (tmp_path / TEACHER.folder_name / LEASE).exists()


@pytest.mark.parametrize("done", [0, 2])
def test_when_it_is_over_nothing_more_is_begun(tmp_path, done):
    engine = FakeEngine(width=2)
    outcomes = list(
        driven(engine, tmp_path, [Run(each) for each in "abcdef"], is_over=lambda: len(engine.done) == done)
    )
    assert engine.begun == (["a", "b", "c"] if done else [])
    assert ends(outcomes) == ({"a": "finished", "b": "finished", "c": "cut off"} if done else {})  # none of d, e and f
    assert engine.stops == 1


@pytest.mark.parametrize("how", ["to its end", "closed", "thrown into", "by the engine's own error"])
def test_the_engine_is_stopped_once_however_it_ends(tmp_path, how):
    engine, error = FakeEngine(), OSError("the disk is full")
    going = driven(engine, tmp_path, [TEACHER, OTHER, STUDENT])
    next(going)
    engine.meanwhile = lambda: (_ for _ in ()).throw(error) if how.startswith("by") else None
    if how == "to its end":
        assert len(list(going)) == 2
    elif how == "closed":
        going.close()
    else:
        with pytest.raises(OSError, match="the disk is full"):
            going.throw(error) if how.startswith("thrown") else next(going)
    assert engine.stops == 1


@st.composite
def sweeps(draw):
    """Runs that learn from others, how each try ends, what was done before, how wide the engine is, and chance."""
    made: list[Run] = []
    for number in range(draw(st.integers(1, 9))):
        inputs = draw(st.lists(st.sampled_from(made), max_size=2, unique=True)) if made else []
        made.append(Run(f"n{number}", tuple(inputs)))
    tries = st.lists(st.sampled_from(["died", "busy", "cut off"]), max_size=5)
    last, before = (st.sampled_from([often] * 3 + ["finished", "failed"]) for often in ("finished", None))
    told = {run.hash: ([*draw(tries), draw(last)], draw(before)) for run in made}
    return draw(st.permutations(made)), told, draw(st.integers(1, 4)), draw(st.randoms(use_true_random=False))


def expected(run, told):
    """How a run must end, and how often it is begun for that."""
    tries, before = told[run.hash]
    if any(expected(each, told)[0] == "failed" for each in run.inputs):
        return "failed", 0
    if before is not None:
        return before, 0
    deaths = [count for count, end in enumerate(tries, start=1) if end == "died"]
    return ("failed", deaths[MOST_TRIES - 1]) if len(deaths) >= MOST_TRIES else (tries[-1], len(tries))


@given(sweeps())
def test_every_run_ends_once_as_it_must_and_after_what_it_learns_from(sweep):
    needed, told, width, chance = sweep
    engine = FakeEngine({name: tries for name, (tries, _) in told.items()}, width, pick=chance.choice)
    inputs, ended, early = {run.hash: {each.hash for each in run.inputs} for run in needed}, [], []
    engine.before_start = lambda name: early.extend(
        each for each in inputs[name] if ends(ended).get(each) != "finished"
    )
    with tempfile.TemporaryDirectory() as folder:
        for run in needed:
            if before := told[run.hash][1]:
                name = {"finished": "DONE", "failed": "FAILED"}[before]
                of_another(Path(folder), run, name, error="x", kind="ValueError")
        ended += driven(engine, Path(folder), needed)
    assert not early
    assert sorted(outcome.hash for outcome in ended) == sorted(inputs)
    for run in needed:
        assert (ends(ended)[run.hash], engine.begun.count(run.hash)) == expected(run, told)
    assert all(
        outcome.is_elsewhere == (told[outcome.hash][1] == outcome.end) for outcome in ended if outcome.error == "x"
    )
    assert (engine.stops, engine.running) == (1, 0)
