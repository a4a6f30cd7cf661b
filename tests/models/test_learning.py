"""What every model learns from a toy whose answer is known, with a condition and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.conftest import ROWS, Showers, config_of, step

from caloforge.data import Particles


def trained(name, showers):
    """What a model makes after enough steps on few showers, ``(20, shower, cell)``."""
    row = ROWS[name]
    model = showers.build(config_of(name, cells="poisson"))
    optimizers = [torch.optim.Adam(list(p.parameters()), lr=3e-3) for p in model.phases()]
    rng = torch.Generator().manual_seed(0)
    for _ in range(row.steps):
        step(model, showers.batch, rng, optimizers)
    model.eval()
    with torch.no_grad():
        made = [
            model.sample(showers.batch.conditions, showers.noise(model.noise_dim, seed))
            for seed in range(20)
        ]
    return torch.stack(made)


@pytest.fixture(scope="module")
def toy(toy_grid, toy_sample):
    """64 showers of 32 particles of 50 to 200 GeV that hit the centre.

    The answer: a fixed share of the energy in each cell, one photon a GeV, times a fluctuation
    of a fifth that all cells of a shower have in common, and Poisson counts.
    """
    rng = np.random.default_rng(3)
    sample = toy_sample(toy_grid, 32)
    energy = np.repeat(np.geomspace(50, 200, 32), 2)
    fluctuation = rng.gamma(25, 1 / 25, 64)
    mean = (energy * fluctuation)[:, None] * shares(toy_grid)
    columns = dict(sample.particles.columns) | {"energy_gev": energy}
    particles = Particles(columns, sample.particles.incident)
    sample = replace(sample, particles=particles, showers=rng.poisson(mean).astype(np.uint16))

    def make(names):
        return Showers.of(sample, names), torch.from_numpy(energy).float()

    return make


def shares(geometry):
    """Share of each cell, ``(cell,)``."""
    weight = np.exp(-((geometry.layout.centres_cm()) ** 2).sum(axis=1) / 2)
    return weight / weight.sum()


def test_showers_follow_the_energy(name, toy, toy_grid) -> None:
    showers, energy = toy(("log_energy",))
    several = trained(name, showers)
    # Draws of one condition differ as showers do: by a fifth, where noise is not dead.
    sums = several.sum(dim=2)
    spread = float((sums.std(dim=0) / sums.mean(dim=0)).mean())
    low, high = (0.12, 0.3) if ROWS[name].fluctuates else (0.0, 0.01)
    assert low <= spread < high
    made = several.mean(dim=0)
    response = made.sum(dim=1)
    assert float(torch.corrcoef(torch.stack((response, energy)).log())[0, 1]) > 0.9
    for half in (slice(0, 32), slice(32, 64)):
        assert float(response[half].sum() / energy[half].sum()) == pytest.approx(1, abs=0.3)
    profile = (made.sum(dim=0) / made.sum()).numpy()
    assert np.abs(profile - shares(toy_grid)).sum() / 2 < 0.15


def test_without_a_condition_showers_are_those_of_all_particles(name, toy, toy_grid) -> None:
    showers, energy = toy(())
    made = trained(name, showers).mean(dim=0)
    response = made.sum(dim=1)
    # Every particle gets the same law: that of the whole sample, not of its energy.
    if ROWS[name].model == "regression":
        assert float(response.std()) == 0
    else:
        assert abs(float(torch.corrcoef(torch.stack((response, energy)))[0, 1])) < 0.5
    assert float(response.mean() / energy.mean()) == pytest.approx(1, abs=0.2)
    profile = (made.sum(dim=0) / made.sum()).numpy()
    assert np.abs(profile - shares(toy_grid)).sum() / 2 < 0.15
