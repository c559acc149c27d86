"""Networks, and their scores over batches."""

from evendistill.models.convnet import convnet
from evendistill.models.mlp import mlp
from evendistill.models.resnet import (
    cifar_resnet,
    resnet8,
    resnet18,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
)

__all__ = [
    "cifar_resnet",
    "convnet",
    "mlp",
    "resnet8",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet110",
]
