"""Seeds that do not interfere, and a run that leaves the caller's random state alone."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A seed of its own for each purpose: neighbouring seeds and purposes share nothing.

    Example:
        >>> derive_seed(0, "order", 1) == derive_seed(0, "order", 1), derive_seed(0, "order") == derive_seed(0, "noise")
        (True, False)
    """
    words = "/".join(str(word) for word in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:7])


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for one purpose."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


def capture(device: torch.device) -> dict[str, Any]:
    """The state of every global generator, in types that load without running code."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - user data sets draw from it
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": [version, list(numbers), gauss],
        "numpy": [name, torch.from_numpy(np.array(keys, dtype=np.int64)), position, has_gauss, cached],
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: dict[str, Any], device: torch.device) -> None:
    """Take back what :func:`capture` gave."""
    torch.set_rng_state(state["torch"])
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    words = keys.numpy().astype(np.uint32) if isinstance(keys, Tensor) else keys
    np.random.set_state((name, words, position, has_gauss, cached))  # noqa: NPY002
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def seed_all(seed: int) -> None:
    """Seed every global generator."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002


@contextmanager
def isolated(seed: int, device: torch.device) -> Iterator[None]:
    """Global generators seeded inside (dropout and a user's augmentation draw from them), as they were afterwards."""
    before = capture(device)
    try:
        seed_all(seed)
        yield
    finally:
        restore(before, device)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """``count`` threads inside, as many as before afterwards: their number changes the order of sums, hence bits."""
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if before != count:
            torch.set_num_threads(before)
