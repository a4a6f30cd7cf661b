"""Companions of deposits against showers in which they are known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2] / "validation"


@pytest.fixture
def correlations(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    import correlations

    yield correlations
    sys.modules.pop("correlations")


def showers(share: float, step: tuple[int, int], n: int = 1500) -> np.ndarray:
    """Deposits of which a share has one companion, some layers and sectors away."""
    rng = np.random.default_rng(0)
    x = np.zeros((2 * n, 12, 8, 3))
    number = rng.poisson(60, 2 * n)
    rows = np.repeat(np.arange(2 * n), number)
    place = [rng.integers(0, size, len(rows)) for size in x.shape[1:]]
    np.add.at(x, (rows, *place), rng.exponential(size=len(rows)))
    has = rng.random(len(rows)) < share
    there = (place[0] + step[0]) % 12, (place[1] + step[1]) % 8, place[2]
    own = tuple(axis[has] for axis in (rows, *there))
    np.add.at(x, own, rng.exponential(size=has.sum()))
    return x.reshape(n, 2, *x.shape[1:])


@pytest.mark.parametrize(
    ("step", "where", "shared"), [((0, 0), 0, 1), ((0, 1), 1, 2), ((0, 2), 4, 2)]
)
def test_companions_are_found_where_they_are(correlations, step, where, shared) -> None:
    pairs = showers(0.5, step)
    found = correlations.excess(pairs[:, 0], pairs[:, 1])
    # Of 1.5 deposits two are companions of each other in half of the cases.
    expected = np.zeros(len(correlations.STEPS))
    expected[where] = 2 * 0.5 / 1.5 / shared
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_deposits_alone_have_none(correlations) -> None:
    pairs = showers(0.0, (0, 1))
    found = correlations.excess(pairs[:, 0], pairs[:, 1])
    np.testing.assert_allclose(found, 0, atol=0.03)
