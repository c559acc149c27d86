"""What every run would fail of is found before anything is trained: one line, exit code 2, and nothing written."""

import sys
from pathlib import Path

import numpy as np
import pytest

from evendistill.experiments import sources
from evendistill.experiments.preflight import check_before_training
from evendistill.experiments.sweep import Sweep

RECIPE = """
name: before
data: {source: DATA, imbalance: 5}
training: {epochs: 1, batch_size: 64, update_every: 4}
teachers:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard]
students:
  network: {kind: own, path: "their_net:NETWORK"}
  objectives: [standard]
seeds: 1
"""
NETWORKS = """
from pathlib import Path
import torch

with open("imported", "a") as file:
    print("once", file=file)

def _of(width, scores):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(width, scores))

def student(num_classes):
    return _of(64, num_classes)

def seven(num_classes):
    return _of(64, 7)

def colours(num_classes):
    return _of(3 * 64, num_classes)
"""
SHIFTED = "torch.nn.Sequential(torch.nn.ZeroPad2d((1, -1, 0, 0)), torch.nn.Flatten())"
WRONG = {
    "studnt": "'their_net:studnt': their_net has no studnt; did you mean student?",
    "seven": "the network of kind own gives 7 scores, there are 10 classes",
    "colours": "the network cannot take inputs of float32 (8, 1, 8, 8): mat1 and mat2 shapes cannot be multiplied",
}


@pytest.fixture
def evendistill(command_line, monkeypatch, tmp_path):
    """The command line in an empty folder: exit code and standard error."""
    monkeypatch.syspath_prepend(tmp_path)

    def call(*words):
        sys.modules.pop("their_net", None)
        return command_line(tmp_path, *words)[::2]

    yield call
    sys.modules.pop("their_net", None)


def write(folder: Path, network: str = "student", data: str = "digits") -> None:
    (folder / "recipe.yaml").write_text(RECIPE.replace("NETWORK", network).replace("DATA", data))
    (folder / "their_net.py").write_text(NETWORKS)


@pytest.mark.parametrize("network", WRONG)
@pytest.mark.parametrize("how", [("--jobs", "1"), ("--pack", "2"), ("--cell", "1/1"), ("--dry-run", "--time")])
def test_a_network_that_does_not_fit_is_one_line_and_nothing_is_written(evendistill, tmp_path, network, how):
    write(tmp_path, network)
    code, err = evendistill("run", "recipe.yaml", *how)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"evendistill: {WRONG[network]}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("network", ['{kind: own, path: "their_net:student"}', "{kind: mlp}"])
def test_data_that_are_not_there_are_one_line_too(evendistill, tmp_path, network):
    write(tmp_path, data="./nowhere.npz")
    text = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(text.replace('{kind: own, path: "their_net:student"}', network))
    told = "evendistill: ./nowhere.npz: there is no such file or folder\n"
    assert evendistill("run", "recipe.yaml") == (2, told)
    assert not (tmp_path / "runs").exists()


def test_a_wrong_path_of_a_network_is_told_before_data_are_read(evendistill, tmp_path, monkeypatch):
    write(tmp_path, "studnt")
    monkeypatch.setattr(sources, "load_data", None)
    assert evendistill("run", "recipe.yaml") == (2, f"evendistill: {WRONG['studnt']}\n")


def test_a_trial_looks_for_data_and_networks_before_it_makes_images_up(evendistill, tmp_path):
    write(tmp_path, data="./nowhere.npz")
    told = "evendistill: ./nowhere.npz: there is no such file or folder\n"
    assert evendistill("run", "recipe.yaml", "--smoke") == (2, told)
    write(tmp_path, "studnt", data="owner/on-the-hub")
    assert evendistill("run", "recipe.yaml", "--smoke") == (2, f"evendistill: {WRONG['studnt']}\n")
    assert not (tmp_path / "runs").exists()
    write(tmp_path, "colours", data="owner/on-the-hub")  # three channels of 8 by 8; what is made up has 32 by 32
    code, err = evendistill("run", "recipe.yaml", "--smoke")
    assert code == 2
    assert err.startswith("a trial on made-up images, 10x3x32 (classes x channels x side)\n")


def test_what_is_finished_is_neither_imported_nor_looked_for_again(evendistill, tmp_path):
    digits = np.load(sources.__file__.replace("experiments/sources.py", "data/digits.npz"))
    np.savez(tmp_path / "digits.npz", x=digits["pixels"][:, None].astype(np.float32), y=digits["labels"])
    write(tmp_path, data="./digits.npz")
    assert evendistill("run", "recipe.yaml", "--pack", "1")[0] == 0
    assert (tmp_path / "imported").read_text() == "once\n"
    for name in ("their_net.py", "digits.npz"):
        (tmp_path / name).unlink()
    assert evendistill("run", "recipe.yaml")[0] == 0


def test_a_share_without_the_network_does_not_try_it(evendistill, tmp_path):
    write(tmp_path, "studnt")
    text = (
        (tmp_path / "recipe.yaml")
        .read_text()
        .replace("objectives: [standard]\nstudents", "objectives: [robust]\nstudents")
    )
    (tmp_path / "recipe.yaml").write_text(text.replace("seeds: 1", "seeds: 1\nbaselines: [post-shift]"))
    shares = [evendistill("run", "recipe.yaml", "--cell", f"{number}/2", "--pack", "1") for number in (1, 2)]
    assert sorted(code for code, _ in shares) == [0, 2]


def test_data_are_not_loaded_where_no_network_is_to_be_tried(tmp_path, monkeypatch):
    write(tmp_path)
    text = (tmp_path / "recipe.yaml").read_text().replace('{kind: own, path: "their_net:student"}', "{kind: mlp}")
    (tmp_path / "recipe.yaml").write_text(text)
    monkeypatch.setattr(sources, "load_data", None)
    check_before_training(Sweep.read(tmp_path / "recipe.yaml", tmp_path / "runs").missing().values())


