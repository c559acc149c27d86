"""What an exported network is fed with is said of what its file does, and of nothing else."""

import pytest

from evendistill.experiments.export.feeding import fed_with

PIXELS = {"shape": [3, 8, 8], "dtype": "float32", "range": [0, 1]}
PLAIN = {"crop": None, "resize": None, "mean": [0.5], "std": [0.2]}
SHOWN = "(B, 3, 8, 8) float32, pixels in [0, 1], channels first; "


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (None, "nothing is to be normalised"),
        (PLAIN, "in the file is what follows: normalisation"),
        (PLAIN | {"crop": 7}, "in the file is what follows: cropping, normalisation"),
        (PLAIN | {"crop": 7, "resize": 9}, "in the file is what follows: cropping, normalisation, resizing"),
    ],
)
def test_what_follows_in_the_file_is_named(view, said):
    assert fed_with({"inputs": PIXELS, "view": view, "run": "1a2b"}) == SHOWN + said
