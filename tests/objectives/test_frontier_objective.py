"""Several trade-offs at once: the mean of their losses, and multipliers that do not see one another."""

import pytest
import torch

from evendistill.maths.losses import margin_loss
from evendistill.objectives.frontier import FrontierObjective, conditioned
from evendistill.objectives.tradeoff import TradeOff

PRIORS = torch.tensor([0.7, 0.2, 0.1])
ALPHAS = (0.0, 0.3, 1.0)


def bound(alphas=ALPHAS, priors=PRIORS, **told):
    return FrontierObjective(alphas, **told).bind(priors.log(), step_size=0.5)


def alone(alpha, priors=PRIORS, **told):
    return TradeOff(alpha, **told).bind(priors.log(), step_size=0.5)


@pytest.mark.parametrize("base", ["balanced", "standard"])
@pytest.mark.parametrize("targets", [torch.rand(8, 3).softmax(dim=1), torch.arange(8) % 3], ids=["soft", "labels"])
def test_it_is_the_mean_of_the_trade_offs_and_each_ascends_by_its_own_errors(base, targets):
    frontier, members = bound(base=base), [alone(alpha, base=base) for alpha in ALPHAS]
    assert frontier.heads == 3
    for errors in torch.rand(4, 9):
        scores = torch.randn(8, 9)
        expected = [member(part, targets) for member, part in zip(members, scores.chunk(3, dim=1), strict=True)]
        torch.testing.assert_close(frontier(scores, targets), torch.stack(expected).mean())
        frontier.ascend(errors)
        for member, part in zip(members, errors.chunk(3), strict=True):
            member.ascend(part)
    assert torch.equal(frontier.weights, torch.cat([member.weights for member in members]))
    first, middle, last = frontier.weights.chunk(3)
    assert first.tolist() == pytest.approx([1 / 3] * 3)  # alpha 0 has no adversary
    assert not torch.allclose(middle, last)


def test_of_one_alpha_it_is_the_trade_off_bit_for_bit():
    frontier, member = bound((0.3,)), alone(0.3)
    for errors in torch.rand(5, 3):
        scores, targets = torch.randn(64, 3), torch.rand(64, 3).softmax(dim=1)
        assert torch.equal(frontier(scores, targets), member(scores, targets))
        frontier.ascend(errors)
        member.ascend(errors)
        assert torch.equal(frontier.weights, member.weights)


def test_rows_of_the_batch_do_not_mix():
    scores, targets = torch.randn(5, 9), torch.rand(5, 3).softmax(dim=1)
    frontier = bound()
    each = [frontier(scores[row : row + 1], targets[row : row + 1]) for row in range(5)]
    torch.testing.assert_close(frontier(scores, targets), torch.stack(each).mean())


def test_groups_are_classes_of_attributes():
    priors = torch.tensor([[0.4, 0.1, 0.1], [0.2, 0.1, 0.1]])
    frontier, members = bound(priors=priors), [alone(alpha, priors) for alpha in ALPHAS]
    errors, scores, labels, attributes = torch.rand(18), torch.randn(8, 9), torch.arange(8) % 3, torch.arange(8) % 2
    frontier.ascend(errors)
    expected = []
    for member, part, own in zip(members, scores.chunk(3, dim=1), errors.chunk(3), strict=True):
        member.ascend(own)
        expected.append(member(part, labels, None, attributes))
    torch.testing.assert_close(frontier(scores, labels, None, attributes), torch.stack(expected).mean())
    with pytest.raises(ValueError, match="needs the attributes"):
        frontier(scores, labels)


def test_everything_that_moves_is_in_its_state():
    one, other = bound(), bound()
    one.ascend(torch.rand(9))
    other.load_state_dict(one.state_dict())
    scores, targets = torch.randn(8, 9), torch.arange(8) % 3
    assert torch.equal(one(scores, targets), other(scores, targets))
    one.ascend(torch.full((9,), 0.2))
    other.ascend(torch.full((9,), 0.2))
    assert torch.equal(one.weights, other.weights)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"alphas": ()}, r"alphas must rise, got \(\)"),
        ({"alphas": (0.5, 0.5)}, r"alphas must rise, got \(0.5, 0.5\)"),
        ({"alphas": (1, 0)}, r"alphas must rise, got \(1.0, 0.0\)"),
        ({"alphas": (0, 1.5)}, r"alpha must lie in \[0, 1\], got 1.5"),
        ({"by": "head"}, "by must be one of 'scale-and-bias', 'scale', 'bias', 'layer', 'film', got 'head'"),
        ({"base": "even"}, "base must be"),
    ],
)
def test_what_makes_no_sense_is_refused(told, message):
    with pytest.raises(ValueError, match=message):
        FrontierObjective(**told)


def test_a_network_without_a_last_linear_layer_is_named():
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh())
    with pytest.raises(ValueError, match="no linear layer of Sequential gives its scores"):
        conditioned(network, torch.randn(2, 4), FrontierObjective())
    assert conditioned(network, torch.randn(2, 4), FrontierObjective((0.5,))).alphas == (0.5,)


def test_alpha_zero_alone_has_no_adversary():
    assert not FrontierObjective((0,)).is_adversarial
    assert not bound((0,)).is_adversarial
    assert bound((0, 0.5)).is_adversarial


def test_the_loss_is_the_margin_loss_under_the_costs_that_it_shows():
    frontier = bound()
    frontier.ascend(torch.rand(9))
    scores, targets = torch.randn(8, 9), torch.rand(8, 3).softmax(dim=1)
    parts = zip(scores.chunk(3, dim=1), frontier.log_costs, strict=True)
    expected = torch.stack([margin_loss(part, targets, log_costs=costs) for part, costs in parts]).mean()
    torch.testing.assert_close(frontier(scores, targets), expected)
