"""One small recipe trained by every engine, through the command line: the same bytes, and nothing left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from evendistill.experiments.engines.stopping import CUT_SHORT

pytestmark = pytest.mark.alone

RECIPE = """
name: engines
data: {source: digits, imbalance: 20}
training: {epochs: 2, batch_size: 64}
teachers:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard, robust]
  training: {epochs: 200, batch_size: 64}
students:
  network: {kind: mlp, hidden: [4]}
  objectives: [standard, robust]
  validation_labels: [teacher]
seeds: 1
"""
RESULTS = ("model.safetensors", "validation.json", "test.json")
ENGINES = {
    "packed": ["--pack", "3"],
    "ray": ["--engine", "ray", "--jobs", "2"],
    "slurm": ["--engine", "slurm", "--with", "cluster=local", "--jobs", "2"],
}
PACKAGES = {"ray": "ray", "slurm": "submitit"}
TOO_MUCH = "a run asks for CPU 10000; no machine of the cluster has as much"
INTERRUPTED = "evendistill: interrupted; the same command goes on from here"
MARK = "EVENDISTILL_TEST"
HERE_ALONE = """
import os
from evendistill.models.mlp import mlp
from evendistill.models.own import imported

DRIVER = os.environ.setdefault("DRIVER_OF_TEST", str(os.getpid()))

def network(num_classes):
    if DRIVER != str(os.getpid()):
        imported("no_such_module:network")
    return mlp(64, num_classes, (4,))
"""


@pytest.fixture(scope="module")
def ray_folder():
    """Where Ray keeps its sessions: a short path, since a socket's must not exceed 107 bytes."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def begin(ray_folder):
    """Start the command line on a folder of its own; everything that it starts is marked."""

    def start(folder, *words, recipe=RECIPE, **environment):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "small.yaml").write_text(recipe)
        told = os.environ | {"OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(ray_folder)} | environment
        command = [sys.executable, "-m", "evendistill", "run", "small.yaml", *words]
        return subprocess.Popen(
            command, cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def ended(process, seconds=600):
    """Exit code, standard output and standard error."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def swept(begin, tmp_path_factory):
    """The whole recipe by an engine, once for all tests: folder of runs, standard output, and the mark."""
    done = {}

    def sweep(engine):
        for_it = PACKAGES.get(engine)
        if for_it:
            pytest.importorskip(for_it)
        if engine not in done:
            folder, mark = tmp_path_factory.mktemp(engine), uuid.uuid4().hex
            code, out, err = ended(begin(folder, *ENGINES.get(engine, []), "--json", **{MARK: mark}))
            assert (code, err) == (0, "6 runs, 0 finished already, 6 to train\n")
            done[engine] = folder / "runs", out, mark
        return done[engine]

    return sweep


def results(runs):
    return {
        (done.parent.name, name): (done.parent / name).read_bytes() for done in runs.glob("*/DONE") for name in RESULTS
    }


def events(runs):
    """How often each thing happened to each run."""
    lines = [(path, line) for path in runs.glob("*/log.jsonl") for line in path.read_text().splitlines()]
    return Counter((path.parent.name, json.loads(line)["event"]) for path, line in lines)


def alive(mark):
    """Processes that a marked command has started and that have not ended; Linux alone knows."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ")[:80])
    return [each for each in found if each]  # one that has ended but was not waited for has no words left


