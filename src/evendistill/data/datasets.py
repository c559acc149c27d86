"""Named data sets with their three splits."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import resources

import numpy as np
import torch

from evendistill.data.examples import ArrayDataset
from evendistill.data.splits import Profile, stratified_parts, thinned_rows


@dataclass(frozen=True)
class Data:
    """A classification task: who trains, who judges the multipliers and the choice, who is asked once at the end.

    Attributes:
        train: examples to train on, perhaps long-tailed.
        validation: examples that move the multipliers and select.
        test: examples for the final numbers alone.
        class_names: one a class.
    """

    train: ArrayDataset
    validation: ArrayDataset
    test: ArrayDataset
    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the fingerprints of the three splits."""
        parts = (self.train.fingerprint(), self.validation.fingerprint(), self.test.fingerprint())
        return sha256("".join(parts).encode()).hexdigest()


def load_data(
    source: str,
    *,
    imbalance: float | None = None,
    profile: Profile = "exponential",
    subset_seed: int = 0,
    split_seed: int = 0,
) -> Data:
    """Load a data set and make its splits.

    ``"digits"`` is embedded: 1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak 1998), half to train, a
    quarter to validate and a quarter to test, stratified by class.

    Args:
        source: name of the data set.
        imbalance: thin the training classes to this ratio of largest to smallest; None keeps all. Class order stays.
        profile: "exponential" or "step".
        subset_seed: draws the examples that a thinned class keeps.
        split_seed: draws the splits. Validation and test depend on nothing else.

    Raises:
        ValueError: if the source is unknown or an argument out of range.

    Example:
        >>> data = load_data("digits", imbalance=20)
        >>> data.train.labels.bincount().tolist()
        [89, 65, 47, 33, 24, 17, 12, 8, 6, 4]
    """
    if source != "digits":
        raise ValueError(f"unknown data source {source!r}; there is 'digits'")
    full = _digits()
    train, validation, test = stratified_parts(full.labels, (0.5, 0.25, 0.25), seed=split_seed)
    names = tuple(str(digit) for digit in range(10))
    if imbalance is not None:
        labels = full.labels[train]
        train = train[thinned_rows(labels, 10, imbalance=imbalance, profile=profile, seed=subset_seed)]
    return Data(full.subset(train), full.subset(validation), full.subset(test), names)


def _digits() -> ArrayDataset:
    with resources.files("evendistill.data").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        pixels, labels = arrays["pixels"], arrays["labels"]
    inputs = torch.from_numpy(pixels).float().div_(16).unsqueeze(1)
    return ArrayDataset(inputs, torch.from_numpy(labels).long())
