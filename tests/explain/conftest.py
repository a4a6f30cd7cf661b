"""Bundles of small, hardly trained models, with the showers that they are explained by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caloforge.config import run_from_tables
from caloforge.data import ShowerWriter
from caloforge.data.far_light import FarLight
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.transforms import CellFrame
from caloforge.nn import ShowerSpec
from caloforge.training.bundle import Bundle, build_model, write_bundle

SMALL = {"encoder": [8], "decoder": [16]}
SAE = {"latent_dim": 3, "noise_dim": 4, "noise_width": 8, "condition_width": 8}
CONDITIONS = ["log_energy", "x_cm", "y_cm", "kind"]
# Model table, fixture of the detector, centre_on_impact.
KINDS = {
    "e2e-sae": ({"name": "e2e-sae", **SMALL, **SAE, "noise_hidden": [8]}, "toy_grid", True),
    "one code": ({"name": "vae", **SMALL, "latent_dim": 1}, "toy_grid", True),
    "regression": ({"name": "regression", "decoder": [16]}, "toy_grid", True),
    "energies": ({"name": "vae", **SMALL, "cells": "log1p"}, "toy_cylinder", False),
}


def write_sample(path, sample):
    with ShowerWriter(path, sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    return path


@pytest.fixture(scope="session")
def training_file(request, tmp_path_factory, toy_sample):
    """Shower file of the training showers: ``training_file("toy_grid")``."""
    made = {}

    def make(detector):
        if detector not in made:
            sample = toy_sample(request.getfixturevalue(detector), 120)
            made[detector] = write_sample(
                tmp_path_factory.mktemp("training") / f"{detector}.h5", sample
            )
        return made[detector]

    return make


@pytest.fixture(scope="session")
def held_out_file(request, tmp_path_factory, toy_sample):
    """Shower file of other particles: ``held_out_file("toy_grid")``."""
    made = {}

    def make(detector, **changes):
        key = (detector, *changes.items())
        if key not in made:
            sizes = {"n": 30, "seed": 5} | changes
            sample = toy_sample(request.getfixturevalue(detector), **sizes)
            made[key] = write_sample(tmp_path_factory.mktemp("held-out") / "full.h5", sample)
        return made[key]

    return make


@pytest.fixture(scope="session")
def make_bundle(request, tmp_path_factory, toy_sample, training_file):
    """Folder of a bundle of one of `KINDS`, its training showers named in it."""
    made = {}

    def make(kind):
        if kind not in made:
            model, detector, centre = KINDS[kind]
            geometry = request.getfixturevalue(detector)
            path = training_file(detector)
            sample = toy_sample(geometry, 120)
            data = {"conditions": CONDITIONS, "centre_on_impact": centre}
            tables = {"model": model, "data": data, "train": {"steps": 1}}
            run = run_from_tables(tables, source="test")
            conditions = ConditionSet.fit(CONDITIONS, sample.particles, geometry)
            light = FarLight.fit(CellFrame(geometry, centre), sample.particles, sample.showers)
            batch = ShowerDataset(sample, conditions, centre).batch(np.arange(len(sample)))
            spec = ShowerSpec.of(geometry, conditions.dim, batch=batch)
            torch.manual_seed(0)
            network = build_model(run, spec)
            optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
            rng = torch.Generator().manual_seed(0)
            for _ in range(60):
                optimizer.zero_grad()
                for phase in network.phases():
                    phase.objective(batch, rng).total.backward()
                optimizer.step()
            info = {"data": {"source": str(path), "sha256": _sha256(path)}}
            frame = CellFrame(geometry, centre, light)
            bundle = Bundle(network.eval(), run, spec, conditions, frame, info)
            folder = tmp_path_factory.mktemp("bundle") / kind.replace(" ", "-")
            made[kind] = write_bundle(folder, bundle, force=False)
        return made[kind]

    return make


def _sha256(path):
    from caloforge.data import ShowerFile

    with ShowerFile(path) as file:
        return file.sha256()


@pytest.fixture(autouse=True)
def small_work(monkeypatch):
    """Less work than for people."""
    from caloforge.explain import codes, latent_sections, memory, sweeps

    monkeypatch.setattr(latent_sections, "MAPPED", 40)
    monkeypatch.setattr(codes, "N_BOOTSTRAP", 8)
    monkeypatch.setattr(codes, "N_FOLDS", 2)
    monkeypatch.setattr(sweeps, "N_PARTICLES", 16)
    monkeypatch.setattr(sweeps, "N_VALUES", 5)
    monkeypatch.setattr(memory, "N_PERMUTATIONS", 49)
