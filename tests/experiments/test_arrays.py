"""Scores and labels from files of anyone's making, or one error that names the file."""

import pickle

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet

from evendistill.experiments.arrays import read_groups, read_scores
from evendistill.training.evaluation import evaluate

SCORES = np.random.default_rng(0).normal(size=(4, 3))
LABELS = np.array([0, 2, 1, 0])


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "both.npz", scores=SCORES, labels=LABELS)
    np.save(tmp_path / "scores.npy", SCORES)
    np.save(tmp_path / "labels.npy", LABELS)
    np.savetxt(tmp_path / "scores.csv", SCORES, delimiter=",")
    np.savetxt(tmp_path / "labels.csv", LABELS, fmt="%d")
    write_parquet(tmp_path / "both.parquet", {"labels": LABELS, "scores": SCORES.tolist()})
    return tmp_path


def write_parquet(path, columns):
    parquet.write_table(pyarrow.table({name: list(values) for name, values in columns.items()}), path)


def refused(folder, scores, labels=None, *, naming, saying):
    with pytest.raises(ValueError, match=saying) as caught:
        read_scores(folder / scores, folder / labels if labels else None)
    assert str(caught.value).startswith(f"{folder / naming}: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ("both.npz", None),
        ("both.npz", "both.npz"),
        ("both.npz", "labels.csv"),
        ("both.parquet", None),
        ("both.parquet", "labels.csv"),
        ("scores.npy", "both.parquet"),
        ("scores.npy", "labels.csv"),
        ("scores.npy", "labels.npy"),
        ("scores.csv", "labels.csv"),
    ],
)
def test_scores_and_labels_are_read_from_any_pair_of_files(folder, scores, labels):
    read, of = read_scores(folder / scores, folder / labels if labels else None)
    assert (read.dtype, of.dtype) == (torch.float64, torch.int64)
    np.testing.assert_allclose(read.numpy(), SCORES, rtol=1e-15)
    np.testing.assert_array_equal(of.numpy(), LABELS)


@pytest.mark.parametrize("ending", ["parquet", "pq"])
@pytest.mark.parametrize("name", ["labels", "label"])
def test_parquet_holds_scores_as_lists_or_a_column_for_each_class(folder, ending, name):
    lists = {"id": list("abcd"), name: LABELS, "scores": SCORES.tolist()}
    columns = {"cat": SCORES[:, 0], name: LABELS, "panda": SCORES[:, 1], "mouse": SCORES[:, 2]}
    for told in (lists, columns):
        write_parquet(folder / f"both.{ending}", told)
        scores, labels = read_scores(folder / f"both.{ending}")
        assert (scores.dtype, labels.dtype) == (torch.float64, torch.int64)
        np.testing.assert_array_equal(scores.numpy(), SCORES)
        np.testing.assert_array_equal(labels.numpy(), LABELS)


def test_parquet_may_hold_scores_or_labels_alone(folder):
    write_parquet(folder / "scores.parquet", {str(label): SCORES[:, label] for label in range(3)})
    write_parquet(folder / "labels.parquet", {"labels": LABELS})
    for pair in (("scores.parquet", "labels.npy"), ("scores.npy", "labels.parquet")):
        scores, labels = read_scores(*(folder / each for each in pair))
        np.testing.assert_array_equal(scores.numpy(), SCORES)
        np.testing.assert_array_equal(labels.numpy(), LABELS)
    saying = "expected an .npz or parquet with scores and labels, got "
    refused(folder, "scores.parquet", naming="scores.parquet", saying=f"{saying}scores; save")
    refused(folder, "labels.parquet", naming="labels.parquet", saying=f"{saying}labels; save")
    wrong = "expected an array labels, got scores; save it under that name"
    refused(folder, "scores.npy", "scores.parquet", naming="scores.parquet", saying=wrong)


@pytest.mark.parametrize(
    ("told", "saying"),
    [
        ({"labels": LABELS, "scores": [[1.0, 2.0]] * 3 + [[1.0]]}, "cannot be read as numbers: "),
        ({"labels": LABELS, "scores": [[1.0, 2.0]] * 3 + [None]}, "cannot be read as numbers: "),
        (
            {"labels": LABELS, "a": SCORES[:, 0]},
            r"scores must be numbers of shape \(N, C\) with C >= 2, got .*\(4, 1\)",
        ),
        ({"labels": LABELS, "a": list("abcd"), "b": SCORES[:, 0]}, "scores must be numbers"),
        ({"labels": LABELS, "a": [None, 1.0, 2.0, 3.0], "b": SCORES[:, 0]}, "scores must be numbers"),
        ({"labels": [0, None, 1, 2], "scores": SCORES.tolist()}, "labels must be whole numbers"),
        ({"labels": list("abcd"), "scores": SCORES.tolist()}, "labels must be whole numbers"),
    ],
    ids=["ragged", "no list", "one column", "text", "a hole", "no label", "words"],
)
def test_parquet_without_such_columns_is_refused(folder, told, saying):
    write_parquet(folder / "odd.parquet", told)
    refused(folder, "odd.parquet", naming="odd.parquet", saying=saying)


def test_labels_may_be_whole_numbers_with_a_point_and_scores_integers(tmp_path):
    np.savez(tmp_path / "both.npz", scores=np.eye(3, dtype=np.int8), labels=np.array([0.0, 1.0, 2.0]))
    scores, labels = read_scores(tmp_path / "both.npz")
    assert torch.equal(scores, torch.eye(3, dtype=torch.float64))
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("scores", ["scores.npy", "scores.csv"])
def test_scores_alone_need_labels(folder, scores):
    refused(
        folder, scores, naming=scores, saying="expected an .npz or parquet with scores and labels, or give --labels"
    )


