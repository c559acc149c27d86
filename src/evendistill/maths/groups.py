"""Groups beyond classes: a table of attributes by classes, of which plain classes are the one-row case."""

import torch
from torch import Tensor

from evendistill.maths.grouping import Grouping
from evendistill.maths.losses import as_distribution, at_least_float32
from evendistill.maths.risks import class_mass, class_risks


def table_shape(grouping: Grouping, num_classes: int, num_attributes: int) -> tuple[int, ...]:
    """Shape of the multipliers: ``(C,)`` for classes, ``(A, 1)`` for attributes, ``(A, C)`` for both crossed."""
    if grouping == "class":
        return (num_classes,)
    return (num_attributes, 1 if grouping == "attribute" else num_classes)


def group_numbers(labels: Tensor, attributes: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """``(B,)`` which entry of the flattened table each example belongs to, by its label and its attribute."""
    if len(shape) == 1 or attributes is None:
        return labels
    return attributes if shape[1] == 1 else attributes * shape[1] + labels


def group_mass(targets: Tensor, attributes: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    r"""How much each group weighs in the targets, in the shape of the table; 0 where it counts as absent.

    .. math:: M_{aj} = \sum_{b: a_b = a} t_{bj} \text{ (crossed)}, \qquad M_a = |\{b: a_b = a\}| \text{ (attributes)}

    A soft target spreads an example over classes, never over attributes: those are observed.

    Args:
        targets: ``(B, C)`` floating.
        attributes: ``(B,)`` integers below A; None for classes.
        shape: of the table, see :func:`table_shape`.
    """
    if len(shape) == 1 or attributes is None:
        return class_mass(targets)
    if shape[1] == 1:
        return attributes.bincount(minlength=shape[0]).to(at_least_float32(targets).dtype).unsqueeze(1)
    return torch.stack([class_mass(targets * _members(attributes, row, targets)) for row in range(shape[0])])


def group_risks(losses: Tensor, targets: Tensor, attributes: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    r"""Mean loss on each group, examples weighed by how much they belong to it, in the shape of the table.

    .. math::
        R_{aj} = \frac{\sum_{b: a_b = a} t_{bj}\, \ell_{bj}}{\sum_{b: a_b = a} t_{bj}} \text{ (crossed)}, \qquad
        R_a = \frac{\sum_{b: a_b = a} \sum_j t_{bj}\, \ell_{bj}}{|\{b: a_b = a\}|} \text{ (attributes)}

    With one attribute the first is :func:`evendistill.maths.risks.class_risks`, bit for bit. Ours: the papers know
    classes alone.

    Args:
        losses: ``(B, C)``, column j the loss against label j.
        targets: ``(B, C)`` distribution of each example, or ``(B,)`` integer labels.
        attributes: ``(B,)`` integers below A; None for classes.
        shape: of the table, see :func:`table_shape`.

    Returns:
        Risks in that shape, NaN for groups without mass.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    if len(shape) == 1 or attributes is None:
        return class_risks(losses, targets)
    rows = at_least_float32(as_distribution(targets, losses))
    if shape[1] == 1:
        lost = (rows * losses).sum(dim=1, keepdim=True)
        member = torch.nn.functional.one_hot(attributes, shape[0]).to(lost.dtype)
        mass = member.sum(dim=0)
        return ((member * lost).sum(dim=0) / mass.masked_fill(mass == 0, torch.nan)).unsqueeze(1)
    return torch.stack([class_risks(losses, rows * _members(attributes, row, rows)) for row in range(shape[0])])


def _members(attributes: Tensor, row: int, like: Tensor) -> Tensor:
    return (attributes == row).to(like.dtype).unsqueeze(1)
