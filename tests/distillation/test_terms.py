"""The terms of Theorem 2 from data: sums done by hand, dense oracles, and errors that stay below what is said."""

import math

import pytest
import torch
import torch.nn.functional as F

import evendistill as ed
from evendistill.distillation.terms import ASSUMED, Terms, terms
from evendistill.maths.bounds import estimation_error, loss_variance, robust_gap_bound


def problem(count, classes, seed=0):
    """Probabilities of a teacher, labels, and scores of a scorer that is another."""
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(2, count, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (count,), generator=generator)
    return both[0].softmax(dim=1), labels, both[0] + both[1]


@pytest.mark.parametrize("classes", [2, 64, 65, 150])  # beyond 64 they are taken some at a time
def test_the_variances_are_those_of_the_whole_table_at_once(classes):
    probabilities, labels, scores = problem(40, classes)
    losses = -scores.log_softmax(dim=1)
    found = terms(probabilities, labels, scores)
    torch.testing.assert_close(found.variance, loss_variance(probabilities, losses))
    torch.testing.assert_close(found.one_hot_variance, loss_variance(F.one_hot(labels, classes).double(), losses))
    assert found.loss_bound == pytest.approx(losses.max().item())
    assert found.estimation.shape == (classes,)
    mass = probabilities.mean(dim=0)
    risks = (probabilities * losses).mean(dim=0) / mass
    errors = 1.959964 * (probabilities * (losses - risks)).std(dim=0) / mass / math.sqrt(40)
    torch.testing.assert_close(found.estimation, errors, rtol=1e-6, atol=0)


@pytest.mark.parametrize("place", [0, 100, 149])
def test_the_largest_loss_may_lie_in_any_class(place):
    probabilities, labels, scores = problem(40, 150)
    scores[3, place] = -50.0
    assert terms(probabilities, labels, scores).loss_bound == pytest.approx(50 + scores[3].logsumexp(dim=0).item())


def test_one_hot_variances_done_by_hand():
    """Every loss is log 2: class 0 adds it in three of four examples, class 1 in one; products p l of the teacher."""
    found = terms(torch.full((4, 2), 0.5), torch.tensor([0, 0, 1, 0]), torch.zeros(4, 2))
    square = math.log(2) ** 2
    torch.testing.assert_close(found.one_hot_variance, torch.tensor([square / 4, square / 4]).double())
    assert found.variance.tolist() == pytest.approx([0, 0])
    assert found.estimation.tolist() == pytest.approx([0, 0])
    assert found.loss_bound == pytest.approx(math.log(2))


@pytest.mark.parametrize("level", [0.95, 0.7])
def test_the_error_of_a_sample_stays_below_what_is_said_at_the_level(level):
    probabilities, labels, scores = problem(1_000, 3)  # a finite population, whose risks are exact sums
    losses, generator = -scores.log_softmax(dim=1), torch.Generator().manual_seed(1)
    held = []
    for _ in range(400):
        sample = torch.randint(1_000, (250,), generator=generator)
        said = terms(probabilities[sample], labels[sample], scores[sample], level=level).estimation
        held.append(estimation_error(probabilities, losses, sample) <= said)
    assert torch.stack(held).double().mean(dim=0).tolist() == pytest.approx([level] * 3, abs=0.05)


def test_the_error_of_another_number_of_examples_goes_by_the_root():
    told = problem(60, 3)
    plain, larger, smaller = (terms(*told, train_size=size) for size in (None, 240, 15))
    assert (plain.train_size, larger.train_size, smaller.train_size) == (60, 240, 15)
    torch.testing.assert_close(larger.estimation, plain.estimation / 2)
    torch.testing.assert_close(smaller.estimation, plain.estimation * 2)
    for other in (larger, smaller):
        assert torch.equal(other.variance, plain.variance)
        assert torch.equal(other.one_hot_variance, plain.one_hot_variance)
    assert torch.equal(terms(*told, train_size=60).estimation, plain.estimation)


def test_a_higher_level_asks_for_more():
    told = problem(60, 3)
    half, usual = terms(*told, level=0.5), terms(*told)
    assert (usual.estimation / half.estimation).tolist() == pytest.approx([1.959964 / 0.674490] * 3)
    assert (half.level, usual.level) == (0.5, 0.95)


def test_the_bound_takes_each_maximum_by_itself():
    one = torch.ones(2)
    found = Terms(one, one, torch.tensor([0.5, 2.0]), loss_bound=3.0, train_size=9, level=0.95)
    assert found.bound(torch.tensor([0.5, 0.25])) == 3 * 0.5 + 2
    told = terms(*problem(60, 3))
    calibration = torch.tensor([0.1, 0.4, 0.2], dtype=torch.float64)
    assert told.bound(calibration) == pytest.approx(told.loss_bound * 0.4 + told.estimation.max().item())
    assert told.bound(calibration) == robust_gap_bound(calibration, told.estimation, told.loss_bound).item()
    assert told.bound(calibration.float()) == pytest.approx(told.bound(calibration), rel=1e-6)


def test_a_diagnosis_has_them_of_the_teacher_itself_or_of_the_scorer_that_is_told():
    probabilities, labels, scores = problem(60, 3)
    own = ed.diagnose(probabilities.log(), labels, temperature=2.0)
    soft = (probabilities.log() / 2).softmax(dim=1)
    for found, told in (
        (own, terms(soft, labels, soft.log())),
        (
            ed.diagnose(probabilities, labels, probabilities=True, scorer=scores, train_size=9, level=0.5),
            terms(probabilities, labels, scores, train_size=9, level=0.5),
        ),
    ):
        for name in ("variance", "one_hot_variance", "estimation"):
            torch.testing.assert_close(getattr(found.terms, name), getattr(told, name))
        assert found.terms.loss_bound == pytest.approx(told.loss_bound)
        assert (found.terms.train_size, found.terms.level) == (told.train_size, told.level)
        assert found.bound == pytest.approx(told.loss_bound * found.worst + told.estimation.max().item())


def test_the_inputs_are_not_changed_and_any_floating_type_will_do():
    told = problem(60, 70)
    before = [each.clone() for each in told]
    wide = terms(*told)
    assert all(torch.equal(one, two) for one, two in zip(before, told, strict=True))
    narrow = terms(told[0].float(), told[1], told[2].float())
    assert narrow.estimation.dtype == torch.float64
    torch.testing.assert_close(narrow.estimation, wide.estimation, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": torch.zeros(4, 2)}, r"scores of the scorer must be \(4, 3\), got \(4, 2\)"),
        ({"train_size": 0}, r"train_size must be positive and level in \(0, 1\), got 0 and 0.95"),
        ({"level": 0.0}, r"train_size must be positive and level in \(0, 1\), got 4 and 0.0"),
        ({"level": 1.0}, r"train_size must be positive and level in \(0, 1\), got 4 and 1.0"),
        ({"labels": torch.arange(3)}, r"teacher and losses must share one shape"),
    ],
)
def test_what_cannot_be_is_one_line(change, message):
    told = {"probabilities": torch.full((4, 3), 1 / 3), "labels": torch.arange(4) % 3, "scores": torch.zeros(4, 3)}
    with pytest.raises(ValueError, match=message):
        terms(**told | change)


def test_one_example_has_no_variance():
    with pytest.raises(ValueError, match="n >= 2"):
        terms(torch.full((1, 3), 1 / 3), torch.tensor([0]), torch.zeros(1, 3))


def test_what_is_assumed_is_said():
    assert len(ASSUMED) == 4
    assert any("no union over scorers" in each for each in ASSUMED)
