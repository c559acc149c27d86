"""What the numbers say in words, and what they do not."""

import pytest

from evendistill.experiments.derive import SMOKE_TRAINING
from evendistill.experiments.report.answer import answer
from evendistill.experiments.report.claims import claims
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
    assert "On validation the choice had 50.0 ± 0.0 %, so 10.0 points did not carry over to the test set" in text
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
            return alone if is_alone(spec) else [0.8, 0.4]

        return verdict(make_table(finished_sweep(plain, lambda spec: [0.8, 0.3 if is_alone(spec) else 0.4], test)))

    better = "On test the standard student without a teacher has the better trade-off (45.0 ± 0.0 % and on average 62.5"
    assert better in say([0.8, 0.45])
    assert "the teacher does not pay" not in say([0.8, 0.4])
    assert "the teacher does not pay" not in say([0.5, 0.45])


@pytest.mark.parametrize("teacher", [[0.8, 0.5], [0.7, 0.4], [0.9, 0.3]])
def test_a_teacher_that_beats_the_student_in_both_accuracies_is_named(finished_sweep, plain, teacher):
    def test(spec):
        return [0.8, 0.4] if spec.role == "student" else teacher

    table = make_table(finished_sweep(plain, lambda spec: [0.8, 0.4], test))
    said = (
        "On test its own teacher beats the chosen student in both accuracies (50.0 ± 0.0 % and on average 65.0 ± 0.0 "
        "%): the student pays only where it costs less to run."
    )
    for text in (verdict(table), answer(table)):
        assert (said in text) is (teacher == [0.8, 0.5])
        assert ("beats the chosen" in text) is (teacher == [0.8, 0.5])


def is_alone(spec):
    return spec.role == "teacher" and spec.network.hidden == (4,)


def test_a_better_student_that_the_rule_passed_over_for_its_average_is_said_to_be_just_that(finished_sweep, plain):
    recalls = {"standard": [1.0, 0.1], "balanced": [0.9, 0.3], "robust": [0.5, 0.4]}

    def found(spec):
        return recalls[spec.objective.name] if spec.role == "student" else [1.0, 1.0]

    text = verdict(make_table(finished_sweep(plain | {"selection": {"rule": "paper"}}, found)))
    assert "Validation chose the balanced student" in text
    assert "did better (40.0 ± 0.0 %), and on validation, too (40.0 ± 0.0 %); the rule passed it over" in text
    assert "for its average accuracy there, 45.0 ± 0.0 % against 60.0 ± 0.0 %." in text
    assert "validation did not say so" not in text


@pytest.mark.parametrize("rule", ["best-robust", "paper"])
def test_what_the_rule_would_rather_choose_is_named_first_and_not_chosen(finished_sweep, plain, rule):
    plain["students"] |= {"alone": True}

    def found(spec):
        return [0.8, 0.6 if spec.objective.name == "robust" else 0.5] if is_alone(spec) else [0.8, 0.4]

    table = make_table(finished_sweep(plain | {"selection": {"rule": rule}}, found))
    assert [row.title for row in table.rivals] == ["robust student without a teacher"]
    assert table.selected is not None
    assert table.selected.teacher == "standard"
    text = verdict(table)
    said = (
        "By the same rule on validation the robust student without a teacher comes first: there 60.0 ± 0.0 % (average "
        "70.0 ± 0.0 %), the choice 40.0 ± 0.0 % (average 60.0 ± 0.0 %); on test 60.0 ± 0.0 % (average 70.0 ± 0.0 %). "
        "Here the teacher does not pay."
    )
    assert said in text
    assert f"what comes before them can be shipped, too: {table.rivals[0].folders[0]}." in text
    assert to_ship(table).startswith("To ship, of the distilled students: ")
    assert text.count("the teacher does not pay") == 1
    assert f"Of the distilled students, ship the {table.selected.title}</h2>" in answer(table)
    assert said in answer(table)
    assert "put before it by the rule: robust student without a teacher" in answer(table)


def test_a_student_without_a_teacher_is_named_behind_a_baseline_that_comes_first(finished_sweep, plain):
    plain["students"] |= {"alone": True}
    plain["baselines"] = ["reweighted"]

    def found(spec):
        if spec.objective.form == "weighted":
            return [0.8, 0.7]
        return [0.9, 0.6 if spec.objective.name == "robust" else 0.5] if is_alone(spec) else [0.8, 0.4]

    table = make_table(finished_sweep(plain, found))
    assert [row.teacher for row in table.rivals] == ["none", "none"]
    assert [row.student for row in table.rivals] == ["reweighted", "robust"]
    text = verdict(table)
    assert "comes first: there 70.0" in text
    assert "The robust student without a teacher comes before the choice, too: 60.0" in text
    assert text.count("Here the teacher does not pay.") == 1
    assert all(row.folders[0] in text for row in table.rivals)
    assert answer(table).count("put before it by the rule") == 2
    assert any("robust student without a teacher" in claim.evidence for claim in claims(table))


def test_a_student_that_never_recognises_its_worst_class_is_nobody_to_ship(finished_sweep, plain):
    table = make_table(finished_sweep(plain, lambda spec: [0.9, 0.0]))
    assert to_ship(table).startswith("Not to ship yet: on validation it never recognises its worst class.")
    assert "No student to ship yet: the " in answer(table)
    assert to_ship(make_table(finished_sweep(plain, lambda spec: [0.9, 0.01]))).startswith("To ship: ")


def test_a_trial_says_that_it_fits_together_and_recommends_nobody(finished_sweep, plain):
    own = plain | {"name": "small-smoke"}  # of a user's own, which is no trial by its name alone
    assert make_table(finished_sweep(own, lambda spec: [0.9, 0.5])).selected is not None
    trial = own | {"training": plain.get("training", {}) | SMOKE_TRAINING}
    table = make_table(finished_sweep(trial, lambda spec: [0.9, 0.5]))
    assert table.selected is None
    assert verdict(table).startswith("It all fits together: 4 combinations went all the way to this report.")
    assert "no student is chosen" in verdict(table)
    assert to_ship(table) == "To train it in earnest, run the recipe without --smoke."
    assert "It all fits together</h2>" in answer(table)
