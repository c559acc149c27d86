"""Teachers of a small recipe ranked before their students are looked at, and by what their students did."""

import json
from dataclasses import astuple, replace
from statistics import fmean

import pytest
import torch
import yaml
from scipy.stats import spearmanr

from evendistill.distillation.diagnose import diagnose
from evendistill.distillation.predictors import NAMES, predictors
from evendistill.distillation.reference import joint_reference
from evendistill.experiments.engines.choice import How
from evendistill.experiments.ranking import Ranking, as_json, rank
from evendistill.experiments.report.diagnosis import SIGN, SPLITS, WHICH_WAY, WORDS, print_ranking
from evendistill.experiments.report.teachers import _section
from evendistill.experiments.results import summarise
from evendistill.experiments.sources import read_source
from evendistill.experiments.sweep import Sweep
from evendistill.maths.rank_correlation import RankCorrelation, spearman

RECIPE = {
    "name": "ranked",
    "data": {"source": "digits", "imbalance": 5},
    "training": {"epochs": 4, "batch_size": 16, "update_every": 4},
    "teachers": {
        "network": {"kind": "mlp", "hidden": [16]},
        "objectives": ["standard", "balanced"],
        "mended": [{"kind": "logit-adjustment", "tau": 2}],
    },
    "students": {
        "network": {"kind": "mlp", "hidden": [12]},
        "objectives": ["robust"],
        "temperatures": [1, 3],
    },
    "seeds": 2,
}
TEACHERS = ("standard", "balanced", "logit-adjustment-2-of-standard")


