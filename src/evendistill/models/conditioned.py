"""One network for several trade-offs: all features are shared, and the last layer is conditioned on each trade-off."""

import copy
import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Conditioning = Literal["scale-and-bias", "scale", "bias", "layer", "film"]


class Conditioned(nn.Module):
    r"""A network whose last linear layer is a different one for each of K trade-offs.

    .. math:: f_k(x) = W (s_k \odot \varphi(x)) + b + t_k, \qquad s_k = 1 + \sqrt{K} g_k, \quad t_k = \sqrt{K} u_k

    W, b and the features are shared; g and u start at zero, so all trade-offs begin as one. Under a mean of K losses
    the root lets what belongs to one trade-off move as fast as in a training of its own. ``"layer"`` gives each
    trade-off a layer of its own, as a difference from the shared one. Of one trade-off there is nothing to tell apart,
    and the network stays as it is.

    Source: ours. Networks conditioned on their loss: Dosovitskiy and Djolonga 2020; a scale and a shift of features:
    Perez et al. 2018 (FiLM).

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``; shared with the caller.
        head: name of the linear layer whose output is the scores, see :func:`evendistill.models.head.head_of`.
        alphas: the K trade-offs, rising.
        by: what is a trade-off's own of the last layer; ``"film"`` is :class:`evendistill.models.film.Modulated`.

    Raises:
        TypeError: if ``head`` is not a linear layer where there are several trade-offs.
    """

    _features: Tensor

    def __init__(
        self, network: nn.Module, head: str, alphas: Sequence[float], *, by: Conditioning = "scale-and-bias"
    ) -> None:
        super().__init__()
        self.network, self.head, self.alphas, self.by = network, head, tuple(alphas), by
        count = len(self.alphas)
        self._speed = math.sqrt(count)
        if count == 1:
            return
        layer = self._layer
        classes, width = layer.out_features, layer.in_features
        if by == "layer":
            self.own_weight = nn.Parameter(layer.weight.new_zeros(count, classes, width))
        if by in ("scale", "scale-and-bias"):
            self.own_scale = nn.Parameter(layer.weight.new_zeros(count, 1, width))
        if by != "scale":
            self.own_bias = nn.Parameter(layer.weight.new_zeros(count, classes))
        self._hooks = self._hooked()  # they stay: a graph can be compiled through them

    @property
    def _layer(self) -> nn.Linear:
        layer = self.network.get_submodule(self.head)
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{self.head} is not a linear layer")
        return layer

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores of every trade-off side by side, ``(B, K C)``."""
        scores = self.network(inputs)
        if len(self.alphas) == 1:
            return scores
        if self.by == "bias":  # of one product, K sums
            return (scores.unsqueeze(1) + self._speed * self.own_bias).flatten(1)
        weights, biases = self._layers()
        scores = F.linear(self._features, weights.flatten(0, 1), biases.flatten())
        del self._features  # they hold the graph of this step, which must not outlive it
        return scores

    def at(self, alpha: float) -> nn.Module:
        """The network of one trade-off: a copy without a trace of the others, in eval mode.

        Between two trade-offs that were trained, weights and bias of the last layer are interpolated linearly.

        Raises:
            ValueError: if ``alpha`` lies outside of what was trained.
        """
        if not self.alphas[0] <= alpha <= self.alphas[-1]:
            raise ValueError(f"alpha must lie in [{self.alphas[0]:g}, {self.alphas[-1]:g}], got {alpha}")
        network = self._copied()
        if len(self.alphas) > 1:
            self._write(network, alpha)
        return network.eval()

    def _write(self, network: nn.Module, alpha: float) -> None:
        """Make a plain copy the network of one trade-off."""
        layer = network.get_submodule(self.head)
        weights, biases = (each.detach() for each in self._layers())
        layer.weight = nn.Parameter(self._between(weights, alpha))
        if layer.bias is not None or self.by != "scale":  # a layer that had none gets one, where that is its own part
            layer.bias = nn.Parameter(self._between(biases, alpha))

    def _layers(self) -> tuple[Tensor, Tensor]:
        """Weights ``(K, C, D)`` and biases ``(K, C)`` of every trade-off."""
        layer, count = self._layer, len(self.alphas)
        weights = layer.weight.expand(count, -1, -1)
        biases = (
            layer.weight.new_zeros(count, layer.out_features) if layer.bias is None else layer.bias.expand(count, -1)
        )
        if self.by == "layer":
            weights = weights + self._speed * self.own_weight
        if self.by in ("scale", "scale-and-bias"):
            weights = weights * (1 + self._speed * self.own_scale)
        return weights, biases if self.by == "scale" else biases + self._speed * self.own_bias

    def _between(self, values: Tensor, alpha: float) -> Tensor:
        above = bisect_left(self.alphas, alpha)
        if self.alphas[above] == alpha:
            return values[above].clone()
        low, high = self.alphas[above - 1], self.alphas[above]
        return torch.lerp(values[above - 1], values[above], (alpha - low) / (high - low))

    def _copied(self) -> nn.Module:
        if len(self.alphas) == 1:
            return copy.deepcopy(self.network)
        self.detach()
        try:
            return copy.deepcopy(self.network)
        finally:
            self._hooks = self._hooked()

    def detach(self) -> None:
        """Leave the network as it was given."""
        for hook in self._hooks:
            hook.remove()

    def _hooked(self) -> list[RemovableHandle]:
        return [] if self.by == "bias" else [self._layer.register_forward_pre_hook(self._keep)]

    def _keep(self, layer: nn.Module, given: tuple[Any, ...]) -> None:
        self._features = given[0]
