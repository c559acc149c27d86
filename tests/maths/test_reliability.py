"""Bins of a class's probability against a naive count, and the lower bound against truth that is known."""

import numpy as np
import pytest
import torch

from evendistill.maths.calibration import calibration_error
from evendistill.maths.reliability import binned_calibration, reliability, resampled_calibration


def world(count, *, sharpness=1.0, seed=0):
    """Examples whose conditional is known: (probabilities of a teacher, conditional, labels)."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, 4, generator=generator, dtype=torch.float64) * 1.5 - torch.arange(4)
    conditional = scores.softmax(dim=1)
    labels = torch.multinomial(conditional, 1, generator=generator).squeeze(1)
    return (sharpness * scores).softmax(dim=1), conditional, labels


def test_bins_are_what_a_loop_counts():
    probabilities, _, labels = world(103)
    found = reliability(probabilities, labels, bins=7)
    for label in range(4):
        column = probabilities[:, label].numpy()
        ordered = np.sort(column)
        cuts = [ordered[number * 103 // 7] for number in range(1, 7)]
        place = np.array([sum(value >= cut for cut in cuts) for value in column])
        for number in range(7):
            inside = place == number
            assert found.count[number, label] == inside.sum()
            assert found.confidence[number, label].item() == pytest.approx(column[inside].mean())
            assert found.spread[number, label].item() == pytest.approx(column[inside].var(), abs=1e-15)
            assert found.frequency[number, label].item() == pytest.approx((labels.numpy()[inside] == label).mean())


def test_marginals_priors_and_class_wise_error_follow_from_the_bins():
    probabilities, _, labels = world(500)
    found = reliability(probabilities, labels)
    torch.testing.assert_close(found.marginals, probabilities.mean(dim=0))
    torch.testing.assert_close(found.priors, labels.bincount().double() / 500)
    by_hand = (found.count / 500 * (found.confidence - found.frequency).abs()).sum(dim=0)
    torch.testing.assert_close(found.expected_error, by_hand)


def test_classes_are_binned_alike_however_many_are_taken_at_once():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(300, 130, generator=generator).softmax(dim=1)
    labels = torch.arange(300) % 130
    whole, last = reliability(probabilities, labels), reliability(probabilities[:, 128:], labels - 128)
    torch.testing.assert_close(whole.confidence[:, 128:], last.confidence)
    torch.testing.assert_close(whole.frequency[:, 128:], last.frequency)


def test_equal_probabilities_share_a_bin():
    found = reliability(torch.full((40, 2), 0.5), torch.arange(40) % 2, bins=5)
    assert (found.count > 0).sum(dim=0).tolist() == [1, 1]
    assert binned_calibration(found).tolist() == [0, 0]


@pytest.mark.parametrize("sharpness", [1.0, 2.0, 0.5])
def test_with_many_examples_it_is_the_truth_where_the_own_score_tells_all(sharpness):
    # two classes: the own score and the conditional determine one another, so the bound is tight
    generator = torch.Generator().manual_seed(1)
    logit = torch.randn(200_000, generator=generator, dtype=torch.float64) - 1
    conditional = torch.stack([-logit, logit], dim=1).softmax(dim=1)
    labels = (torch.rand(200_000, generator=generator, dtype=torch.float64) < conditional[:, 1]).long()
    teacher = (torch.stack([-logit, logit], dim=1) * sharpness).softmax(dim=1)
    truth = calibration_error(teacher, conditional)
    found = binned_calibration(reliability(teacher, labels, bins=50))
    torch.testing.assert_close(found, truth, atol=0.02, rtol=0)


def test_it_never_exceeds_the_truth_by_more_than_noise():
    for sharpness in (0.5, 1.0, 3.0):
        teacher, conditional, labels = world(20_000, sharpness=sharpness)
        found = binned_calibration(reliability(teacher, labels))
        assert bool((found <= calibration_error(teacher, conditional) + 0.06).all())


def test_a_blind_teacher_has_a_bound_of_zero_though_its_error_is_large():
    _, conditional, labels = world(5_000)
    blind = conditional.mean(dim=0).expand_as(conditional)
    assert binned_calibration(reliability(blind, labels)).max() == 0
    assert calibration_error(blind, conditional).min() > 0.5


def test_taking_the_noise_out_brings_a_calibrated_teacher_nearer_to_zero():
    plain, debiased = [], []
    for seed in range(20):
        teacher, _, labels = world(400, seed=seed)
        found = reliability(teacher, labels)
        plain.append(binned_calibration(found, debiased=False).mean().item())
        debiased.append(binned_calibration(found).mean().item())
    assert np.mean(debiased) < 0.6 * np.mean(plain)


def test_the_interval_holds_the_bound_about_as_often_as_it_says():
    truth = binned_calibration(reliability(*world(400_000, sharpness=2.0)[::2]))
    held = []
    for seed in range(40):
        teacher, _, labels = world(2_000, sharpness=2.0, seed=100 + seed)
        generator = torch.Generator().manual_seed(seed)
        told = {"level": 0.9, "replicates": 100, "generator": generator}
        lower, upper = resampled_calibration(reliability(teacher, labels), **told)
        held.append(((lower <= truth) & (truth <= upper)).double().mean().item())
    assert 0.75 < np.mean(held) <= 1


def test_what_is_out_of_range_is_refused():
    teacher, _, labels = world(50)
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        reliability(teacher, labels, bins=0)
    found, generator = reliability(teacher, labels), torch.Generator()
    with pytest.raises(ValueError, match="level must lie"):
        resampled_calibration(found, level=1.0, replicates=10, generator=generator)
    with pytest.raises(ValueError, match="replicates be at least 2"):
        resampled_calibration(found, level=0.9, replicates=1, generator=generator)
