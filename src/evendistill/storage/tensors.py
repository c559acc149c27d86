"""Tensors as safetensors files: equal tensors give equal bytes, and reading them runs no code."""

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from evendistill.storage.files import digest

SEAL = "sha256"


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors in the safetensors format, without metadata: equal tensors give equal bytes."""
    return safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        ValueError: if the file is cut short or not of that format, naming it.
    """
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from None


def tensors_in(payload: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file.

    Raises:
        ValueError: if they are not of that format.
    """
    try:
        return safetensors.torch.load(payload)  # no pickle: the format is numbers under a JSON header
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a whole safetensors file: {error}") from None


def sealed_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """The same with a checksum of all of them inside, for files that no list of checksums names."""
    seal = torch.frombuffer(bytearray.fromhex(digest(tensor_bytes(tensors))), dtype=torch.uint8)
    return tensor_bytes({**tensors, SEAL: seal})


def read_sealed(path: Path) -> dict[str, Tensor]:
    """The tensors of a sealed file; one without a seal, of an earlier version, is believed.

    A seal is known by its form too, since the damage may lie in its name.

    Raises:
        ValueError: if the file is damaged, naming it.
    """
    tensors = read_tensors(path)
    seal = tensors.pop(SEAL, None)
    if seal is None:
        is_whole = not any(each.dtype == torch.uint8 and each.shape == (32,) for each in tensors.values())
    else:
        is_whole = seal.tolist() == list(bytes.fromhex(digest(tensor_bytes(tensors))))
    if not is_whole:
        raise ValueError(f"{path} is not what was written: its checksum differs")
    return tensors
