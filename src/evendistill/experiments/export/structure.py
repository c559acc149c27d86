"""How a network of a run is put together, as plain values, and a network put together so."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from torch import nn

from evendistill.experiments.networks import made
from evendistill.experiments.spec import NetworkSpec, RunSpec
from evendistill.models.average import AverageOfScores, MeanOfProbabilities
from evendistill.models.rescaled import Rescaled

NETWORKS: TypeAdapter[NetworkSpec] = TypeAdapter(NetworkSpec)
OTHERS = ("own", "timm")  # made by code that a folder from elsewhere must not choose


def structure(network: nn.Module, spec: RunSpec) -> dict[str, Any]:
    """The spec of the network, within what was made of it."""
    match network:
        case Rescaled(network=inner):
            return {"kind": "rescaled", "of": structure(inner, spec)}
        case AverageOfScores(networks=networks):
            return {"kind": "average-of-scores", "count": len(networks), "of": structure(networks[0], spec)}
        case MeanOfProbabilities(members=members):
            told = [structure(each, one) for each, one in zip(members, spec.inputs, strict=True)]
            return {"kind": "mean-of-probabilities", "of": told}
        case _:
            return NETWORKS.dump_python(spec.network, mode="json")


def put_together(told: Any, classes: int, shape: tuple[int, ...], other: Callable[[], nn.Module]) -> nn.Module:  # noqa: ANN401
    """A network of this structure, with weights to be loaded.

    Args:
        told: what :func:`structure` gave.
        classes: width of the scores.
        shape: of one input of the network.
        other: makes a network that is none of this package.

    Raises:
        ValueError: if there is no such structure.
    """
    match told:
        case {"kind": "rescaled", "of": inner}:
            return Rescaled.unchanged(put_together(inner, classes, shape, other), classes)
        case {"kind": "average-of-scores", "count": int(count), "of": inner}:
            member = put_together(inner, classes, shape, other)
            return AverageOfScores(member, [member.state_dict()] * count)
        case {"kind": "mean-of-probabilities", "of": [*members]}:
            return MeanOfProbabilities([put_together(each, classes, shape, other) for each in members])
        case {"kind": kind} if kind in OTHERS:
            return other()
        case _:
            return made(NETWORKS.validate_python(told), classes, shape)
