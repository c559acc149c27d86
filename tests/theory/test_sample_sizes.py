"""What the lemmas of the appendices ask of samples: the class priors in their denominators, and the variance."""

import math

import numpy as np
import torch
from hypothesis import find, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom
from torch import Tensor

from evendistill.maths.bounds import estimation_error, loss_variance
from evendistill.maths.losses import label_losses
from evendistill.maths.risks import class_risks


@st.composite
def samples(draw):
    """A teacher's share of one class and the loss at each of N points, and numbers of the points drawn."""
    points = draw(st.integers(1, 6))
    teacher, losses = (
        torch.from_numpy(draw(arrays(np.float64, (points, 1), elements=st.floats(0.02, 1)))) for _ in "ab"
    )
    return teacher, losses, torch.tensor(draw(st.lists(st.integers(0, points - 1), min_size=1, max_size=8)))


def parts(teacher: Tensor, losses: Tensor, sample: Tensor) -> Tensor:
    """How far numerator and denominator of the class risk are off, the latter times the largest loss."""
    numerator = (teacher * losses).mean(dim=0) - (teacher * losses)[sample].mean(dim=0)
    return numerator.abs() + losses.max() * (teacher.mean(dim=0) - teacher[sample].mean(dim=0)).abs()


def exceeds(case: tuple[Tensor, Tensor, Tensor], inverse_prior: float | Tensor) -> bool:
    return bool(estimation_error(*case) > inverse_prior * parts(*case) + 1e-9)


@given(samples())
def test_the_factor_of_lemma_3_is_one_over_the_least_prior(case):
    """Z at least 1 / pi: the error of a fraction is its parts' errors over the true denominator, at most."""
    assert not exceeds(case, 1 / case[0].mean(dim=0))


def test_the_printed_condition_on_z_is_the_wrong_way_round():
    """With pi at most 1 / Z, as printed, Z = 1 would always do; a search finds where it does not."""
    case = find(samples(), lambda case: exceeds(case, 1.0))
    assert exceeds(case, 1.0)
    assert case[0].mean() <= 1.0


def test_the_size_of_the_held_out_sample_keeps_half_of_every_prior():
    """n >= 8 Z log(2m / delta), by exact binomial sums: a class fails with delta / 2m, any class with delta / 2.

    The lemmas print "probability <= 1 - delta", where at least is meant: the probability is above it.
    """
    for classes, least_prior in ((2, 0.5), (10, 0.1), (10, 0.004), (100, 0.001)):
        for delta in (0.5, 0.1, 0.001):
            size = math.ceil(8 / least_prior * math.log(2 * classes / delta))
            missed = binom.cdf(math.floor(size * least_prior / 2), size, least_prior)
            assert missed <= delta / (2 * classes)
            assert 1 - classes * missed > 1 - delta


def test_an_eighth_of_that_size_is_too_small():
    size = math.ceil(1 / 0.004 * math.log(2 * 10 / 0.001))
    assert binom.cdf(math.floor(size * 0.004 / 2), size, 0.004) > 0.001 / 20


def test_a_risk_under_true_labels_counts_the_examples_of_its_class_alone():
    """As printed in the one-hot algorithm of appendix C, each class would be given the losses of all examples."""
    labels, losses = torch.tensor([0, 0, 0, 1, 2]), label_losses(torch.randn(5, 3, dtype=torch.float64))
    own, counts = losses[torch.arange(5), labels], labels.bincount()
    as_printed = own.sum() / counts
    meant = torch.stack([own[labels == label].mean() for label in range(3)])
    torch.testing.assert_close(class_risks(losses, labels), meant)
    torch.testing.assert_close((counts / 5).double() @ meant, own.mean())
    torch.testing.assert_close((counts / 5).double() @ as_printed, 3 * own.mean())
    assert (as_printed > meant).all()


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 5)), min_size=1, max_size=5))
def test_soft_labels_vary_less_than_labels_drawn_from_them(points):
    """Each point ten times, with the labels in their exact shares: the same class risk, and no less variance."""
    soft = torch.tensor([[tenths / 10] for tenths, _ in points for _ in range(10)], dtype=torch.float64)
    hard = torch.tensor([[float(i < tenths)] for tenths, _ in points for i in range(10)], dtype=torch.float64)
    losses = torch.tensor([[loss] for _, loss in points for _ in range(10)], dtype=torch.float64)
    torch.testing.assert_close((soft * losses).mean(), (hard * losses).mean())
    assert (loss_variance(soft, losses) <= loss_variance(hard, losses) + 1e-12).all()
    if losses.max() > 0.1:
        assert (loss_variance(soft, losses) < loss_variance(hard, losses)).all()
