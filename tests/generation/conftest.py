"""Bundles of small models. They are not trained: showers need only be random and repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caloforge.config import run_from_tables
from caloforge.data import ShowerWriter, write_particles
from caloforge.data.deposit_twins import STEPS, DepositTwins
from caloforge.data.far_light import FarLight
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.track_light import TrackLight
from caloforge.data.transforms import CellFrame
from caloforge.geometry import load_geometry
from caloforge.nn import ShowerSpec
from caloforge.training.bundle import Bundle, build_model, write_bundle

SMALL = {"encoder": [8], "decoder": [16]}
CODED = {**SMALL, "latent_dim": 3, "noise_dim": 4, "noise_width": 8, "condition_width": 8}
CONDITIONS = ["log_energy", "slope", "kind"]
# Model table, geometry, centre_on_impact: every cell law, layout and size of noise.
KINDS = {
    "e2e-sae": ({"name": "e2e-sae", **CODED, "noise_hidden": [8]}, "toy_grid", True),
    "clusters": (
        {"name": "vae", **SMALL, "cells": "negative-binomial"},
        "toy_grid",
        False,
    ),
    "hits": (
        {"name": "e2e-sae", **CODED, "network": "shapes", "noise_hidden": [8]},
        "toy_grid",
        True,
    ),
    "clustered hits": (
        {"name": "vae", **SMALL, "network": "shapes", "cells": "negative-binomial"},
        "toy_grid",
        False,
    ),
    "tracks": (
        {"name": "e2e-sae", **CODED, "network": "shapes", "cells": "tracks"},
        "toy_grid",
        True,
    ),
    "tracks of cells": ({"name": "vae", **SMALL, "cells": "tracks"}, "toy_grid", True),
    "rounding": ({"name": "vae", **SMALL, "cells": "log1p"}, "toy_grid", False),
    "energies": ({"name": "vae", **SMALL, "cells": "log1p"}, "toy_cylinder", False),
    "deposits": ({"name": "vae", **SMALL, "cells": "deposits"}, "toy_cylinder", False),
    "hits of deposits": (
        {"name": "e2e-sae", **CODED, "network": "shapes", "cells": "deposits"},
        "toy_cylinder",
        False,
    ),
    "twins": ({"name": "vae", **SMALL, "cells": "deposit-tracks"}, "toy_cylinder", False),
    "twins of shapes": (
        {"name": "e2e-sae", **CODED, "network": "shapes", "cells": "deposit-tracks"},
        "toy_cylinder",
        False,
    ),
    "no noise": ({"name": "regression", "decoder": [16]}, "toy_grid", True),
    "conv": (
        {"name": "vae", "network": "conv", "encoder": [4, 4], "decoder": [16, 8, 4]},
        "zn",
        True,
    ),
}


@pytest.fixture(scope="session")
def make_bundle(request, tmp_path_factory, toy_sample):
    """Folder of a bundle: ``make_bundle("e2e-sae")``, one of `KINDS`."""
    made = {}

    def make(kind):
        if kind not in made:
            model, detector, centre = KINDS[kind]
            geometry = (
                load_geometry("zn") if detector == "zn" else request.getfixturevalue(detector)
            )
            sample = toy_sample(geometry, 60)
            data = {"conditions": CONDITIONS, "centre_on_impact": centre}
            run = run_from_tables(
                {"model": model, "data": data, "train": {"steps": 1}}, source="test"
            )
            conditions = ConditionSet.fit(CONDITIONS, sample.particles, geometry)
            frame = CellFrame(geometry, centre)
            light = FarLight.fit(frame, sample.particles, sample.showers)
            frame = CellFrame(geometry, centre, light)
            batch = ShowerDataset(sample, conditions, centre).batch(np.arange(len(sample)))
            tracks = TrackLight(
                1.2, 0.6, 1.3, TrackLight(0.3, 0.2, 1.0), conditions.electromagnetic
            )
            if model.get("cells") == "deposit-tracks":
                tracks = DepositTwins(np.full((len(STEPS), 4), 0.02), 0.2)
            spec = ShowerSpec.of(geometry, conditions.dim, batch=batch, tracks=tracks)
            torch.manual_seed(0)
            network = build_model(run, spec)
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(0.05 * torch.randn_like(parameter))
            bundle = Bundle(network.eval(), run, spec, conditions, frame, {})
            made[kind] = write_bundle(
                tmp_path_factory.mktemp("bundle") / kind, bundle, force=False
            )
        return made[kind]

    return make


@pytest.fixture(scope="session")
def particles(toy_grid, toy_sample):
    """150 particles, the first 60 of which were used to scale the conditions."""
    return toy_sample(toy_grid, 60, repeats=1).particles.select([*range(60)] * 2 + [*range(30)])


@pytest.fixture
def particle_files(tmp_path, particles, toy_grid, toy_sample):
    """The same particles as shower file, CSV and Parquet."""
    showers = toy_sample(toy_grid, 150, repeats=1).showers
    with ShowerWriter(tmp_path / "p.h5", toy_grid, provenance={}) as writer:
        writer.append(particles, showers)
    for suffix in ("csv", "parquet"):
        write_particles(tmp_path / f"p.{suffix}", particles, force=False)
    return [tmp_path / f"p.{suffix}" for suffix in ("h5", "csv", "parquet")]
