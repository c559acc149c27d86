"""What the command line says of engines is read strictly, and engines are made as it says or refused in one line."""

import dataclasses
import math
import sys
import warnings

import pytest

from evendistill import cli
from evendistill.experiments.engines.choice import How
from evendistill.experiments.engines.local import LocalEngine
from evendistill.experiments.engines.packed import PackedEngine
from evendistill.experiments.engines.told import read_options, read_share
from evendistill.experiments.grid import every_run

PACKAGES = {"ray": "ray", "slurm": "submitit"}


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("a=1", 1),
        ("a=-2", -2),
        ("a=0.5", 0.5),
        ("a=1.0e+3", 1000.0),
        ("a=.inf", math.inf),
        ("a=true", True),
        ("a=gpu-short", "gpu-short"),
        ("a=10.0.0.1:6379", "10.0.0.1:6379"),
        ("a=b=c", "b=c"),
        ("a=[1, 2]", "[1, 2]"),
        ("a={b: 1", "{b: 1"),
        ("a=2026-01-01", "2026-01-01"),
        ("a=null", "null"),
        ("a= ", " "),
        ("slurm_mem_2=8GB", "8GB"),
    ],
)
def test_a_value_that_looks_like_a_number_is_one_and_all_else_is_text(told, value):
    ((name, read),) = read_options([told]).items()
    assert name == told.partition("=")[0]
    assert (read, type(read)) == (value, type(value))


def test_several_options_are_kept_apart_and_none_is_none():
    assert read_options(["cpus=2", "address=auto"]) == {"cpus": 2, "address": "auto"}
    assert read_options([]) == {}


@pytest.mark.parametrize("told", ["", "cpus", "cpus=", "=1", "Cpus=1", "cp us=1", "1a=2", "a-b=1", "cpus=1\n"])
def test_an_option_of_another_form_is_refused(told):
    with pytest.raises(ValueError, match="an option of an engine is KEY=VALUE, got ") as caught:
        read_options(["fine=1", told])
    assert repr(told) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_that_is_told_twice_is_refused_even_if_both_agree():
    with pytest.raises(ValueError, match="the option cpus is told twice"):
        read_options(["cpus=1", "gpus=1", "cpus=1"])


@pytest.mark.parametrize(
    ("told", "share"), [(None, None), ("1/1", (1, 1)), ("2/8", (2, 8)), ("8/8", (8, 8)), ("007/010", (7, 10))]
)
def test_a_share_is_two_numbers(told, share):
    assert read_share(told) == share


@pytest.mark.parametrize(
    "told",
    ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", " 1/2", "1/2\n", "a/b", "1.0/2", "\u0661/\u0662", "1/1000000000"],
)
def test_any_other_share_is_refused(told):
    with pytest.raises(ValueError, match="a share is K/N with K from 1 to N, such as 2/8, got ") as caught:
        read_share(told)
    assert repr(told) in str(caught.value)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"engine": "dask"}, "engine must be one of local, ray, slurm, got 'dask'"),
        ({"engine": "ray", "pack": 2}, "pack trains in this process, got engine ray"),
        ({"engine": "slurm", "pack": 1}, "pack trains in this process, got engine slurm"),
        ({"options": {"cpus": 1, "gpus": 2}}, "the engine local has no options, got cpus, gpus"),
        ({"options": {"cpus": 1}, "pack": 2}, "the engine local has no options, got cpus"),
    ],
)
def test_what_does_not_go_together_is_refused_when_it_is_told(told, error):
    with pytest.raises(ValueError, match=error):
        How(**told)


