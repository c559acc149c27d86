"""One network for several trade-offs: the last block is modulated for each of them, and the last bias is its own."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from evendistill.models.conditioned import Conditioned
from evendistill.models.inference import evaluating

PER_CHANNEL = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.Conv1d, nn.Conv2d, nn.Conv3d)
PER_FEATURE = (nn.LayerNorm, nn.Linear)


class Place(NamedTuple):
    """Where a network is modulated.

    Attributes:
        layer: name of the layer whose outputs are scaled and shifted.
        block: name of the module around it, whose additions take part; the layer itself if there is none.
    """

    layer: str
    block: str


class Modulated(Conditioned):
    r"""A network whose last block is scaled and shifted, channel by channel, for each of K trade-offs.

    .. math:: z_k = s_k \odot z(x) + t_k, \qquad s_k = 1 + \sqrt{K} g_k, \quad t_k = \sqrt{K} u_k

    z is what the last layer with a weight for each channel gives: the second batch norm of a residual block, the last
    convolution or the last hidden layer elsewhere. Scale and shift leave in that layer's own weight and bias, so a
    trade-off is a plain network here, too. No layer is computed twice, but for what follows: the addition of the
    shortcut, activation, pooling and the last linear layer work on K times as many rows.

    Source: Perez et al. 2018 (FiLM); one for each loss, its place and the root are ours.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``; shared with the caller.
        head: name of the linear layer whose output is the scores.
        alphas: the K trade-offs, rising; at least two.
        place: where it is modulated, see :func:`place_of`.
    """

    def __init__(self, network: nn.Module, head: str, alphas: Sequence[float], place: Place) -> None:
        super().__init__(network, head, alphas, by="bias")
        self.by, self.place = "film", place
        weight, _ = weight_and_bias(network.get_submodule(place.layer))
        self.own_factor = nn.Parameter(weight.new_zeros(len(self.alphas), len(weight)))
        self.own_shift = nn.Parameter(weight.new_zeros(len(self.alphas), len(weight)))
        self._hooks = self._hooked()

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores of every trade-off side by side, ``(B, K C)``."""
        scores = self.network(inputs).unflatten(0, (len(self.alphas), -1)).transpose(0, 1)
        return (scores + self._speed * self.own_bias).flatten(1)

    def _write(self, network: nn.Module, alpha: float) -> None:
        """Make a plain copy the network of one trade-off."""
        super()._write(network, alpha)
        layer = network.get_submodule(self.place.layer)
        scale, shift = (self._between(each.detach(), alpha) for each in self._modulation())
        weight, bias = weight_and_bias(layer)
        layer.weight = nn.Parameter(weight * scale.reshape(-1, *[1] * (weight.ndim - 1)))
        layer.bias = nn.Parameter(shift if bias is None else bias * scale + shift)

    def _modulation(self) -> tuple[Tensor, Tensor]:
        """Scales and shifts of every trade-off, both ``(K, channels)``."""
        return 1 + self._speed * self.own_factor, self._speed * self.own_shift

    def _hooked(self) -> list[RemovableHandle]:
        if self.by != "film":  # not made yet
            return []
        layer, block = (self.network.get_submodule(name) for name in self.place)
        return [layer.register_forward_hook(self._modulate), block.register_forward_hook(_to_rows)]

    def _modulate(self, layer: nn.Module, given: tuple[Any, ...], outputs: Tensor) -> Tensor:
        """From ``(B, ...)`` to ``(K, B, ...)``, which the shortcut of a block can be added to as it is."""
        channels = 1 if isinstance(layer, PER_CHANNEL) else outputs.ndim - 1
        shape = [1] * outputs.ndim
        shape[channels] = -1
        own = (each.to(outputs.dtype) for each in self._modulation())
        scale, shift = (each.unflatten(1, shape[1:]).unsqueeze(1) for each in own)
        return outputs.unsqueeze(0) * scale + shift


def _to_rows(block: nn.Module, given: tuple[Any, ...], outputs: Tensor) -> Tensor:
    """From ``(K, B, ...)`` to ``(K B, ...)``, which any layer takes."""
    return outputs.flatten(0, 1)


def weight_and_bias(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Both without their gradients; the first axis of either is the channels."""
    weight, bias = cast(Tensor, layer.weight), cast(Tensor | None, layer.bias)
    return weight.detach(), None if bias is None else bias.detach()


def place_of(network: nn.Module, inputs: Tensor, head: str) -> Place:
    """The layer before the head that works last, of those with a weight for each channel, and the block around it.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``.
        inputs: to try it on, on its device.
        head: name of its last linear layer.

    Raises:
        ValueError: if there is no such layer.
    """
    worked: list[str] = []
    layers = {name: each for name, each in network.named_modules() if isinstance(each, PER_CHANNEL + PER_FEATURE)}
    hooks = [layer.register_forward_hook(lambda *_, name=name: worked.append(name)) for name, layer in layers.items()]
    try:
        with evaluating(network):
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    able = [name for name in worked[: worked.index(head)] if layers[name].weight is not None]
    if not able:
        raise ValueError(f"no layer of {type(network).__name__} before its last one could be scaled and shifted")
    parts = able[-1].split(".")
    around = [".".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]
    blocks = [name for name in around if not isinstance(network.get_submodule(name), nn.Sequential)]
    return Place(able[-1], blocks[0] if blocks else able[-1])
