"""Drawn energies against their law, by cells and by shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caloforge.data.transforms import CellFrame
from caloforge.errors import BundleError
from caloforge.generation.counts import BRIGHT
from caloforge.generation.deposits import draw_energies
from caloforge.generation.hits import HitDrawing
from caloforge.types import CellLaw

N = 40_000
DEPOSITS = np.array([0.3, 0.2, 0.5, 0.3, 0.1, 2.0])
CELLS = np.array([0.2, 1.0, 8.5, 0.0, 0.1 * BRIGHT, 0.01])
LAW = CellLaw("deposits", deposit=torch.from_numpy(DEPOSITS))


def drawn(law: CellLaw = LAW, cells: np.ndarray = CELLS, order: np.ndarray | None = None):
    many = np.broadcast_to(cells.astype(np.float32), (N, len(cells)))
    order = np.arange(len(cells)) if order is None else order
    return draw_energies(
        many, law, seed=0, showers=np.arange(N), order=np.broadcast_to(order, many.shape)
    )


def follows_the_law(energies: np.ndarray, means: np.ndarray, deposits: np.ndarray) -> None:
    x = energies.astype(np.float64)
    variance = 2 * means * deposits
    error = np.sqrt(variance / len(x))
    assert (np.abs(x.mean(axis=0) - means) <= 5 * error).all()
    # A fourth moment of 24 theta^3 mu on top of a normal law's.
    spread = np.sqrt((2 * variance**2 + 24 * means * deposits**3) / len(x))
    assert (np.abs(x.var(axis=0) - variance) <= 5 * spread).all()
    zeros = np.exp(-means / deposits)
    error = np.sqrt(zeros * (1 - zeros) / len(x))
    assert (np.abs((x == 0).mean(axis=0) - zeros) <= 5 * error + 1e-12).all()


def test_dim_and_bright_cells_follow_the_law() -> None:
    energies = drawn()
    assert energies.dtype == np.float32
    follows_the_law(energies, CELLS, DEPOSITS)
    correlations = np.corrcoef(energies[:, [0, 1, 2, 4, 5]].T) - np.eye(5)
    assert np.abs(correlations).max() < 5 / np.sqrt(N)


@pytest.mark.parametrize("mean", [17.0, 1e-9])
def test_cells_of_one_sort_alone(mean) -> None:
    """All bright, or no deposit at all."""
    law = CellLaw("deposits", deposit=torch.ones(3, dtype=torch.float64))
    made = drawn(law, np.full(3, mean))
    assert made.dtype == np.float32
    assert made.mean() == pytest.approx(mean, rel=0.01, abs=1e-6)


def test_a_bright_cell_without_a_deposit_is_empty() -> None:
    law = CellLaw("deposits", deposit=torch.ones(1, dtype=torch.float64))
    cells, number = np.full((1, 1), 16.0, dtype=np.float32), 812516
    for shower in range(number, number + 3):
        made = draw_energies(
            cells,
            law,
            seed=1,
            showers=np.array([shower]),
            order=np.zeros((1, 1), dtype=np.int64),
        )
        assert np.isfinite(made).all()


def test_a_deposit_belongs_to_the_models_cell_not_the_detectors() -> None:
    order = np.array([5, 4, 3, 2, 1, 0])
    follows_the_law(drawn(order=order), CELLS[::-1], DEPOSITS[::-1])


def test_hits_of_shapes_follow_the_law(toy_cylinder, toy_sample) -> None:
    rng = np.random.default_rng(0)
    n_cells = toy_cylinder.n_cells
    deposits = rng.uniform(0.1, 0.9, n_cells)
    shapes = rng.dirichlet(np.ones(n_cells), 3)
    amounts = np.array([2.0, 0.0, 4.0])
    law = CellLaw("deposits", deposit=torch.from_numpy(deposits))
    drawing = HitDrawing(shapes, law, CellFrame(toy_cylinder, False))
    particles = toy_sample(toy_cylinder, 1, repeats=1).particles
    energies = drawing.draw(
        np.broadcast_to(amounts.astype(np.float32), (N, 3)),
        particles.select(np.zeros(N, dtype=np.int64)),
        seed=3,
        showers=np.arange(N),
    )
    assert energies.dtype == np.float32
    follows_the_law(energies, amounts @ shapes, deposits)


def test_values_stay_as_they_are() -> None:
    order = np.array([5, 4, 3, 2, 1, 0])
    made = drawn(CellLaw("rounding"), order=order)
    np.testing.assert_array_equal(made[0], CELLS[::-1].astype(np.float32))


@pytest.mark.parametrize(
    "deposit", [None, torch.tensor([0.3, 0.0]), torch.tensor([0.3, torch.inf])]
)
def test_damaged_deposits_are_refused(deposit) -> None:
    with pytest.raises(BundleError, match="deposits without an energy above 0"):
        drawn(CellLaw("deposits", deposit=deposit), np.array([1.0, 1.0]))


def test_a_law_of_counts_draws_no_energies() -> None:
    with pytest.raises(BundleError, match="energies by law 'poisson', expected one of"):
        drawn(CellLaw("poisson"))
