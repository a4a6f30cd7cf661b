"""Small detectors and samples that many tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from caloforge.data import Particles, ShowerSample
from caloforge.geometry import CylinderLayer, CylinderLayout, DetectorGeometry, GridLayout

MakeSample = Callable[..., ShowerSample]


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    """Threads fight over small tensors."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy_grid() -> DetectorGeometry:
    """6 x 4 cells that count photons."""
    return DetectorGeometry(
        name="toy-grid",
        title="Toy grid",
        layout=GridLayout((6, 4), (0.5, 0.25), ("mirror_x", "mirror_y")),
        unit="photons",
        counts=True,
    )


@pytest.fixture(scope="session")
def toy_cylinder() -> DetectorGeometry:
    """Irregular layers of 1, 6, 0 and 8 cells that measure energy; one layer is empty."""
    layers = (
        CylinderLayer((0.0, 50.0)),
        CylinderLayer((0.0, 10.0, 30.0), n_angles=3),
        CylinderLayer(()),
        CylinderLayer((0.0, 5.0, 20.0, 40.0, 80.0), n_angles=2),
    )
    return DetectorGeometry(
        name="toy-cylinder",
        title="Toy cylinder",
        layout=CylinderLayout(layers),
        unit="MeV",
        counts=False,
    )


def make_particles(n: int, *, repeats: int = 1, seed: int = 0) -> Particles:
    """Neutrons, photons and pions of 10 to 1000 GeV, ``n`` of them, each ``repeats`` times."""
    rng = np.random.default_rng(seed)
    energy = 10 ** rng.uniform(1, 3, n)
    kind = rng.integers(0, 3, n)
    columns = {
        "pdg": np.array([2112, 22, 211])[kind],
        "energy_gev": energy,
        "x_cm": rng.uniform(-1, 1, n),
        "y_cm": rng.uniform(-0.4, 0.4, n),
        "z_cm": np.full(n, -11261.2),
        "px_gev": 3e-4 * energy * rng.standard_normal(n),
        "py_gev": 3e-4 * energy * rng.standard_normal(n),
        "pz_gev": -energy,
        "mass_mev": np.array([939.565, 0.0, 139.570])[kind],
        "charge_e": np.array([0.0, 0.0, 1.0])[kind],
    }
    return Particles(columns, np.arange(n)).repeated(repeats)


@pytest.fixture(scope="session")
def toy_sample() -> MakeSample:
    """Make a small sample whose showers grow with the energy of the particle.

    ``toy_sample(geometry, n=40, repeats=2, seed=0)``: ``n`` particles, ``repeats`` showers
    each, adjacent; energy falls off with the distance from the particle's position.
    """

    def make(
        geometry: DetectorGeometry, n: int = 40, *, repeats: int = 2, seed: int = 0
    ) -> ShowerSample:
        particles = make_particles(n, repeats=repeats, seed=seed)
        rng = np.random.default_rng([seed, 1])
        centres = geometry.layout.centres_cm()
        spot = np.stack((particles["x_cm"], particles["y_cm"]), axis=1)
        distance2 = ((centres[None] - spot[:, None]) ** 2).sum(axis=2)
        weights = np.exp(-distance2 / 0.5)
        mean = particles["energy_gev"][:, None] * weights / weights.sum(axis=1, keepdims=True)
        showers = (
            rng.poisson(mean).astype(np.uint16)
            if geometry.counts
            else rng.gamma(2.0, mean / 2).astype(np.float32)
        )
        return ShowerSample(
            particles=particles,
            showers=showers,
            geometry=geometry,
            cpu_seconds=rng.uniform(0.5, 1.5, len(particles)).astype(np.float32),
            provenance={"simulation": "toy", "seed": seed},
            source="toy",
        )

    return make
