"""Two processes against one: the same multipliers, the same weights, one folder, and no process left waiting."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import evendistill as ed

SCRIPT = Path(__file__).with_name("two_processes.py")
RESULTS = ("model.safetensors", "validation.json")
SECONDS = 300  # some machines are busy


def start(jobs: str, out: Path, meeting: str, **environment: str) -> list[subprocess.Popen[str]]:
    """Two processes that meet at a file of this name."""
    out.mkdir(exist_ok=True)
    words = [[sys.executable, str(SCRIPT), jobs, str(out), str(rank), str(out / meeting)] for rank in (0, 1)]
    told: dict[str, Any] = {"env": os.environ | environment, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, **told) for command in words]


def ended(pair: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit codes and what was said; where one fails, the other is not waited for."""
    said = []
    try:
        for process in pair:
            errors = process.communicate(timeout=SECONDS)[1]
            said.append((process.returncode, errors))
    finally:
        for process in pair:
            process.kill()
            process.wait()
    return said


def results(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (torch.load(out / f"rank{rank}.pt", weights_only=False) for rank in (0, 1))
    return first, second


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """What each of two processes found, and the folder they shared."""
    out = tmp_path_factory.mktemp("together")
    said = ended(start("frozen,in_float64,batch_norm,kept,refused,apart,resumable", out, "meeting"))
    assert [code for code, _ in said] == [0, 0], said
    return out, *results(out)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The same in one process."""
    out = tmp_path_factory.mktemp("alone")
    told = importlib.util.spec_from_file_location("two_processes", SCRIPT)
    assert told is not None
    assert told.loader is not None
    module = importlib.util.module_from_spec(told)
    told.loader.exec_module(module)
    return out, {name: getattr(module, name)(out) for name in ("frozen", "in_float64", "kept")}


def test_class_errors_and_multipliers_are_those_of_one_process_bit_for_bit(trained, alone):
    """Weights that stay, gains of both kinds, true and teacher's labels, all of the validation set and a part of it."""
    expected = alone[1]["frozen"]
    assert len(expected) == 12
    for key, one in expected.items():
        for found in trained[1:]:
            two = found["frozen"][key]
            assert torch.equal(two["multipliers"], one["multipliers"])
            for record, like in zip(two["history"], one["history"], strict=True):
                assert record["class_errors"] == like["class_errors"]
                assert record["multipliers"] == like["multipliers"]
    assert (
        len({tuple(one["multipliers"].tolist()) for one in expected.values()}) == 12
    )  # all have moved, each elsewhere


@pytest.mark.parametrize("name", ["distilled", "matched", "balanced", "augmented", "live teacher"])
def test_weights_and_losses_are_those_of_one_process(trained, alone, name):
    one = alone[1]["in_float64"][name]
    assert not torch.allclose(one["multipliers"], torch.full((3,), 1 / 3), atol=1e-3)
    for found in trained[1:]:
        two = found["in_float64"][name]
        torch.testing.assert_close(two["weights"], one["weights"], rtol=0, atol=1e-9)
        torch.testing.assert_close(two["losses"], one["losses"], rtol=0, atol=1e-9)
        assert torch.equal(two["multipliers"], one["multipliers"])


@pytest.mark.parametrize("iterate", ["last", "averaged", "best"])
def test_under_batch_norm_all_processes_end_with_one_network(trained, iterate):
    first, second = (found["batch_norm"][iterate] for found in trained[1:])
    assert same(first, second)
    counts = [tensor for tensor in first["weights"].values() if tensor.dtype == torch.int64]
    assert len(counts) >= 1 + 3
    assert min(counts) > 0


def test_under_batch_norm_all_processes_look_at_one_network(trained):
    first, second = (found["batch_norm"]["looked at"] for found in trained[1:])
    assert len(first) == 3 * 4 + 3  # before each third of 12 steps, and after each of three epochs for the best
    assert same(first, second)


def test_eleven_examples_count_as_eleven(trained):
    found = json.loads((trained[0] / "kept" / "validation.json").read_text())
    assert sum(found["total"]) == 11
    assert found["total"] == torch.tensor([0, 0, 0, 1, 1, 2])[torch.arange(11) % 6].bincount().tolist()


def test_the_first_process_alone_writes_and_a_finished_folder_is_left_alone(trained):
    first, second = (found["kept"] for found in trained[1:])
    assert first["written"] > 10
    assert second["written"] == first["later"] == second["later"] == 0
    assert same(first["first"], second["first"])
    assert same(first["second"], first["first"])
    assert same(second["second"], first["first"])


def test_each_process_does_its_share(trained, alone):
    """Of 40 batches of 15; and of 601 rows in two batches for the teacher, and 11 that both score, one in vain."""
    first, second, all_alone = (found["kept"]["seen"] for found in (*trained[1:], alone[1]))
    assert [seen["student"] for seen in (first, second, all_alone)] == [40 * 8, 40 * 7, 40 * 15]
    assert [seen["teacher"] for seen in (first, second, all_alone)] == [512 + 11, 89 + 11, 601 + 11]


def test_the_files_of_teacher_scores_are_those_of_one_process(trained, alone):
    files = [sorted((folder / "kept").glob("scores-*")) for folder in (trained[0], alone[0])]
    assert len(files[0]) == 2
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_what_cannot_be_is_refused_by_all_processes(trained):
    for found in trained[1:]:
        said = found["refused"]
        assert said["one asked for"].startswith("the recipe asks for 1 processes, running are 2; torchrun")
        assert said["batch of one"] == "batch_size must be at least the 2 processes, got 1"
        assert said["own data each"].startswith("the processes are told different runs")
        assert said["nothing there"]


def test_processes_that_do_not_see_one_checkpoint_stop_and_keep_it(trained):
    for found, is_there in zip(trained[1:], (True, False), strict=True):
        said = found["apart"]
        assert len(said["said"]) == 2
        assert said["said"][1].startswith("the processes do not see one checkpoint")
        assert said["checkpoint"] is is_there


def test_a_run_for_two_is_refused_to_one_and_keeps_its_checkpoint(trained, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"far along")
    data = (torch.randn(12, 4), torch.arange(12) % 3)
    with pytest.raises(ValueError, match=r"^the recipe asks for 2 processes, running are 1; torchrun [^\n]*$"):
        ed.train(torch.nn.Linear(4, 3), data, None, recipe=ed.Recipe(processes=2), out=tmp_path, progress=False)
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_both_killed_in_the_middle_of_an_epoch_go_on_and_end_with_the_same_bits(trained, tmp_path):
    out, straight = trained[0], trained[1]["resumable"]
    killed = ended(start("resumable", tmp_path, "first", DIE_BEFORE="6"))
    assert [code for code, _ in killed] == [-signal.SIGKILL] * 2
    assert (tmp_path / "resumable" / "checkpoint.pt").is_file()
    again = ended(start("resumable", tmp_path, "second"))
    assert [code for code, _ in again] == [0, 0], again
    for found in (trained[2], *results(tmp_path)):
        assert same(found["resumable"], straight)
    for name in RESULTS:
        assert (tmp_path / "resumable" / name).read_bytes() == (out / "resumable" / name).read_bytes()


def test_a_process_that_fails_alone_ends_all(tmp_path):
    together = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *together, str(SCRIPT), "failing", str(tmp_path), "torchrun"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            errors = running.communicate(timeout=SECONDS)[1]
        finally:
            running.terminate()  # torchrun hands it on
    assert running.returncode > 0
    assert "this process fails alone" in errors
    assert not list(tmp_path.glob("rank*.pt"))
    assert not (tmp_path / "resumable" / "DONE").exists()