def assert_nothing_runs(mark):
    until = time.monotonic() + 15
    while (left := alive(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_bytes_and_trains_each_run_once(swept, engine):
    runs, out, _ = swept(engine)
    expected, told, _ = swept("local")
    assert results(runs) == results(expected)
    assert len(results(runs)) == 6 * len(RESULTS)
    names = {name for name, _ in results(runs)}
    assert events(runs) == Counter((name, event) for name in names for event in ("began", "finished"))
    assert json.loads(out)["cells"] == json.loads(told)["cells"]  # and nothing but JSON is on standard output
    assert json.loads(out)["trained"] == 6


@pytest.mark.parametrize("engine", ["local", "ray", "slurm"])
def test_nothing_that_an_engine_started_is_left_running(swept, engine):
    assert_nothing_runs(swept(engine)[2])


def test_ray_is_begun_without_statistics(swept, ray_folder):
    swept("ray")
    assert (ray_folder / "ray" / "session_latest" / "logs").is_dir()
    assert not list(ray_folder.rglob("usage_stats.json"))


def test_pickles_of_jobs_lie_beside_the_runs_and_are_nobody_else_s(swept):
    runs, _, _ = swept("slurm")
    jobs = runs.with_name("runs-jobs")
    assert len(list(jobs.glob("*.pkl"))) == 2 * 6  # what was asked of each job, and its result
    assert jobs.stat().st_mode & 0o777 == 0o700
    assert not list(runs.rglob("*.pkl"))


FAILING = RECIPE.replace("epochs: 200,", "epochs: 200, learning_rate: 1.0e+30,").replace(
    "[standard, robust]", "[robust]"
)


@pytest.mark.parametrize("engine", [pytest.param("ray", marks=pytest.mark.slow), "slurm"])
def test_a_run_that_fails_is_recorded_as_it_is_locally(begin, tmp_path, engine):
    pytest.importorskip(PACKAGES[engine])
    found = {}
    for name in ("packed", engine):
        code, out, err = ended(begin(tmp_path / name, *ENGINES[name], recipe=FAILING))
        (failed,) = (tmp_path / name / "runs").glob("*/FAILED")
        found[name] = code, out, err, failed.parent.name, failed.read_bytes(), events(tmp_path / name / "runs")
        assert json.loads(failed.read_bytes())["kind"] == "FloatingPointError"
    assert found[engine] == found["packed"]
    assert found[engine][0] == 2


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "other"), [("ray", "packed"), ("slurm", "local")])
def test_sigterm_saves_the_runs_and_any_engine_goes_on_from_there(begin, swept, tmp_path, engine, other):
    pytest.importorskip(PACKAGES[engine])
    mark, runs = uuid.uuid4().hex, tmp_path / "runs"
    process = begin(tmp_path, *ENGINES[engine], **{MARK: mark})
    while not list(runs.glob("*/metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    since = time.monotonic()
    code, _, err = ended(process)
    assert time.monotonic() - since < 10
    assert (code, len(err.splitlines())) == (143, 2)
    if f"{err.splitlines()[-1]}\n" != CUT_SHORT:  # on a machine that is very busy
        assert err.splitlines()[-1] == INTERRUPTED
        assert list(runs.glob("*/checkpoint.pt"))
        assert not list(runs.glob("*/lease.json"))
    assert_nothing_runs(mark)
    assert ended(begin(tmp_path, *ENGINES.get(other, [])))[0] == 0
    assert results(runs) == results(swept("local")[0])


def test_more_cpus_than_there_are_is_one_line_and_leaves_no_ray_behind(begin, tmp_path):
    pytest.importorskip("ray")
    mark = uuid.uuid4().hex
    code, out, err = ended(begin(tmp_path, "--engine", "ray", "--with", "cpus=10000", "--jobs", "1", **{MARK: mark}))
    assert (code, out, err.splitlines()[1:]) == (2, "", [f"evendistill: {TOO_MUCH}"])
    assert_nothing_runs(mark)


@pytest.mark.parametrize("engine", PACKAGES)
def test_a_run_that_fails_before_it_has_a_folder_leaves_its_cause_wherever_it_was(begin, tmp_path, engine):
    pytest.importorskip(PACKAGES[engine])
    recipe = RECIPE.replace("{kind: mlp, hidden: [4]}", "{kind: own, path: 'here_alone:network'}")
    (tmp_path / "here_alone.py").write_text(HERE_ALONE)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code, out, err = ended(begin(tmp_path, *ENGINES[engine], recipe=recipe, PYTHONPATH=path))
    cause = "no_such_module cannot be imported"
    assert (code, out) == (2, "")
    assert cause in err
    notes = [json.loads(path.read_text())["error"] for path in tmp_path.glob("runs/*-from-*/FAILED")]
    assert len(notes) == 4
    assert all(cause in note for note in notes)
