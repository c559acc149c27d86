"""A look at a data set, and what is chosen and warned of for it."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from evendistill.data import datasets
from evendistill.data.datasets import load_data
from evendistill.experiments.beginning import choices
from evendistill.experiments.beginning.commented import commented
from evendistill.experiments.beginning.first import begin
from evendistill.experiments.beginning.found import Inputs
from evendistill.experiments.beginning.looking import look
from evendistill.experiments.beginning.precision import half_width, needed, precision
from evendistill.experiments.beginning.warned import warned
from evendistill.experiments.processes import cores

Z = 1.959963984540054
ENOUGH = {"train": [200, 200], "val": [200, 200], "test": [200, 200]}


def wilson(share, n):
    """Half of Wilson's interval, by hand."""
    return Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))


def arrays(path, counts, *, scale=1.0, shape=(4,)):
    """An ``.npz`` with so many examples of each class in each split."""
    rng, kept = np.random.default_rng(0), {}
    for split, sizes in counts.items():
        labels = np.repeat(np.arange(len(sizes)), sizes)
        kept |= {f"x_{split}": scale * rng.normal(size=(len(labels), *shape)), f"y_{split}": labels}
    np.savez(path, **kept)
    return str(path)


def pictures(root, sizes, **classes):
    """A folder of random colour pictures; sizes come in turn."""
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        for number in range(count):
            path = root / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = sizes[number % len(sizes)]
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return str(root)


