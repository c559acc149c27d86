"""A finished teacher mended on held-out examples: its scores rescaled class by class, or its last layer fitted anew."""

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.fitting import minimise
from evendistill.distillation.folds import halves
from evendistill.maths.metrics import class_counts
from evendistill.maths.risks import class_errors
from evendistill.objectives.multipliers import Multipliers
from evendistill.objectives.tradeoff import TradeOff, trade_off_log_costs

STEPS = 200


def vector_scaling(
    scores: Tensor, labels: Tensor, *, shifted: bool = True, penalty: float = 1e-3
) -> tuple[Tensor, Tensor]:
    r"""A factor and a shift for each class, by the log-likelihood of held-out labels.

    .. math:: \min_{a > 0,\, b} \; \frac{1}{N} \sum_i -\log \mathrm{softmax}_{y_i}(a \odot f(x_i) + b)
              + \rho \left(\|\log a\|^2 + \|b\|^2\right)

    Source: Guo et al. 2017 (vector scaling); factors kept positive, and the penalty towards no change, are ours.

    Args:
        scores: ``(N, C)`` raw scores.
        labels: ``(N,)`` true labels.
        shifted: whether there are shifts; without them each class has a temperature 1/a of its own and nothing else.
        penalty: rho.

    Returns:
        a and b, ``(C,)`` each, in float64.

    Raises:
        ValueError: if shapes do not fit, a label is out of range or a score is NaN; names the first row.
    """
    scores, labels = _checked(scores, labels)
    log_scale = torch.zeros(scores.shape[1], dtype=torch.float64, requires_grad=True)
    shift = torch.zeros_like(log_scale, requires_grad=shifted)

    def loss() -> Tensor:
        moved = scores * log_scale.exp() + shift
        return F.cross_entropy(moved, labels) + penalty * (log_scale.square().sum() + shift.square().sum())

    minimise([log_scale, *([shift] if shifted else [])], loss, steps=STEPS)
    return log_scale.detach().exp(), shift.detach()


def adjusted(
    scores: Tensor, labels: Tensor, log_priors: Tensor, *, alpha: float, rounds: int = 1000, step_size: float = 0.1
) -> Tensor:
    r"""Log costs that turn a standard teacher's scores into those of trade-off alpha, by Theorem 1, without training.

    .. math:: f_y(x) \mapsto f_y(x) + \log\left(\frac{1 - \alpha}{m} + \alpha \lambda_y\right) - \log \pi_y

    The multipliers follow the held-out errors of the adjusted scores, as Algorithm 2 does; those of the result are the
    mean over all rounds, since the last ones circle. At alpha 0 it is plain logit adjustment.

    Source: Wang et al. 2023, Theorem 1 and Algorithm 2; as a mend of a finished teacher it is ours.

    Args:
        scores: ``(N, C)`` raw scores of a standard teacher.
        labels: ``(N,)`` true labels.
        log_priors: ``(C,)`` log of its training priors.
        alpha: in [0, 1].
        rounds: of the multipliers.
        step_size: of the multipliers, before Algorithm 2 multiplies it by alpha.

    Returns:
        ``(C,)`` with mean zero.

    Raises:
        ValueError: as :func:`vector_scaling` does, or if alpha is out of range.
    """
    scores, labels = _checked(scores, labels)
    TradeOff(alpha)
    log_priors = log_priors.double()
    multipliers = Multipliers(scores.shape[1], step_size).double()
    mean = torch.zeros_like(multipliers.weights)
    for _ in range(rounds if alpha else 1):
        mean += multipliers.weights
        costs = trade_off_log_costs(multipliers.log_weights, log_priors, alpha=alpha)
        multipliers.ascend(class_errors(scores + costs, labels), scale=alpha)
    return trade_off_log_costs((mean / mean.sum()).log(), log_priors, alpha=alpha)


def refitted(
    features: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    alpha: float,
    rounds: int = 50,
    penalty: float = 1e-3,
    seed: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """A last layer fitted anew to trade-off alpha on held-out examples, near the one that is there.

    One half of each class descends, the other moves the multipliers, so that no example judges what it taught.

    Source: Wang et al. 2023, future work; the procedure is ours.

    Args:
        features: ``(N, K)`` that go into the layer.
        labels: ``(N,)`` true labels; two of each class at least.
        weight: ``(C, K)`` of the layer.
        bias: ``(C,)`` of the layer, or None if it has none.
        alpha: in [0, 1].
        rounds: of the game; each moves the multipliers once and then descends a few steps.
        penalty: of the squared change of the weights.
        seed: draws the halves.

    Returns:
        Weight and bias in float64.

    Raises:
        ValueError: if a class has fewer than two examples, naming it, or alpha is out of range.
    """
    features, classes = features.double(), len(weight)
    counts = labels.bincount(minlength=classes)
    if int(counts.min()) < 2:
        raise ValueError(
            f"class {int(counts.argmin())} has {int(counts.min())} held-out examples; a new last layer needs two"
        )
    learns, judges = halves(labels, seed)
    old = [part.detach().double() for part in (weight, *([] if bias is None else [bias]))]
    new = [part.clone().requires_grad_() for part in old]
    log_priors = (labels[learns].bincount(minlength=classes).double() / len(learns)).log()
    objective = TradeOff(alpha).bind(log_priors, step_size=0.1).double()

    def loss() -> Tensor:
        change = sum((ours - theirs).square().sum() for ours, theirs in zip(new, old, strict=True))
        return objective(F.linear(features[learns], *new), labels[learns]) + penalty * change

    for _ in range(rounds if alpha else 1):
        with torch.no_grad():
            objective.ascend(class_errors(F.linear(features[judges], *new), labels[judges]))
        minimise(new, loss, steps=10 if alpha else STEPS)
    return new[0].detach(), new[1].detach() if bias is not None else None


def _checked(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    scores, labels = torch.as_tensor(scores).double(), torch.as_tensor(labels).long()
    class_counts(scores, labels)  # refuses what does not fit, and NaN
    return scores, labels
