"""Small runs on small detectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from caloforge.config import RunConfig, load_run
from caloforge.data import ShowerSample, ShowerWriter

RUN = """
title = "small run"
[data]
train = "{data}"
conditions = {conditions}
{extra}
[model]
name = "{model}"
cells = "{cells}"
encoder = [16]
decoder = [16]
latent_dim = 3
[train]
steps = 12
batch_size = 16
validate_every = 4
ema = 0.9
"""


def write_sample(path: Path, sample: ShowerSample) -> Path:
    with ShowerWriter(path, sample.geometry, provenance={"simulation": "toy"}) as writer:
        writer.append(sample.particles, sample.showers)
    return path


@pytest.fixture
def grid_file(tmp_path, toy_grid, toy_sample) -> Path:
    return write_sample(tmp_path / "grid.h5", toy_sample(toy_grid, 60))


@pytest.fixture
def grid_run(tmp_path, grid_file):
    """Make a run file on the toy grid; keyword ``model`` and ``--set``-like changes."""

    def make(*settings: str, model: str = "e2e-sae") -> RunConfig:
        path = tmp_path / f"{model}.toml"
        path.write_text(
            RUN.format(
                data=grid_file,
                model=model,
                cells="poisson",
                conditions='["log_energy", "impact", "kind"]',
                extra="centre_on_impact = true\nreflect = true",
            )
        )
        return load_run(path, settings)

    return make


@pytest.fixture
def cylinder_run(tmp_path, toy_cylinder, toy_sample):
    """Make a run file on the toy cylinder, with one condition and energies."""

    def make(*settings: str, model: str = "e2e-sae") -> RunConfig:
        data = tmp_path / "cylinder.h5"
        if not data.exists():
            write_sample(data, toy_sample(toy_cylinder, 60))
        path = tmp_path / "cylinder.toml"
        path.write_text(
            RUN.format(
                data=data, model=model, cells="log1p", conditions='["energy_gev"]', extra=""
            )
        )
        return load_run(path, settings)

    return make
