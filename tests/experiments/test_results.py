"""Means and standard errors against numpy, and files that are not what a run wrote."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evendistill.experiments.results import Estimate, is_finished, read_split, robust_metric, summarise
from evendistill.experiments.spec import RunSpec
from evendistill.storage.files import digest, json_bytes, read_json

accuracies = st.floats(0, 1)


def run(seed=0):
    return RunSpec.model_validate(
        {"data": {}, "network": {"kind": "mlp"}, "objective": "robust", "training": {}, "order_seed": seed}
    )


@given(st.lists(accuracies, min_size=2, max_size=20))
def test_an_estimate_is_the_mean_and_its_standard_error(values):
    estimate = Estimate.of(values)
    assert estimate.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert estimate.se == pytest.approx(np.std(values, ddof=1) / np.sqrt(len(values)), abs=1e-12)


def test_one_seed_has_no_standard_error():
    assert Estimate.of([0.75]) == Estimate(0.75, None)
    assert Estimate.of([0.75]).percent() == "75.0"


def test_people_read_percent():
    assert Estimate(0.8126, 0.00349).percent() == "81.3 ± 0.3"


@given(recalls=st.lists(accuracies | st.none(), min_size=1, max_size=12), k=st.integers(1, 12))
def test_the_robust_metric_is_the_mean_of_the_k_least_and_absent_classes_are_never_among_them(recalls, k):
    present = np.sort([recall for recall in recalls if recall is not None])
    if k <= len(present):
        assert robust_metric({"recalls": recalls}, k) == pytest.approx(present[:k].mean(), abs=1e-12)
    else:
        with pytest.raises(ValueError, match=f"robust_k is {k}, but only {len(present)} classes are present"):
            robust_metric({"recalls": recalls}, k)


def test_an_absent_class_is_not_a_class_of_recall_zero():
    assert robust_metric({"recalls": [0.9, None, 0.5]}, 1) == 0.5


def keep_totals(spec, runs, total):
    """Write the number of examples of each class into what a run found on validation."""
    folder = runs / spec.folder_name
    payload = json_bytes(read_json(folder / "validation.json") | {"total": total})
    (folder / "validation.json").write_bytes(payload)
    (folder / "DONE").write_bytes(json_bytes(read_json(folder / "DONE") | {"validation.json": digest(payload)}))


def test_the_examples_of_each_class_are_known_where_every_run_kept_their_number(finish_run, tmp_path):
    specs, runs = [run(seed) for seed in range(2)], tmp_path / "runs"
    for spec in specs:
        finish_run(spec, [0.2, 0.9, None], [1.0, 1.0, 1.0])
    assert summarise(specs, runs, "validation", robust_k=1).total == ()
    keep_totals(specs[0], runs, [5, 10, 0])
    assert summarise(specs, runs, "validation", robust_k=1).total == ()
    keep_totals(specs[1], runs, [6, 9, 0])
    assert summarise(specs, runs, "validation", robust_k=1).total == (5, 9, 0)


def test_a_cell_is_averaged_over_its_seeds(finish_run, tmp_path):
    specs = [run(seed) for seed in range(3)]
    finish_run(specs[0], [0.2, 0.9, None], [1.0, 1.0, 1.0])
    finish_run(specs[1], [0.8, 0.5, None], [1.0, 1.0, 1.0])
    finish_run(specs[2], [0.5, 0.7, 0.1], [0.4, 0.6, 0.8])
    found = summarise(specs, tmp_path / "runs", "validation", robust_k=1)
    assert found.robust.mean == pytest.approx((0.2 + 0.5 + 0.1) / 3)
    assert found.robust.se == pytest.approx(np.std([0.2, 0.5, 0.1], ddof=1) / 3**0.5)
    assert found.average.mean == pytest.approx((0.55 + 0.65 + 1.3 / 3) / 3)
    assert found.recalls[:2] == pytest.approx((0.5, 0.7))
    assert math.isnan(found.recalls[2])
    pairs = summarise(specs, tmp_path / "runs", "validation", robust_k=2)
    assert pairs.robust.mean == pytest.approx((0.55 + 0.65 + 0.3) / 3)
    assert summarise(specs, tmp_path / "runs", "test", robust_k=1).robust.mean == pytest.approx(0.8)


def test_a_run_without_done_is_not_finished(finish_run, tmp_path):
    folder = finish_run(run(), [0.5], [0.5])
    assert is_finished(run(), tmp_path / "runs")
    assert read_split(run(), tmp_path / "runs", "test")["recalls"] == [0.5]
    (folder / "DONE").unlink()
    assert not is_finished(run(), tmp_path / "runs")
    with pytest.raises(ValueError, match=f"{folder.name} is not finished; run the recipe first"):
        read_split(run(), tmp_path / "runs", "test")


def test_another_run_is_not_taken_for_this_one(finish_run, tmp_path):
    finish_run(run(0), [0.5], [0.5])
    with pytest.raises(ValueError, match="is not finished"):
        read_split(run(1), tmp_path / "runs", "validation")


@pytest.mark.parametrize("damage", [lambda text: text.replace("0.5", "0.9"), lambda text: text[:-5], lambda text: ""])
def test_a_result_that_is_not_what_the_run_wrote_is_refused_by_name(finish_run, tmp_path, damage):
    path = finish_run(run(), [0.5], [0.5]) / "validation.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=r"validation\.json"):
        read_split(run(), tmp_path / "runs", "validation")


def test_a_missing_result_is_refused(finish_run, tmp_path):
    folder = finish_run(run(), [0.5], [0.5])
    (folder / "test.json").unlink()
    with pytest.raises(ValueError, match="is not finished"):
        read_split(run(), tmp_path / "runs", "test")
    assert read_split(run(), tmp_path / "runs", "validation")["recalls"] == [0.5]
