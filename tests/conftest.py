"""Fixtures and settings that every test shares."""

import pytest
import torch
from hypothesis import settings

# The first call into torch is slow, so a deadline would make a test flaky; derandomised, every run sees the same cases.
settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("house")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
