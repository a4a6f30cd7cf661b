"""Paired deposits keep each cell's law, and have the twins that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.generation.test_deposits import follows_the_law

from caloforge.data.deposit_twins import STEPS, signed_chances
from caloforge.data.transforms import CellFrame
from caloforge.errors import BundleError
from caloforge.generation.deposits import draw_energies
from caloforge.generation.hits import HitDrawing
from caloforge.generation.twins import Pairing, pairing
from caloforge.geometry import CylinderLayer, CylinderLayout, DetectorGeometry
from caloforge.types import CellLaw

N = 40_000
SHAPE = (3, 4, 3)


@pytest.fixture(scope="module")
def detector() -> DetectorGeometry:
    layout = CylinderLayout((CylinderLayer((0.0, 5.0, 10.0, 20.0), n_angles=4),) * 3)
    return DetectorGeometry(name="c", title="C", layout=layout, unit="MeV", counts=False)


@pytest.fixture(scope="module")
def chances() -> np.ndarray:
    table = np.zeros((len(STEPS), 3))
    table[0] = 0.2  # next sector
    table[2, :2] = 0.15, 0.1  # next ring
    table[5] = 0.1  # next layer
    return table


@pytest.fixture(scope="module")
def shapes() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(36, 0.7), 4)


@pytest.fixture(scope="module")
def law(chances) -> CellLaw:
    deposit = torch.linspace(0.2, 0.6, 36, dtype=torch.float64)
    return CellLaw("deposits", deposit=deposit, twins=torch.from_numpy(chances), together=0.6)


def pairs_of(x: np.ndarray, one: int, other: int) -> tuple[float, float]:
    """Covariance of two cells, and its error."""
    product = (x[:, one] - x[:, one].mean()) * (x[:, other] - x[:, other].mean())
    return product.mean(), product.std() / np.sqrt(len(x))


def check(energies: np.ndarray, means: np.ndarray, law: CellLaw, chances: np.ndarray) -> None:
    deposit = law.deposit.numpy()
    follows_the_law(energies, means, deposit)
    x, numbers = energies.astype(np.float64), means / deposit
    cell = np.arange(36).reshape(SHAPE)
    for one, other, chance in (
        (cell[0, 0, 1], cell[0, 1, 1], chances[0, 1]),
        (cell[0, 3, 2], cell[0, 0, 2], chances[0, 2]),
        (cell[1, 2, 0], cell[1, 2, 1], chances[2, 0]),
        (cell[1, 2, 1], cell[1, 2, 2], chances[2, 1]),
        (cell[0, 0, 2], cell[1, 0, 2], chances[5, 2]),
        (cell[0, 0, 0], cell[0, 1, 1], 0.0),
        (cell[0, 0, 0], cell[2, 0, 0], 0.0),
    ):
        found, error = pairs_of(x, one, other)
        shared = chance * min(numbers[one], numbers[other])
        assert found == pytest.approx(shared * deposit[one] * deposit[other], abs=5 * error)


def test_cells_keep_their_law_and_have_twins(detector, law, chances) -> None:
    means = np.random.default_rng(0).gamma(1.0, 0.6, 36) + 0.02
    cells = np.broadcast_to(means.astype(np.float32), (N, 36))
    order = np.broadcast_to(np.arange(36), cells.shape)
    energies = draw_energies(
        cells, law, seed=1, showers=np.arange(N), order=order, pairing=pairing(law, detector)
    )
    check(energies, means, law, chances)


def test_showers_out_of_all_measure_are_refused(detector, law) -> None:
    order = np.arange(36)[None]
    with pytest.raises(BundleError, match=r"gives showers of .*e\+\d+ deposits, expected less"):
        draw_energies(
            np.full((1, 36), 1e7, dtype=np.float32),
            law,
            seed=0,
            showers=np.arange(1),
            order=order,
            pairing=pairing(law, detector),
        )


def test_hits_of_shapes_do_so(detector, law, chances, shapes, toy_sample) -> None:
    drawing = HitDrawing(shapes, law, CellFrame(detector, False))
    particles = toy_sample(detector, 1, repeats=1).particles.select(np.zeros(N, dtype=np.int64))
    amounts = np.broadcast_to(np.array([2.0, 9.0, 5.0, 4.0], dtype=np.float32), (N, 4))
    energies = drawing.draw(amounts, particles, seed=2, showers=np.arange(N))
    check(energies, amounts[0] @ shapes, law, chances)


def test_no_chance_leaves_all_alone(detector) -> None:
    law = CellLaw("deposits", deposit=torch.ones(36), twins=torch.zeros(len(STEPS), 3))
    rows = np.repeat(np.arange(5), 10)
    cells = np.arange(50) % 36
    paired = Pairing(law, detector).paired(
        rows, cells, lambda which, _: np.ones(len(which)), seed=0, showers=np.arange(5)
    )
    assert paired.kept.all()
    assert len(paired.first) == len(paired.cells) == len(paired.numbers) == 0


@pytest.mark.parametrize("wrong", [-0.1, 0.6, np.nan])
def test_damaged_chances_are_refused(detector, wrong) -> None:
    law = CellLaw("deposits", twins=torch.full((len(STEPS), 3), wrong))
    with pytest.raises(BundleError, match="twins of deposits by chances that are none"):
        Pairing(law, detector)
    short = CellLaw("deposits", twins=torch.zeros(2, 3))
    with pytest.raises(BundleError, match="twins of deposits by chances that are none"):
        Pairing(short, detector)


def test_a_grid_has_none(toy_grid) -> None:
    law = CellLaw("deposits", twins=torch.zeros(len(STEPS), 3))
    with pytest.raises(BundleError, match=r"draws twins in geometry .*, expected a cylinder"):
        pairing(law, toy_grid)


@pytest.mark.parametrize("seed", range(5))
def test_chances_rounded_for_storage_are_taken(detector, seed) -> None:
    rng = np.random.default_rng(seed)
    chances = rng.uniform(0, 1, (len(STEPS), 3))
    chances /= signed_chances(chances)[1].sum(axis=0).max()
    rounded = torch.from_numpy(chances).half()
    paired = Pairing(CellLaw("deposits", twins=rounded), detector).paired(
        np.zeros(5000, dtype=np.int64),
        rng.integers(0, 36, 5000),
        lambda which, _: np.ones(len(which)),
        seed=seed,
        showers=np.arange(1),
    )
    assert paired.kept.sum() + len(paired.first) == pytest.approx(5000, abs=300)
