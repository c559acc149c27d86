"""What the numbers say in words, and what they do not."""

import pytest

from evendistill.experiments.derive import SMOKE_TRAINING
from evendistill.experiments.report.answer import answer
from evendistill.experiments.report.table import make_table, to_ship
from evendistill.experiments.report.verdict import verdict


@pytest.fixture
def said(finished_sweep, plain):
    """The verdict on students with these least recalls, first on validation, then on test."""

    def say(validation, test, **changes):
        def worst(told):
            return lambda spec: [1.0, told[spec.objective.name] if spec.role == "student" else 1.0]

        return verdict(make_table(finished_sweep(plain | changes, worst(validation), worst(test))))

    return say


def test_the_choice_is_set_against_standard_distillation(said):
    text = said({"standard": 0.1, "balanced": 0.3, "robust": 0.5}, {"standard": 0.2, "balanced": 0.3, "robust": 0.4})
    assert "Validation chose the robust, teacher-labelled student of a standard teacher" in text
    assert "worst-class accuracy 40.0 ± 0.0 % on test against 20.0 ± 0.0 % for standard distillation" in text
    assert "average accuracy of 70.0 ± 0.0 % against 60.0 ± 0.0 %" in text


def test_what_validation_promised_and_test_did_not_keep_is_said(said):
    text = said({"standard": 0.1, "balanced": 0.3, "robust": 0.5}, {"standard": 0.2, "balanced": 0.3, "robust": 0.4})
    assert "On validation it had 50.0 ± 0.0 %, so 10.0 points did not carry over to the test set" in text
    assert "the same examples moved the multipliers and made the choice" in text


def test_a_test_set_that_is_kinder_than_validation_is_said(said):
    text = said({"standard": 0.1, "balanced": 0.5, "robust": 0.3}, {"standard": 0.2, "balanced": 0.6, "robust": 0.4})
    assert "so 10.0 points were added on the test set." in text
    assert "moved the multipliers" not in text


def test_a_better_student_on_test_is_named_and_not_chosen(said):
    text = said({"standard": 0.1, "balanced": 0.5, "robust": 0.3}, {"standard": 0.2, "balanced": 0.3, "robust": 0.4})
    assert "Validation chose the balanced student" in text
    better = "On test the robust, teacher-labelled student of a standard teacher did better (40.0 ± 0.0 %)"
    assert better in text
    assert "validation did not say so" in text


def test_no_better_student_is_named_where_there_is_none_and_teachers_do_not_count(said):
    same = {"standard": 0.1, "balanced": 0.3, "robust": 0.5}
    assert "did better" not in said(same, same)


def test_standard_distillation_is_not_set_against_itself(said):
    same = {"standard": 0.5, "balanced": 0.3, "robust": 0.1}
    text = said(same, same)
    assert (
        "Validation chose the standard student of a standard teacher: worst-class accuracy 50.0 ± 0.0 % on test" in text
    )
    assert "against" not in text


def test_the_errors_are_limited_to_what_was_repeated(said):
    same = {"standard": 0.1, "balanced": 0.3, "robust": 0.5}
    assert "standard errors over 2 seeds of the training on one data set and one split" in said(same, same)
    assert "One seed of one data set: there is no error to report" in said(same, same, seeds=1)
    assert "±" not in said(same, same, seeds=1)


def test_without_students_there_is_nothing_to_choose(finished_sweep, plain):
    del plain["students"]
    assert verdict(make_table(finished_sweep(plain, lambda spec: [0.5]))) == "There are no students to choose from."


def test_a_student_without_a_teacher_that_is_better_in_both_is_named(finished_sweep, plain):
    plain["students"] |= {"alone": True}

    def say(alone):
        def test(spec):
            return alone if spec.role == "teacher" and spec.network.hidden == (4,) else [0.8, 0.4]

        return verdict(make_table(finished_sweep(plain, test)))

    better = "On test the standard student without a teacher has the better trade-off (45.0 ± 0.0 % and on average 62.5"
    assert better in say([0.8, 0.45])
    assert "the teacher does not pay" not in say([0.8, 0.4])
    assert "the teacher does not pay" not in say([0.5, 0.45])


def test_a_trial_says_that_it_fits_together_and_recommends_nobody(finished_sweep, plain):
    own = plain | {"name": "small-smoke"}  # of a user's own, which is no trial by its name alone
    assert make_table(finished_sweep(own, lambda spec: [0.9, 0.5])).selected is not None
    trial = own | {"training": plain.get("training", {}) | SMOKE_TRAINING}
    table = make_table(finished_sweep(trial, lambda spec: [0.9, 0.5]))
    assert table.selected is None
    assert verdict(table).startswith("It all fits together: 4 combinations went from the data to this report.")
    assert "no student is chosen" in verdict(table)
    assert to_ship(table) == "To train it in earnest, run the recipe without --smoke."
    assert "It all fits together</h2>" in answer(table)
