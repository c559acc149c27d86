"""What ``select`` says of a choice: on validation alone, and who pays for it."""

import json

import pytest

from evendistill.experiments.chosen import choice
from evendistill.experiments.report.terminal import print_choice
from evendistill.experiments.rules import BestRobust

VALIDATION = {"standard": [0.9, 0.2, None, 0.5], "balanced": [0.8, 0.3, None, 0.5], "robust": [0.7, 0.6, None, 0.5]}
NAMES = ("cat", "dog", "hen", "owl")


@pytest.fixture
def sweep(finished_sweep, plain):
    def make(validation=VALIDATION, **changes):
        def found(spec):
            recalls = validation[spec.objective.name]
            moved = (spec.order_seed - 0.5) / (100 if spec.objective.name == "standard" else 50)
            return [None if recall is None else recall + moved for recall in recalls]

        return finished_sweep(plain | changes, found, lambda spec: [0.1, 0.2, 0.3, 0.4])

    return make


def named(sweep):
    """Names as real runs keep them, in the file of the test split."""
    for path in sweep.runs.glob("*/test.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"class_names": NAMES}))


def test_who_gains_and_who_loses_is_said_from_validation(sweep, capsys):
    swept = sweep()
    named(swept)
    chosen = choice(swept, BestRobust())
    assert [each["class"] for each in chosen["classes"]] == ["cat", "dog", "owl"]
    assert [each["mean"] for each in chosen["classes"]] == pytest.approx([-0.2, 0.4, 0.0])
    print_choice(chosen)
    out = capsys.readouterr().out
    assert "on validation: Gains over standard distillation, beyond noise over seeds: class dog by 40.0 points." in out
    assert "on validation: Losses: class cat by 20.0 points." in out


def test_without_names_classes_are_numbers_and_no_test_result_is_needed(sweep):
    swept = sweep()
    for path in swept.runs.glob("*/test.json"):
        path.unlink()
    assert [each["class"] for each in choice(swept, BestRobust())["classes"]] == ["0", "1", "3"]


def test_one_seed_knows_no_noise_and_its_json_no_nan(sweep):
    chosen = choice(sweep(seeds=1), BestRobust())
    assert json.loads(json.dumps(chosen, allow_nan=False))["classes"][0]["lower"] is None
    assert "(one seed: noise is not known)" in chosen["classes_in_words"][0]


def test_standard_distillation_is_not_set_beside_itself(sweep):
    alike = VALIDATION | {"standard": [0.9, 0.8, None, 0.7]}
    chosen = choice(sweep(alike), BestRobust())
    assert (chosen["student"], chosen["classes"], chosen["classes_in_words"]) == ("standard", [], [])
