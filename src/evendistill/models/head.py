"""The head of a network: its last linear layer, and the features that go into it."""

from typing import Any

import torch
from torch import Tensor, nn

from evendistill.models.inference import evaluating


def head_of(network: nn.Module, inputs: Tensor, *, role: str | None = None) -> str:
    """Name of the linear layer whose output is the scores of the network; it works once, and as linear layers do.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``.
        inputs: to try it on, on its device.
        role: what to call the network if it has no head.

    Raises:
        ValueError: if no linear layer gives the scores as they are.
    """
    outputs: dict[str, Any] = {}
    linear = {name: module for name, module in network.named_modules() if _is_linear(module)}
    hooks = [module.register_forward_hook(_keep(name, outputs)) for name, module in linear.items()]
    try:
        with evaluating(network):
            scores = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    for name in reversed(outputs):
        if outputs[name] is not None and torch.equal(outputs[name], scores):
            return name
    kind = type(network).__name__
    called = kind if role is None else f"the {role}, {kind},"
    raise ValueError(f"no linear layer of {called} gives its scores as they are, so it has no head")


def _is_linear(module: nn.Module) -> bool:
    """Whether its scores are linear in its weights; a class made of nn.Linear may do otherwise."""
    return isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward


def _keep(name: str, outputs: dict[str, Any]) -> Any:  # noqa: ANN401 - what a hook is
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401
        outputs[name] = None if name in outputs else output.clone()  # what follows may change it in place

    return hook


class Body(nn.Module):
    """A network without its head: gives the features that the head would get.

    Args:
        network: shared with the caller.
        head: name of its last linear layer.
    """

    def __init__(self, network: nn.Module, head: str) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, inputs: Tensor) -> Tensor:
        """Features ``(B, K)``."""
        seen: list[Tensor] = []
        hook = self.network.get_submodule(self.head).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            self.network(inputs)
        finally:
            hook.remove()
        return seen[-1]
