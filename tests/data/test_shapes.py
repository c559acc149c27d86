"""Splits whose images differ in size: refused as they are loaded, unless a view brings them to one."""

import re

import numpy as np
import pytest

from evendistill.experiments.beginning.looking import look
from evendistill.experiments.sources import seen
from evendistill.experiments.spec import DataSpec, ViewSpec

TOLD = "inputs of train and validation must have one shape, got 1 x 28 x 28 and 1 x 20 x 28"


@pytest.fixture
def uneven(tmp_path):
    """Pictures of 28 x 28 to train on, of 20 x 28 to test on."""

    def write(kind):
        draw, path = np.random.default_rng(0), tmp_path / "uneven.npz"
        parts = {"train": draw.integers(0, 255, (40, 1, 28, 28)), "test": draw.integers(0, 255, (40, 1, 20, 28))}
        train, test = (images.astype(kind) for images in parts.values())
        np.savez(path, x_train=train, x_test=test, y_train=np.arange(40) % 2, y_test=np.arange(40) % 2)
        return str(path)

    return write


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_they_are_refused_as_they_are_loaded(uneven, kind):
    source = uneven(kind)
    for load in (lambda: seen(DataSpec(source=source), None), lambda: look(source)):
        with pytest.raises(ValueError, match=re.escape(TOLD)):
            load()


@pytest.mark.parametrize("view", [{"resize": 24}, {"crop": 20}])
def test_a_view_may_bring_them_to_one_shape(uneven, view):
    data = seen(DataSpec(source=uneven("uint8")), ViewSpec(**view))
    assert data.train.shape == data.validation.shape == data.test.shape == (1, *[*view.values()] * 2)


def test_a_view_that_does_not_is_no_help(uneven):
    with pytest.raises(ValueError, match=re.escape(TOLD)):
        seen(DataSpec(source=uneven("uint8")), ViewSpec(pad=2))
