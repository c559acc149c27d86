"""Networks of runs: freshly initialised, or finished in their folders."""

import math
from pathlib import Path

import torch
from torch import nn

from evendistill.data.datasets import Data
from evendistill.experiments.mends import AtSpec, MeanSpec, RefittedSpec
from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.spec import (
    ConvnetSpec,
    MlpSpec,
    NetworkSpec,
    OwnSpec,
    ResNetSpec,
    RunSpec,
    TimmSpec,
)
from evendistill.maths.simplex import are_probabilities
from evendistill.models.average import MeanOfProbabilities
from evendistill.models.convnet import convnet
from evendistill.models.inference import in_channels_last, scores_of_trial
from evendistill.models.mlp import mlp
from evendistill.models.own import from_path, from_timm
from evendistill.models.rescaled import Rescaled
from evendistill.models.resnet import cifar_resnet, resnet18
from evendistill.objectives.frontier import FrontierObjective, conditioned
from evendistill.training import randomness
from evendistill.training.folder import RunFolder

TRIED = 8  # examples that a network is tried on: one row of scores may sum to 1 by chance


def fresh_network(spec: RunSpec, data: Data) -> nn.Module:
    """A freshly initialised network; teacher and student of one seed do not start from the same weights.

    Raises:
        ValueError: if it cannot be made, cannot take the data, or gives other than one raw score a class.
    """
    seed = randomness.derive_seed(spec.initialisation_seed, spec.role, "initialisation")
    few = next(data.train.batches([torch.arange(min(TRIED, len(data.train)))])).cpu()
    with randomness.isolated(seed, torch.device("cpu")):
        network = in_channels_last(made(spec.network, data.num_classes, tuple(few.shape[1:])), few)
    scores = scores_of_trial(network, few, torch.device("cpu"))
    if scores.shape[1] != data.num_classes:
        raise ValueError(
            f"the network of kind {spec.network.kind} gives {scores.shape[1]} scores, there are {data.num_classes} "
            "classes"
        )
    if are_probabilities(scores):
        raise ValueError(
            f"the network of kind {spec.network.kind} gives probabilities: each row is positive and sums to 1; "
            "training wants raw scores (logits), so drop the softmax at its end"
        )
    return network


def network_to_train(spec: RunSpec, data: Data) -> nn.Module:
    """A fresh network, conditioned on its trade-offs if it is trained for several at once."""
    network = fresh_network(spec, data)
    if not isinstance(spec.objective, FrontierSpec):
        return network
    objective = FrontierObjective(spec.objective.alphas, by=spec.objective.by)
    return conditioned(network, next(data.train.batches([torch.arange(1)])).cpu(), objective)


def finished_network(spec: RunSpec, data: Data, runs: Path) -> nn.Module:
    """The network of a finished run, in eval mode.

    Raises:
        ValueError: if the run is not finished, or its file is damaged.
    """
    folder = RunFolder(runs / spec.folder_name)
    if not folder.finished:
        raise ValueError(f"{folder.path} is not trained yet; run the recipe first")
    return folder.load_model(_of_its_shape(spec, data, runs))


def _of_its_shape(spec: RunSpec, data: Data, runs: Path) -> nn.Module:
    """A network that the run's weights fit into; a mended one is made of its teachers."""
    if spec.mend is None:
        return network_to_train(spec, data)
    if isinstance(spec.mend, AtSpec) and not spec.mend.by_costs:
        return fresh_network(spec.trained, data)
    members = [finished_network(each, data, runs) for each in spec.inputs]
    match spec.mend:
        case MeanSpec():
            return MeanOfProbabilities(members)
        case RefittedSpec():
            return members[0]
        case _:
            return Rescaled.unchanged(members[0], data.num_classes)


def made(network: NetworkSpec, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """A network for inputs of this shape; a user's own is imported, and so is timm."""
    match network:
        case MlpSpec(hidden=hidden):
            return mlp(math.prod(shape), classes, hidden)
        case ConvnetSpec(width=width):
            return convnet(shape[0], classes, width)
        case ResNetSpec(depth=18, stem=stem):
            return resnet18(classes, stem or "imagenet", shape[0])
        case ResNetSpec(depth=depth):
            return cifar_resnet(depth, classes, shape[0])
        case OwnSpec(path=path, arguments=arguments):
            return from_path(path, classes, shape[0], arguments)
        case TimmSpec(name=name, arguments=arguments):
            return from_timm(name, classes, shape[0], arguments)
