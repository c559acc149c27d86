"""What teachers share: their log-probabilities side by side, and folds with their share of every class."""

import pytest
import torch

from evendistill.distillation.folds import stratified_folds
from evendistill.distillation.reference import JOINT_PENALTY, cross_fitted, joint_reference, log_probabilities


def test_log_probabilities_are_those_of_scores_or_of_probabilities():
    scores = torch.randn(5, 3)
    logs = log_probabilities(scores, are_probabilities=False)
    assert logs.dtype == torch.float64
    torch.testing.assert_close(logs, scores.double().log_softmax(dim=1))
    torch.testing.assert_close(log_probabilities(logs.exp(), are_probabilities=True), logs)


def test_no_probability_is_below_a_millionth():
    """One zero of a file with four decimals would otherwise cost 708 nats and decide a ranking."""
    logs = log_probabilities(torch.eye(3), are_probabilities=True)
    assert logs.min().item() == pytest.approx(torch.tensor(1e-6, dtype=torch.float64).log().item())
    assert logs.max() == 0


def test_a_joint_reference_conditions_on_what_all_say():
    """Neither teacher knows the class; together they do."""
    labels = torch.arange(400) % 4
    one, two = (3.0 * torch.stack([bit == 0, bit == 1, bit == 0, bit == 1], dim=1) for bit in (labels % 2, labels // 2))
    two = two[:, [0, 2, 1, 3]]
    found = joint_reference([one, two], labels)
    assert (found.argmax(dim=1) == labels).all()
    logs = torch.cat([log_probabilities(each, are_probabilities=False) for each in (one, two)], dim=1)
    assert torch.equal(found, cross_fitted(logs, labels, penalty=JOINT_PENALTY))


def test_folds_hold_their_share_of_every_class():
    labels = torch.cat([torch.zeros(40), torch.ones(7), torch.full((2,), 2.0)]).long()
    fold = stratified_folds(labels, 5, seed=3)
    for label, least, most in ((0, 8, 8), (1, 1, 2), (2, 0, 1)):
        counts = fold[labels == label].bincount(minlength=5)
        assert (least, most) == (counts.min(), counts.max())
    assert torch.equal(fold, stratified_folds(labels, 5, seed=3))
    assert not torch.equal(fold, stratified_folds(labels, 5, seed=4))