def test_what_goes_together_is_taken_and_cannot_be_changed():
    how = How("ray", jobs=2, minutes=1.0, options={"gpus": 0.5}, retry_failed=True, share=(1, 2))
    assert (how.engine, how.pack) == ("ray", None)
    assert How() == How("local", None, None, None, {}, False, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        how.jobs = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture
def runs_of(read_plain, plain):
    return every_run(read_plain(plain))


@pytest.mark.parametrize(("jobs", "cores", "workers"), [(None, 2, 2), (3, 2, 3), (None, 64, 8), (64, 2, 8)])
def test_the_local_engine_has_a_worker_a_core_but_no_more_than_runs(
    runs_of, tmp_path, monkeypatch, jobs, cores, workers
):
    made = []
    monkeypatch.setattr(LocalEngine, "__init__", lambda self, recipe, runs, jobs: made.append((recipe, runs, jobs)))
    assert isinstance(How(jobs=jobs).made(tmp_path / "r.yaml", tmp_path, runs_of, cores=cores), LocalEngine)
    assert made == [(tmp_path / "r.yaml", tmp_path, workers)]


def test_a_pack_is_as_wide_as_it_is_told_whatever_the_jobs(runs_of, write_recipe, plain, tmp_path):
    engine = How(jobs=1, pack=5).made(write_recipe(plain), tmp_path, runs_of, cores=1)
    assert isinstance(engine, PackedEngine)
    assert (engine.room, engine.running) == (5, 0)


@pytest.mark.parametrize(("kind", "name"), [("ray", "on_ray.RayEngine"), ("slurm", "on_slurm.SlurmEngine")])
def test_engines_of_clusters_are_handed_what_was_told(runs_of, tmp_path, monkeypatch, kind, name):
    monkeypatch.setattr(f"evendistill.experiments.engines.{name}", lambda *told, **more: (told, more))
    how = How(kind, jobs=3, options={"gpus": 0.5})
    told, more = tmp_path / "r.yaml", {"jobs": 3, "options": {"gpus": 0.5}}
    assert how.made(told, tmp_path, runs_of, cores=1) == ((told, tmp_path), more)
    assert How(kind).made(told, tmp_path, runs_of, cores=1) == ((told, tmp_path), {"jobs": None, "options": {}})


@pytest.fixture
def refused(plain, write_recipe, tmp_path, monkeypatch, capsys):
    """The one line that the command line, called in this process, refuses words with."""

    def call(*words):
        write_recipe(plain)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["evendistill", "run", "recipe.yaml", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, "")
        *before, line = err.splitlines()
        assert before in ([], ["8 runs, 0 finished already, 8 to train"])
        return line

    return call


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--engine dask", "engine must be one of local, ray, slurm, got 'dask'"),
        ("--with cpus=1", "the engine local has no options, got cpus"),
        ("--engine ray --pack 2", "pack trains in this process, got engine ray"),
        ("--engine ray --with cpus", "an option of an engine is KEY=VALUE, got 'cpus'"),
        ("--engine ray --with cpus=1 --with cpus=2", "the option cpus is told twice"),
        ("--engine ray --with a=1", "the engine ray has no option a; it has address, cpus, gpus, memory_gb, retries"),
        ("--engine ray --with cpus=two", "the option cpus of the engine ray must be a number from 0 on, got 'two'"),
        ("--engine slurm --with cluster=pbs", "cluster must be slurm or local, got pbs"),
        ("--cell 3/2", "a share is K/N with K from 1 to N, such as 2/8, got '3/2'"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_in_one_line(refused, words, line):
    for engine in set(PACKAGES) & set(words.split()):
        pytest.importorskip(PACKAGES[engine])
    assert refused(*words.split()) == f"evendistill: {line}"


def test_slurm_needs_slurm_and_a_folder_of_its_own(refused, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused("--engine", "slurm").startswith('evendistill: submitit: Could not detect "srun"')
    among = tmp_path.resolve() / "runs" / "jobs"
    line = refused("--engine", "slurm", "--with", "cluster=local", "--with", f"folder={among}")
    assert line == f"evendistill: folder {among} lies among the runs; submitit's files are pickle, and belong elsewhere"
    assert not among.exists()


@pytest.mark.parametrize(("engine", "called"), [("ray", "Ray"), ("slurm", "submitit")])
def test_an_engine_that_is_not_installed_says_what_to_install(refused, monkeypatch, engine, called):
    monkeypatch.setitem(sys.modules, PACKAGES[engine], None)
    assert (
        refused("--engine", engine)
        == f"evendistill: the engine {engine} needs {called}; pip install 'evendistill[{engine}]'"
    )
