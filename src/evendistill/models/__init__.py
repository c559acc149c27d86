"""Networks, and their scores over batches."""

from evendistill.models.convnet import convnet
from evendistill.models.mlp import mlp

__all__ = ["convnet", "mlp"]
