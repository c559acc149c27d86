"""A network as an ONNX file, which runs without torch."""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.wording import reason
from evendistill.experiments.export.packages import needed

OPSET = 18  # the first of torch's exporter; runtimes since 2023 know it
INPUTS, SCORES = "inputs", "scores"
TORCHS_OWN = "`isinstance(treespec, LeafSpec)` is deprecated"  # what torch says of its own code
NOT_THERE = "torch.onnx._internal.exporter._registration"  # notes that torchvision is not installed


def check_packages() -> None:
    """Raise ``ValueError`` unless what writes and runs ONNX is installed."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        needed(module, "writing ONNX and checking it", "onnx")


def onnx_bytes(network: nn.Module, inputs: Tensor, *, class_names: Sequence[str] = ()) -> bytes:
    """The network as ONNX, with any number of inputs at once; nothing in it tells where it was made.

    Args:
        network: in eval mode.
        inputs: ``(2, ...)`` or more, to trace it with.
        class_names: in the order of the scores; kept in the file's metadata as ``class_names``, in JSON.

    Raises:
        ValueError: if the packages are not there, or the network cannot be traced; one line.
    """
    check_packages()
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (inputs,),
                dynamo=True,
                verbose=False,
                input_names=[INPUTS],
                output_names=[SCORES],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        proto = program.model_proto  # pyright: ignore[reportOptionalMemberAccess]
        _strip(proto)
        if class_names:
            entry = proto.metadata_props.add()
            entry.key, entry.value = "class_names", json.dumps(list(class_names))
        return proto.SerializeToString(deterministic=True)
    except Exception as error:  # those of torch, of onnx and of protobuf have no common base
        raise ValueError(f"the network cannot be written as ONNX: {reason(error)[:300]}") from error


def _strip(proto: Any) -> None:  # noqa: ANN401 - protobuf's classes are made as it is imported
    """Take out what torch notes for debugging: traces of the stack, with the paths of files on this machine."""
    graph = proto.graph
    parts = [proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]
    for function in proto.functions:
        parts += [function, *function.node, *function.value_info]
    for part in parts:
        for field in ("metadata_props", "doc_string"):
            part.ClearField(field)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of itself and of packages that nothing here uses."""
    logger = logging.getLogger(NOT_THERE)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=TORCHS_OWN.replace("(", r"\(").replace(")", r"\)"))
            yield
    finally:
        logger.setLevel(level)