def read(folder, runs, **changes):
    """The sweep of a recipe with some parts changed, over the same runs."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE | changes))
    return Sweep.read(path, runs)


def students(**changes):
    return RECIPE["students"] | changes


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    folder = tmp_path_factory.mktemp("ranked")
    made = read(folder, folder / "runs")
    assert [outcome.error for outcome in made.train(How(jobs=1, pack=6))] == [None] * (2 * (3 + 3 * 2 * 2))
    return made


@pytest.fixture(scope="module")
def ranking(sweep) -> Ranking:
    return rank(sweep)


def cells_of(sweep, each):
    return [
        cell
        for cell in sweep.cells
        if cell.is_student and (cell.teacher.name, cell.listening.temperature) == (each.teacher, each.temperature)
    ]


def test_every_teacher_is_ranked_at_every_temperature_the_least_calibration_term_first(ranking):
    assert {(each.teacher, each.temperature) for each in ranking.teachers} == {(t, k) for t in TEACHERS for k in (1, 3)}
    assert len(ranking.teachers) == 6
    order = [each.predictors.calibration for each in ranking.teachers]
    assert order == sorted(order, reverse=True)


def test_the_student_is_the_one_that_validation_prefers_as_test_finds_it(sweep, ranking):
    differ = 0
    for each in ranking.teachers:
        cells = cells_of(sweep, each)
        assert len(cells) == 2  # the multipliers go by the teacher's labels or the true ones
        validation = [summarise(cell.runs, sweep.runs, "validation", robust_k=1).robust.mean for cell in cells]
        test = [summarise(cell.runs, sweep.runs, "test", robust_k=1) for cell in cells]
        assert each.student == test[validation.index(max(validation))]
        differ += test[0].robust.mean != test[1].robust.mean and max(validation) == validation[1] > validation[0]
    assert differ  # in some it matters which


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_predictors_are_means_over_the_seeds_on_a_reference_that_all_teachers_share(sweep, ranking, temperature):
    for_each_seed = {name: [] for name in TEACHERS}
    terms = {name: [] for name in TEACHERS}
    for seed in range(2):
        folders = {cell.teacher.name: cell.runs[seed] for cell in sweep.cells if cell.student is None}
        found = {name: read_source(sweep.runs / folders[name].folder_name, None) for name in TEACHERS}
        labels = found["standard"].labels
        joint = joint_reference([found[name].scores for name in TEACHERS], labels)
        told = {"temperature": temperature, "reference": joint}
        for name in TEACHERS:
            for_each_seed[name].append(predictors(found[name].scores.double(), labels, **told))
            known = diagnose(found[name].scores, labels, temperature=temperature, reference=joint)
            terms[name].append(known.calibration_error)
            assert known.worst == pytest.approx(-for_each_seed[name][-1].calibration, rel=1e-6)
    for each in (each for each in ranking.teachers if each.temperature == temperature):
        for name in NAMES:
            expected = fmean(getattr(known, name) for known in for_each_seed[each.teacher])
            assert getattr(each.predictors, name) == pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert each.terms == pytest.approx(torch.stack(terms[each.teacher]).mean(dim=0).tolist(), rel=1e-3, abs=1e-6)


def test_correlations_are_scipy_s_over_all_and_within_each_temperature(ranking):
    assert tuple(ranking.correlations) == NAMES
    assert tuple(ranking.within) == (1, 3)
    groups = [(ranking.teachers, ranking.correlations)]
    groups += [([e for e in ranking.teachers if e.temperature == key], each) for key, each in ranking.within.items()]
    for members, found in groups:
        worst = [each.student.robust.mean for each in members]
        assert len(set(worst)) > 1
        for name, correlation in found.items():
            said = [getattr(each.predictors, name) for each in members]
            assert correlation.value == pytest.approx(spearmanr(said, worst)[0], abs=1e-9)
            assert -1 - 1e-9 <= correlation.lower <= correlation.upper <= 1 + 1e-9


def test_json_has_the_numbers_without_nan(ranking, monkeypatch):
    monkeypatch.setattr("evendistill.experiments.ranking.LEAST_FOR_INTERVAL", 3)
    told = json.loads(json.dumps(as_json(ranking), allow_nan=False))
    assert list(told) == ["teachers", "correlations", "trained", "within", "class_names"]
    assert told["class_names"] == [str(label) for label in range(10)]
    for entry, each in zip(told["teachers"], ranking.teachers, strict=True):
        assert (entry["teacher"], entry["temperature"]) == (each.teacher, each.temperature)
        assert tuple(entry[name] for name in NAMES) == astuple(each.predictors)
        assert entry["calibration_terms"] == list(each.terms)
        assert each.student is not None
        assert entry["student"] == {
            "worst_class_accuracy": vars(each.student.robust),
            "average_accuracy": vars(each.student.average),
        }
    assert told["correlations"]["shifted_risk"] == vars(ranking.correlations["shifted_risk"])
    assert told["within"]["3"]["calibration"] == vars(ranking.within[3.0]["calibration"])
    assert told["trained"]["calibration"] == vars(ranking.trained["calibration"])
    mended = {entry["teacher"] for entry in told["teachers"] if entry["is_mended"]}
    assert mended == {each.teacher for each in ranking.teachers if "-of-" in each.teacher} != set()


def test_too_few_teachers_have_no_interval(ranking, capsys, monkeypatch):
    assert ranking.too_few == 3
    told = as_json(ranking)
    assert told["correlations"]["calibration"]["lower"] is told["within"]["1"]["calibration"]["upper"] is None
    assert told["correlations"]["calibration"]["value"] is not None
    assert "(too few teachers to say anything)" in _section(told)
    print_ranking(ranking)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert "3 teachers are too few: signs may well be chance, and say nothing yet" in lines
    for said in (WHICH_WAY, SPLITS, SIGN):
        assert said in lines, "in one line of 80 columns"
    assert " to +" not in shown
    monkeypatch.setattr("evendistill.experiments.ranking.LEAST_FOR_INTERVAL", 3)
    print_ranking(ranking)
    assert "too few" not in capsys.readouterr().out


def test_correlations_without_mended_teachers_stand_beside_all(ranking):
    trained = [each for each in ranking.teachers if "-of-" not in each.teacher]
    worst = torch.tensor([each.student.robust.mean for each in trained])
    for name in NAMES:
        said = torch.tensor([getattr(each.predictors, name) for each in trained])
        assert ranking.trained[name].value == pytest.approx(spearman(said, worst).value, nan_ok=True)


def test_where_students_are_all_alike_there_is_no_correlation_and_json_has_null(sweep, ranking, capsys):
    alike = ranking.teachers[0].student
    unordered = RankCorrelation(float("nan"), float("nan"), float("nan"), 0.95)
    none = Ranking(
        tuple(replace(each, student=alike) for each in ranking.teachers),
        dict.fromkeys(NAMES, unordered),
        {},
        {1.0: dict.fromkeys(NAMES, unordered)},
    )
    told = json.loads(json.dumps(as_json(none), allow_nan=False))
    assert told["correlations"]["calibration"] == {"value": None, "lower": None, "upper": None, "level": 0.95}
    assert told["within"]["1"]["calibration"]["value"] is None
    print_ranking(none)
    assert capsys.readouterr().out


def test_students_that_are_not_trained_leave_teachers_ranked_and_predictors_unjudged(sweep, ranking, tmp_path, capsys):
    others = read(tmp_path, sweep.runs, students=students(network={"kind": "mlp", "hidden": [5]}))
    found = rank(others)
    for each, expected in zip(found.teachers, ranking.teachers, strict=True):
        assert each == replace(expected, student=None)
    assert found.correlations == found.trained == found.within == {}
    assert all(entry["student"] is None for entry in as_json(found)["teachers"])
    print_ranking(found)
    shown = capsys.readouterr().out
    assert shown.count("not trained") == 6
    assert "fewer than three teachers have finished robust students" in shown


def test_students_that_are_half_finished_count_where_every_seed_is(sweep, ranking, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    for spec in sweep.needed.values():
        if not spec.listening or spec.listening.temperature == 1 or spec.order_seed == 0:
            (runs / spec.folder_name).symlink_to(sweep.runs / spec.folder_name)
    found = rank(replace(sweep, runs=runs))
    for each, expected in zip(found.teachers, ranking.teachers, strict=True):
        assert each == (expected if each.temperature == 1 else replace(expected, student=None))
    assert found.within == {1.0: ranking.within[1.0]}
    assert found.correlations == found.within[1.0]


def test_with_a_teacher_that_is_fixed_the_students_own_teacher_is_the_one_that_is_judged(sweep, tmp_path):
    fixed, alone = (
        rank(read(tmp_path, sweep.runs, **told)) for told in ({"teacher_seed": {"fixed": 1}}, {"seeds": [1]})
    )
    for one, other in zip(fixed.teachers, alone.teachers, strict=True):
        assert (one.teacher, one.temperature) == (other.teacher, other.temperature)
        assert astuple(one.predictors) == pytest.approx(astuple(other.predictors))


def test_students_that_are_not_robust_have_no_say(sweep, ranking, tmp_path):
    assert rank(read(tmp_path, sweep.runs, students=students(objectives=["standard", "robust"]))) == ranking


def test_without_robust_students_it_is_one_line(sweep, tmp_path):
    for changes in ({"students": students(objectives=["standard", "balanced"])}, {"students": None}):
        with pytest.raises(
            ValueError, match=r"^\S*recipe.yaml has no robust students of teachers, so there is nothing"
        ):
            rank(read(tmp_path, sweep.runs, **changes))


def test_teachers_that_are_not_trained_are_one_line(sweep, tmp_path):
    with pytest.raises(ValueError, match=r"digits-standard-s0: not the folder of a finished run$"):
        rank(replace(sweep, runs=tmp_path))


def test_there_are_words_for_every_predictor():
    assert tuple(WORDS) == NAMES


def test_a_search_that_has_not_ended_is_one_line(tmp_path, sweep):
    trial = read(tmp_path, sweep.runs, search={"epochs": 0.5, "keep": 0.5})
    assert trial.is_trial
    with pytest.raises(ValueError, match="has not ended its search; run it first"):
        rank(trial)
