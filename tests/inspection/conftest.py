"""Samples in which nothing is wrong, as raw files in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tests.inspection.showers import Showers

from caloforge.data import load_sample


@pytest.fixture(scope="session")
def sample_of() -> Callable[[str], Showers]:
    """Make a fresh copy of a sample."""
    kept: dict[str, Showers] = {}

    def load(name: str) -> Showers:
        if name not in kept:
            sample = load_sample(name)
            columns = dict(sample.particles.columns)
            kept[name] = Showers(
                sample.geometry, columns, sample.particles.incident, sample.showers
            )
        own = kept[name]
        columns = {k: v.astype(np.float64) for k, v in own.columns.items()}
        return Showers(own.geometry, columns, own.incident.copy(), own.showers.copy())

    return load


@pytest.fixture
def zn(sample_of: Callable[[str], Showers]) -> Showers:
    """Showers of ZN in which nothing is wrong."""
    return sample_of("zn-train")


@pytest.fixture
def cylinder(sample_of: Callable[[str], Showers]) -> Showers:
    """Showers of the cylinder in which nothing is wrong."""
    return sample_of("cylinder-train").rows(slice(1000))
