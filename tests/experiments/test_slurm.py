"""The Slurm engine with Slurm's commands made up: what it asks for, what it cancels, and where pickles may lie."""

import json
import logging
import pickle
import re
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest

from evendistill.experiments.engines import on_slurm
from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.engines.on_slurm import SlurmEngine, TrainOne

pytest.importorskip("submitit")
COMMANDS = {
    "srun": "",
    "sacct": "echo 'JobID|State|NodeList'",
    "scancel": "",
    "sbatch": """
case "$*" in *submission_file_*) cat "$1" >> "$SAID/script";; esac
if [ -e "$SAID/refuses" ]; then echo "sbatch: error: invalid partition" >&2; exit 1; fi
count=$(ls "$SAID" | grep -c ^array); touch "$SAID/array$count"
echo "Submitted batch job 7$count"
""",
}


@pytest.fixture
def said(tmp_path, monkeypatch):
    """A folder in which Slurm's commands, which are first on the path, note their arguments."""
    folder = tmp_path / "said"
    folder.mkdir()
    for name, body in COMMANDS.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "$@" >> "$SAID/{name}.said"\n{body}\n')
        path.chmod(0o755)
    monkeypatch.setenv("SAID", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def made(tmp_path, jobs=None, **options):
    return SlurmEngine(tmp_path / "r.yaml", tmp_path / "runs", jobs=jobs, options=options)


def answer(tmp_path, job, told):
    """What a job leaves behind when it has ended."""
    (tmp_path / "runs-jobs" / f"{job}_0_result.pkl").write_bytes(pickle.dumps(told))


def cancelled(said):
    path = said / "scancel.said"
    return [set(re.findall(r"[0-9_]+", line)) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_is_ready_together_is_one_array(tmp_path, said):
    engine = made(tmp_path, timeout_min=60, slurm_partition="night")
    assert (engine.room, engine.running) == (256, 0)
    for name in "abc":
        engine.start(name)
    assert (engine.room, engine.running) == (253, 3)
    assert not (said / "sbatch.said").exists()
    assert engine.ended(0) == []
    assert engine.ended(0) == []
    (script,) = (tmp_path / "runs-jobs").glob("*_submission.sh")
    words = script.read_text()
    for word in ("--array=0-2%3", "--time=60", "--partition=night", "--job-name=evendistill", "--signal=USR2@"):
        assert word in words
    assert len((said / "sbatch.said").read_text().splitlines()) == 1
    assert engine.running == 3


def test_each_end_of_a_job_becomes_an_outcome(tmp_path, said):
    engine = made(tmp_path)
    for name in "abc":
        engine.start(name)
    engine.ended(0)
    answer(tmp_path, "70_0", ("success", Outcome("a", "failed", "too wide", is_input=True)))
    answer(tmp_path, "70_1", ("error", "Traceback: a process of submitit died"))
    found = engine.ended(0)
    assert found[0] == Outcome("a", "failed", "too wide", is_input=True)
    assert (found[1].hash, found[1].end, found[1].error) == ("b", "died", "with FailedJobError in job 70_1")
    assert engine.running == 1


def test_a_stop_cancels_what_is_in_the_queue_at_once_and_in_one_go(tmp_path, said):
    engine = made(tmp_path)
    engine.start("a")
    engine.ended(0)
    for name in "bcd":
        engine.start(name)
    engine.ended(0)
    answer(tmp_path, "71_0", ("success", Outcome("b")))
    assert engine.ended(0) == [Outcome("b")]
    engine.start("e")
    assert [(outcome.hash, outcome.end) for outcome in engine.stop()] == [(name, "cut off") for name in "acde"]
    assert cancelled(said) == [{"70", "71_1", "71_2"}]


def test_a_stop_with_nothing_in_the_queue_cancels_nothing(tmp_path, said):
    engine = made(tmp_path)
    assert engine.stop() == []
    assert cancelled(said) == []


def test_a_preempted_job_that_slurm_queues_again_is_cancelled_in_the_end(tmp_path, said):
    engine = made(tmp_path)
    engine.start("a")
    engine.ended(0)
    answer(tmp_path, "70", ("success", Outcome("a", "cut off")))
    assert [outcome.end for outcome in engine.ended(0)] == ["cut off"]
    assert engine.stop() == []
    assert cancelled(said) == [{"70"}]


def test_what_sbatch_refuses_is_one_line(tmp_path, said):
    engine = made(tmp_path)
    (said / "refuses").touch()
    engine.start("a")
    with pytest.raises(ValueError, match=r"submitit: .*invalid partition") as caught:
        engine.ended(0)
    assert "\n" not in str(caught.value)
    assert [outcome.end for outcome in engine.stop()] == ["cut off"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"cluster": "pbs"}, "cluster must be slurm or local, got pbs"),
        ({"cluster": "local", "colour": "red"}, "submitit: .*'colour'"),
        ({"cluster": "local", "timeout_min": "long"}, "submitit: .*timeout_min"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path, options, error):
    with pytest.raises(ValueError, match=error) as caught:
        made(tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_without_slurm_on_the_machine_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"submitit: .*srun"):
        made(tmp_path)


def test_standard_output_is_left_to_results(tmp_path, capsys):
    made(tmp_path, cluster="local")
    logging.getLogger("submitit").warning("careful")
    assert capsys.readouterr().out == ""
    assert all(
        getattr(each, "stream", None) not in (sys.stdout, sys.__stdout__)
        for each in logging.getLogger("submitit").handlers
    )


@pytest.mark.parametrize("folder", ["runs", "runs/jobs", "runs/../runs/deep/er", "link/jobs"])
def test_a_folder_among_the_runs_is_refused(tmp_path, folder):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    with pytest.raises(ValueError, match="lies among the runs; submitit's files are pickle, and belong elsewhere"):
        made(tmp_path, cluster="local", folder=str(tmp_path / folder))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_new_folder_is_nobody_else_s_and_one_that_is_there_stays_as_it_is(tmp_path):
    made(tmp_path, cluster="local")
    assert stat.S_IMODE((tmp_path / "runs-jobs").stat().st_mode) == 0o700
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    made(tmp_path, cluster="local", folder=str(own))
    assert stat.S_IMODE(own.stat().st_mode) == 0o755


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path, mode):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ValueError, match=r"others can write to .*pickle"):
        made(tmp_path, cluster="local", folder=str(folder))


def test_on_this_machine_there_is_a_job_a_core(tmp_path, monkeypatch):
    monkeypatch.setattr(on_slurm, "cores", lambda: 3)
    assert made(tmp_path, cluster="local").room == 3
    assert made(tmp_path, cluster="local", jobs=5).room == 5


def test_jobs_of_this_machine_are_asked_until_they_end(tmp_path):
    engine = made(tmp_path, cluster="local")
    deaf = (
        "import signal, time; signal.signal(15, lambda *_: signal.signal(15, signal.SIG_DFL)); print(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        engine._jobs["a"] = SimpleNamespace(job_id=str(process.pid), done=lambda: process.poll() is not None)
        assert [outcome.end for outcome in engine.stop()] == ["cut off"]
        assert process.wait() == -15  # it was asked twice; left alone it sleeps for a minute, then ends with 0


def test_a_job_that_is_queued_again_is_told_the_same(tmp_path):
    again = TrainOne().checkpoint("recipe", "name", "runs")
    assert isinstance(again.function, TrainOne)
    assert json.dumps(again.args) == '["recipe", "name", "runs"]'