def more(folder: Path) -> None:
    """Ask for runs that are not there yet."""
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("seeds: 1", "seeds: 2"))


@pytest.mark.parametrize("asked", ["[standard]", "{alphas: [0, 1]}\n  shared: true"])
def test_a_network_that_was_edited_between_two_runs_is_told_before_the_second(evendistill, tmp_path, asked):
    write(tmp_path)
    text = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(text.replace("[standard]\nseeds", f"{asked}\nseeds"))
    assert evendistill("run", "recipe.yaml", "--pack", "1")[0] == 0
    before = sorted(tmp_path.glob("runs/*"))
    more(tmp_path)
    (tmp_path / "their_net.py").write_text(NETWORKS.replace("torch.nn.Flatten()", SHIFTED))
    code, err = evendistill("run", "recipe.yaml", "--pack", "1")
    assert (code, err.count("\n")) == (2, 1)
    assert "the network their_net:student puts " in err
    assert "was its code changed since it was trained? Nothing was trained; undo that" in err
    assert sorted(tmp_path.glob("runs/*")) == before
    (tmp_path / "their_net.py").write_text(NETWORKS + "# nothing else\n")
    assert evendistill("run", "recipe.yaml", "--pack", "1")[0] == 0


def fewer(images, labels):
    return images[300:], labels[300:]


def other_names(images, labels):
    return images, np.where(labels == 3, "three", labels.astype(str))


@pytest.mark.parametrize("network", ['{kind: own, path: "their_net:student"}', "{kind: mlp}"])
@pytest.mark.parametrize(
    ("change", "told"), [(fewer, " examples of class '"), (other_names, "with '3' as class 3, now ")]
)
@pytest.mark.filterwarnings("ignore:labels are words")
def test_data_that_changed_are_told_and_nothing_is_trained_on_them(evendistill, tmp_path, network, change, told):
    digits = np.load(sources.__file__.replace("experiments/sources.py", "data/digits.npz"))
    images, labels = digits["pixels"][:, None].astype(np.float32), digits["labels"]
    np.savez(tmp_path / "digits.npz", x=images, y=labels.astype(str))
    write(tmp_path, data="./digits.npz")
    text = (tmp_path / "recipe.yaml").read_text().replace('{kind: own, path: "their_net:student"}', network)
    (tmp_path / "recipe.yaml").write_text(text)
    how = ("--jobs", "1") if network == "{kind: mlp}" else ("--pack", "1")  # this process may have kept what it read
    assert evendistill("run", "recipe.yaml", *how)[0] == 0
    finished = set(tmp_path.glob("runs/*/DONE"))
    more(tmp_path)
    np.savez(tmp_path / "digits.npz", **dict(zip("xy", change(images, labels), strict=True)))
    code, err = evendistill("run", "recipe.yaml", *how)
    assert code == 2
    assert told in err
    assert "the data are not what they were; bring them back, or begin anew with --out" in err
    assert set(tmp_path.glob("runs/*/DONE")) == finished
    np.savez(tmp_path / "digits.npz", x=images, y=labels.astype(str))
    assert evendistill("run", "recipe.yaml", *how)[0] == 0


FITS_NO_MORE = "torch.nn.Flatten(), torch.nn.Identity()"


@pytest.mark.parametrize("edit", [SHIFTED, FITS_NO_MORE])
@pytest.mark.filterwarnings("ignore:.*The trial is made anew")
def test_a_network_may_be_edited_until_its_trial_goes_well(evendistill, tmp_path, edit):
    write(tmp_path)
    assert evendistill("run", "recipe.yaml", "--smoke")[0] == 0
    assert "0 to train" in evendistill("run", "recipe.yaml", "--smoke")[1]
    (tmp_path / "their_net.py").write_text(NETWORKS.replace("torch.nn.Flatten()", edit))
    code, err = evendistill("run", "recipe.yaml", "--smoke")
    assert (code, "2 runs, 0 finished already, 2 to train" in err) == (0, True)
    assert "0 to train" in evendistill("run", "recipe.yaml", "--smoke")[1]


def test_a_finished_trial_tells_that_the_network_does_not_fit_any_more(evendistill, tmp_path):
    write(tmp_path)
    assert evendistill("run", "recipe.yaml", "--smoke")[0] == 0
    (tmp_path / "their_net.py").write_text(NETWORKS.replace("_of(64, num_classes)", "_of(64, 7)"))
    code, err = evendistill("run", "recipe.yaml", "--smoke")
    assert code == 2
    assert WRONG["seven"] in err


BATCH_OF_ITS_OWN = """
import torch

class Net(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(64, track_running_stats=False)
        self.last = torch.nn.Linear(64, num_classes)

    def forward(self, images):
        return self.last(self.norm(images.flatten(1))).squeeze()
"""
BY_CHANCE = """
import torch

class Net(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.last = torch.nn.Linear(64, num_classes)

    def forward(self, images):
        return self.last(torch.nn.functional.dropout(images.flatten(1), 0.5))
"""


@pytest.mark.parametrize("code", [BATCH_OF_ITS_OWN, BY_CHANCE])
def test_an_odd_network_that_was_not_edited_goes_on(evendistill, tmp_path, code):
    """Its scores depend on the batch, cannot be had for one example, or are others each time."""
    write(tmp_path, "Net")
    (tmp_path / "their_net.py").write_text(code)
    assert evendistill("run", "recipe.yaml", "--pack", "1")[0] == 0
    more(tmp_path)
    assert evendistill("run", "recipe.yaml", "--pack", "1")[0] == 0
