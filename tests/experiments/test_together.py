"""torchrun and the command line: two processes train one recipe, one of them speaks."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evendistill.experiments import processes

RECIPE = """
name: together
data: {source: digits, imbalance: 5}
training: {epochs: 2, batch_size: 63, update_every: 4, processes: 2}
teachers:
  network: {kind: convnet, width: 2}
  objectives: [standard]
students:
  network: {kind: mlp, hidden: [8]}
  objectives: [robust]
  validation_labels: [teacher]
seeds: 1
"""


def torchrun(folder: Path, recipe: str, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "together.yaml").write_text(recipe)
    together = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *together, "-m", "evendistill", "run", "together.yaml", "--out", "runs", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, start_new_session=True
    ) as running:
        try:
            said, errors = running.communicate(timeout=300)
        finally:
            running.terminate()  # torchrun hands it on
    return subprocess.CompletedProcess(command, running.returncode, said, errors)


def refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    """One line, said once, with exit code 2; torchrun adds that it has ended, and its own code is always 1."""
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "evendistill: " in line]
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert "exitcode  : 2" in done.stderr
    assert done.stdout == ""


def test_two_processes_train_a_recipe_and_one_reports(tmp_path):
    done = torchrun(tmp_path, RECIPE, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["trained"], len(found["cells"])) == (2, 2)
    assert done.stderr.count("2 runs, 0 finished already, 2 to train") == 1
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*-*/*")}
    folders = {path.parent for path in files}
    assert len(folders) == 2
    for folder in folders:
        assert (folder / "DONE").is_file()
        assert json.loads((folder / "spec.json").read_text())["training"]["processes"] == 2
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    again = torchrun(tmp_path, RECIPE, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == found | {"trained": 0}
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*-*/*")}


def test_a_bad_recipe_is_one_line(tmp_path):
    refused(torchrun(tmp_path, RECIPE.replace("epochs:", "epoch:")), "did you mean epochs?")
    assert os.listdir(tmp_path) == ["together.yaml"]


def test_a_recipe_for_one_process_is_one_line(tmp_path):
    done = torchrun(tmp_path, RECIPE.replace("processes: 2", "processes: 1"))
    refused(done, "the recipe asks for 1 processes, running are 2; torchrun --nproc-per-node 1 starts as many")
    assert not list(tmp_path.glob("runs/*/*"))


@pytest.mark.parametrize(("rank", "said"), [("0", "aloud\n"), ("1", "")])
def test_the_first_process_speaks_and_fails_first(monkeypatch, capsys, rank, said):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(processes, "SECONDS_FOR_THE_FIRST", 1.0)
    start = time.monotonic()

    @processes.first_process_speaks()
    def fail() -> None:
        print("aloud")  # noqa: T201
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()
    assert capsys.readouterr().out == said
    assert (time.monotonic() - start >= 1.0) is (rank == "1")


@pytest.mark.parametrize(
    ("size", "code", "is_taken_apart"),
    [(2, 2, False), (2, 0, False), (2, None, False), (1, 2, True), ("", 0, True), ("auto", 2, True)],
)
def test_a_process_among_others_takes_nothing_apart(size, code, is_taken_apart):
    program = f"""
import atexit
from evendistill.experiments.processes import own_exit_code
atexit.register(print, "apart")
with own_exit_code():
    print("said")
    raise SystemExit({code})
"""
    told = os.environ | {"WORLD_SIZE": str(size)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=told)
    assert done.returncode == (code or 0), done.stderr
    assert done.stdout.split() == ["said"] + ["apart"] * is_taken_apart