@pytest.mark.parametrize(
    "held", [{}, {"scores": SCORES}, {"labels": LABELS}, {"logits": SCORES, "labels": LABELS}, {"logits": 0, "y": 0}]
)
def test_an_npz_without_both_arrays_is_refused_and_what_it_has_is_said(tmp_path, held):
    np.savez(tmp_path / "both.npz", **held)
    saying = (
        f"expected an .npz or parquet with scores and labels, got {', '.join(held) or 'none'}; save what are scores "
    )
    refused(tmp_path, "both.npz", naming="both.npz", saying=saying)


def test_an_npz_without_the_array_that_is_wanted_is_refused(folder):
    np.savez(folder / "odd.npz", logits=SCORES)
    refused(
        folder,
        "odd.npz",
        "labels.csv",
        naming="odd.npz",
        saying="expected an array scores, got logits; save it under that name",
    )
    refused(folder, "scores.npy", "odd.npz", naming="odd.npz", saying="expected an array labels, got logits")


@pytest.mark.parametrize(
    "scores",
    [SCORES[:, :1], SCORES[:, 0], SCORES[None], SCORES + 1j, SCORES > 0, SCORES.astype(str)],
    ids=["one column", "a vector", "three axes", "complex", "booleans", "text"],
)
def test_scores_that_are_no_rows_of_numbers_are_refused(folder, scores):
    np.save(folder / "odd.npy", scores)
    refused(folder, "odd.npy", "labels.csv", naming="odd.npy", saying=r"scores must be numbers of shape \(N, C\)")


def test_a_table_of_one_column_is_refused(folder):
    refused(folder, "labels.csv", "labels.csv", naming="labels.csv", saying=r"scores must be .* got float64 \(4,\)")


@pytest.mark.parametrize(
    "labels",
    [LABELS + 0.5, LABELS[:, None], LABELS.astype(str), LABELS > 0, LABELS + 0j]
    + [np.array([0, 1, 0, odd]) for odd in (np.nan, np.inf, -np.inf, 1e30)]
    + [np.array([0, 1, 0, 2**64 - 1], dtype=np.uint64)],
    ids=["halves", "a column", "text", "booleans", "complex", "nan", "inf", "-inf", "1e30", "2^64-1"],
)
def test_labels_that_are_no_whole_numbers_are_refused(folder, labels):
    np.save(folder / "odd.npy", labels)
    refused(folder, "scores.npy", "odd.npy", naming="odd.npy", saying=r"labels must be whole numbers of shape \(N,\)")


@pytest.mark.parametrize("which", ["scores", "labels"])
def test_no_pickle_is_loaded(folder, which):
    objects = np.array([[1, None]], dtype=object)
    np.savez(
        folder / "both.npz",
        scores=objects if which == "scores" else SCORES,
        labels=objects if which == "labels" else LABELS,
    )
    refused(folder, "both.npz", naming="both.npz", saying="Object arrays cannot be loaded")
    (folder / "pickle.npy").write_bytes(pickle.dumps([1, 2]))
    pair = ("pickle.npy", "labels.csv") if which == "scores" else ("scores.npy", "pickle.npy")
    refused(folder, *pair, naming="pickle.npy", saying="cannot be read as numbers")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("both.npz", lambda b: b[: len(b) // 2]),
        ("both.npz", lambda b: b[:150] + b"XXXX" + b[154:]),
        ("both.npz", lambda b: b"PK\x03\x04junk"),
        ("scores.npy", lambda b: b[:-5]),
        ("scores.npy", lambda b: b[:20]),
        ("scores.npy", lambda b: b""),
        ("both.parquet", lambda b: b[: len(b) // 2]),
        ("both.parquet", lambda b: b""),
        ("both.parquet", lambda b: b.replace(b"PAR1", b"PAR2")),
        ("scores.csv", lambda b: b""),
        ("scores.csv", lambda b: b"a,b,c\n" + b),
        ("scores.csv", lambda b: b + b"1,2\n"),
        ("scores.csv", lambda b: b"\xff\xfe" + b),
    ],
)
def test_a_damaged_file_is_refused_by_name(folder, name, damage):
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    refused(folder, name, "labels.csv", naming=name, saying="cannot be read as numbers")


@pytest.mark.parametrize(("scores", "labels"), [("missing.npz", None), ("scores.npy", "missing.npz")])
def test_a_missing_file_is_refused_by_name(folder, scores, labels):
    refused(folder, scores, labels, naming="missing.npz", saying="there is no such file")


def test_groups_are_read_like_labels_and_judged_in_the_place_of_classes(tmp_path):
    path = tmp_path / "predictions.npz"
    np.savez(path, scores=np.eye(3)[[0, 1, 2, 0]], labels=[0, 1, 2, 1], groups=[0, 0, 1, 1])
    scores, labels = read_scores(path)
    assert evaluate(scores, labels, read_groups(path)).recalls.tolist() == [1.0, 0.5]
    np.savez(path, groups=[0.5, 1.0])
    with pytest.raises(ValueError, match="groups must be whole numbers"):
        read_groups(path)


def test_whole_numbers_in_parquet_are_no_scores(tmp_path):
    """An identity or a group is not a class."""
    columns = {"id": [7, 8], "cat": [0.5, -1.0], "label": [0, 1], "dog": [0.25, 2.0], "group": [1, 0]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "told.parquet")
    scores, labels = read_scores(tmp_path / "told.parquet")
    assert (scores.tolist(), labels.tolist()) == ([[0.5, 0.25], [-1.0, 2.0]], [0, 1])