def table(path, **columns):
    """A parquet file with grey pictures in "img" and these columns."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    rows = len(next(iter(columns.values())))
    parquet.write_table(arrow.table({"img": [file.getvalue()] * rows, **columns}), path)
    return str(path)


def warnings_of(source, **told):
    found = look(source, **told)
    return warned(found, precision(found.sizes("validation")))


def test_digits_are_told_as_a_run_would_load_them():
    found, data = look("digits", imbalance=30), load_data("digits", imbalance=30)
    for name, examples in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        assert list(found.parts[name].counts) == np.bincount(examples.labels.numpy(), minlength=10).tolist()
    train = found.parts["train"]
    assert (train.largest, train.smallest) == (0, 9)
    assert train.imbalance == max(train.counts) / min(train.counts) == 89 / 3
    assert found.inputs == Inputs("arrays", (1, 8, 8), scale=found.inputs.scale)
    assert (found.held, found.bytes) == ("memory", 4 * 64 * sum(part.examples for part in found.parts.values()))
    assert found.told == {"source": "digits", "imbalance": 30}


@pytest.mark.parametrize(
    ("splits", "validation", "count"),
    [
        (("train",), "20 % of the only split", 40),
        (("train", "test"), "one random half of the source's split 'test'", 100),
        (("train", "val"), "one random half of the source's split 'validation'", 100),
        (("train", "val", "test"), "the source's own split 'validation'", 200),
    ],
)
def test_how_validation_was_made_is_said(tmp_path, splits, validation, count):
    part = look(arrays(tmp_path / "a.npz", {split: [100, 100] for split in splits})).parts["validation"]
    assert part.origin.startswith(validation)
    assert part.examples == count


@pytest.mark.parametrize(("share", "count"), [(0.5, 1), (0.5, 43), (0.7, 43), (0.7, 460), (0.5, 10_000)])
def test_half_widths_are_those_of_wilson_by_hand(share, count):
    assert half_width(share, count) == pytest.approx(wilson(share, count), abs=1e-12)


@pytest.mark.parametrize("half", [0.02, 0.05, 0.1, 0.3])
def test_so_many_examples_are_needed_and_one_fewer_will_not_do(half):
    count = needed(0.5, half)
    assert count == math.ceil(Z**2 / (4 * half**2) - Z**2)  # solved for n at a share of a half
    assert wilson(0.5, count) <= half < wilson(0.5, count - 1)


def test_the_worst_of_many_is_measured_too_low_by_as_much_as_a_simulation_says():
    sizes = [40, 60, 80, 0, 100]
    draws = np.random.default_rng(1).binomial([40, 60, 80, 100], 0.7, (20_000, 4)) / [40, 60, 80, 100]
    least, known = draws.min(axis=1), precision(sizes)
    assert (known.smallest, known.count) == (0, 40)
    assert known.worst.bias == pytest.approx(least.mean() - 0.7, abs=0.005)
    assert (known.worst.lower, known.worst.upper) == pytest.approx(np.quantile(least, [0.025, 0.975]), abs=0.02)


def test_validation_is_called_too_small_below_93_examples_of_a_class(tmp_path):
    assert warnings_of(arrays(tmp_path / "a.npz", {"train": [9, 9], "val": [93, 200], "test": [9, 9]})) == []
    (line,) = warnings_of(arrays(tmp_path / "b.npz", {"train": [9, 9], "val": [200, 92], "test": [9, 9]}))
    assert "validation is too small to measure a worst class: the smallest, 1, has 92 examples" in line
    assert f"± {100 * wilson(0.5, 92):.1f} points at a recall of 50 %" in line
    assert f"± {100 * wilson(0.7, 92):.1f} points at a recall of 70 %" in line
    assert line.endswith("± 5 points take 381 examples")


def test_absent_and_lonely_classes_are_named_and_no_others(tmp_path):
    counts = {"train": [2, 1, 5], "val": [200, 200, 0], "test": [0, 3, 4]}
    validation, test, lonely = warnings_of(arrays(tmp_path / "a.npz", counts))
    assert validation.startswith("absent from validation: class 2;")
    assert test.startswith("absent from test: class 0;")
    assert lonely.startswith("fewer than 2 training examples: class 1;")


@pytest.mark.parametrize(
    ("shape", "scale", "words"), [((4,), 9.0, "mean square of"), ((6, 6, 3), 1.0, "channels last")]
)
def test_arrays_that_a_network_would_not_like_are_warned_of(tmp_path, shape, scale, words):
    (line,) = warnings_of(arrays(tmp_path / "a.npz", ENOUGH, shape=shape, scale=scale))
    assert words in line


def test_names_that_look_alike_are_warned_of(tmp_path):
    lines = warnings_of(pictures(tmp_path, [(8, 8)], **{"cat": 9, "Cat ": 9, "dog": 9}))
    assert [line for line in lines if "alike" in line] == [
        "classes 0 ('Cat ') and 1 ('cat') have the same name or look alike; are they one class?"
    ]


def test_the_worst_is_that_of_groups_where_each_has_training_examples(tmp_path):
    rows = [(label, sex) for label in (0, 1) for sex in ("f", "m") for _ in range(500)]
    labels, sexes = map(list, zip(*rows, strict=True))
    with pytest.warns(UserWarning, match="groups are words"):
        found = look(table(tmp_path / "full.parquet", label=labels, sex=sexes), group_column="sex")
    assert (found.is_crossed, found.names) == (True, ("0, f", "1, f", "0, m", "1, m"))
    assert sum(found.sizes("train")) == 1200
    assert "grouping: class x attribute" in commented(found, tmp_path / "r.yaml")
    sexes = ["" if sex == "m" else sex for label, sex in rows if (label, sex) != (1, "m")]
    labels = [label for label, sex in rows if (label, sex) != (1, "m")]
    with pytest.warns(UserWarning, match="groups are words"):
        lines = warnings_of(table(tmp_path / "gap.parquet", label=labels, sex=sexes), group_column="sex")
    assert lines == [
        "group column sex is empty in 500 examples, which are a group of their own",
        "group column sex: no training examples of '1,'; so the worst class counts, not the worst group",
    ]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"x": np.zeros((30, 3), np.uint8), "y": np.arange(30) % 3}, "torch.uint8 of shape"),
        ({"x": np.full((30, 3), np.nan), "y": np.arange(30) % 3}, "'x', row 0: inputs must be finite"),
        ({"x": np.zeros((30, 3)), "y": np.array([0, 2, 2] * 10)}, "class '1' has no training example"),
        ({"x": np.zeros((30, 3)), "y": np.zeros(30, int)}, "there is one class, '0'"),
    ],
)
def test_what_no_run_could_be_trained_on_is_refused(tmp_path, kept, words):
    np.savez(tmp_path / "a.npz", **kept)
    with pytest.raises(ValueError, match=words):
        begin(str(tmp_path / "a.npz"), tmp_path / "r.yaml", force=False, told={})
    assert not (tmp_path / "r.yaml").exists()


def test_mean_and_spread_are_of_training_images_alone(tmp_path):
    rng = np.random.default_rng(0)
    train, test = (rng.integers(low, low + 90, (40, 32, 32, 3), dtype=np.uint8) for low in (20, 160))
    np.savez(tmp_path / "a.npz", x_train=train, y_train=np.arange(40) % 2, x_test=test, y_test=np.arange(40) % 2)
    inputs = look(str(tmp_path / "a.npz")).inputs
    assert inputs.mean == pytest.approx(train.mean(axis=(0, 1, 2)) / 255)
    assert inputs.std == pytest.approx(train.std(axis=(0, 1, 2)) / 255)
    assert choices.view(inputs) == {
        "mean": [round(each, 4) for each in inputs.mean],
        "std": [round(each, 4) for each in inputs.std],
        "pad": 4,
        "flip": True,
    }


@pytest.mark.parametrize(
    ("sizes", "side"),
    [([(40, 40)], None), ([(40, 40), (48, 52)], 32), ([(300, 260)], 224), ([(20, 20), (21, 20)], 20)],
)
def test_images_of_several_sizes_and_large_ones_are_brought_to_a_usual_one(tmp_path, sizes, side):
    found = look(pictures(tmp_path, sizes, a=6, b=6))
    assert found.told.get("image_size") == side
    assert found.inputs.shape == (3, *((side, side) if side else sizes[0]))
    lines = commented(found, tmp_path / "r.yaml").splitlines()
    assert [line for line in lines if len(line) > 120 and "source:" not in line] == []


def test_images_too_many_for_memory_are_streamed_and_told_alike(tmp_path, monkeypatch):
    folder = pictures(tmp_path, [(32, 40)], a=6, b=6)
    held = look(folder)
    monkeypatch.setattr(datasets, "MOST_HELD_BYTES", 100)
    found = look(folder)
    assert (held.held, found.held) == ("memory", "stream")
    assert (found.inputs, found.parts, found.bytes) == (held.inputs, held.parts, 12 * 32 * 40 * 3)
    assert found.told == {**held.told, "workers": min(8, cores())}
    assert begin(folder, tmp_path / "r.yaml", force=False, told={}).grid.data.workers == found.told["workers"]


def test_pictures_that_lie_on_their_side_count_as_they_are_shown(tmp_path):
    folder = pictures(tmp_path, [(32, 48)], a=6, b=6)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.open(tmp_path / "a/0.png").save(tmp_path / "a/0.png", exif=turned)
    assert look(folder).told["image_size"] == 32
