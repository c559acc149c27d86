"""What the adversary sees: errors of the current network on each class or group of held-out examples."""

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.maths.groups import group_risks
from evendistill.maths.losses import label_losses
from evendistill.maths.risks import label_errors
from evendistill.models.inference import scores_at
from evendistill.models.ranks import Ranks

EVALUATION_BATCH = 256  # what fits the caches of a CPU core; a GPU hardly minds


class HeldOut:
    """Validation examples with the targets that they count as.

    Args:
        examples: the validation set.
        targets: ``(M, C)`` distributions or ``(M,)`` labels, on the device of the scores.
        attributes: ``(M,)`` on the same device, where groups are not classes.
        shape: of the multipliers of one objective.
        heads: K, how many objectives there are scores for.
        most: examples looked at in one move; more of them are thinned to a fresh random subset each time.
        gain: "zero_one" or "cross_entropy".
        device: where the network is.
        bf16: compute under bfloat16 autocast.
        ranks: who shares the work.
    """

    def __init__(
        self,
        examples: Examples,
        targets: Tensor,
        *,
        attributes: Tensor | None = None,
        shape: tuple[int, ...],
        heads: int = 1,
        most: int,
        gain: str,
        device: torch.device,
        bf16: bool = False,
        ranks: Ranks = Ranks(),  # noqa: B008 - frozen
    ) -> None:
        self._examples = examples
        self._targets = targets
        self._most = most
        self._attributes = attributes
        self._shape = shape
        self._heads = heads
        self._losses = label_errors if gain == "zero_one" else label_losses
        self._device = device
        self._bf16 = bf16
        self._ranks = ranks

    def gains(self, network: nn.Module, generator: torch.Generator) -> Tensor:
        """``(K G,)`` errors of the raw scores on each group, network in eval mode; NaN for groups without mass."""
        count = len(self._examples)
        rows = torch.arange(count)
        targets, attributes = self._targets, self._attributes
        if count > self._most:
            rows = torch.randperm(count, generator=generator)[: self._most].sort().values
            there = rows.to(targets.device, non_blocking=True)
            targets, attributes = targets[there], None if attributes is None else attributes[there]
        self._ranks.share_buffers(network)
        scores = scores_at(
            network,
            rows,
            self._examples.batches,
            batch_size=EVALUATION_BATCH,
            device=self._device,
            bf16=self._bf16,
            ranks=self._ranks,
        )
        parts = [self._losses(part) for part in scores.chunk(self._heads, dim=1)]
        return torch.cat([group_risks(part, targets, attributes, self._shape).flatten() for part in parts])
