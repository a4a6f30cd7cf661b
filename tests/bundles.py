"""Untrained bundles of small models, like any other to those who use them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from caloforge.config import run_from_tables
from caloforge.data import ShowerSample
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.transforms import CellFrame
from caloforge.nn import ShowerSpec
from caloforge.training.bundle import Bundle, build_model

E2E_SAE = {"name": "e2e-sae", "encoder": [16], "decoder": [16], "latent_dim": 3}
CONDITIONS = ["log_energy", "impact", "slope", "kind"]


def toy_bundle(sample: ShowerSample, model: dict[str, Any] = E2E_SAE, **info: object) -> Bundle:
    """A model whose weights are as they start, with seed 0."""
    grid = sample.geometry.kind == "grid"
    names = [name for name in CONDITIONS if grid or name != "impact"]
    tables = {"model": model, "data": {"conditions": names}, "train": {"steps": 1}}
    run = run_from_tables(tables, source="test")
    conditions = ConditionSet.fit(names, sample.particles, sample.geometry)
    batch = ShowerDataset(sample, conditions).batch(np.arange(len(sample)))
    spec = ShowerSpec.of(sample.geometry, conditions.dim, batch=batch)
    torch.manual_seed(0)
    built = build_model(run, spec).eval()
    return Bundle(built, run, spec, conditions, CellFrame(sample.geometry), info)


TEST = {
    "sample": "toy-test",
    "statement": "channels: halves; no cut",
    "figures": {
        "w1_ratio": {
            "model": {"value": 1.0403, "error": 0.0424, "unit": ""},
            "floor": {"value": 1.0, "error": 0.0, "unit": ""},
        },
        "classifier_auc": {
            "model": {"value": 0.5369, "error": 0.0159, "unit": ""},
            "floor": {"value": 0.4925, "error": 0.0094, "unit": ""},
        },
        "mae_conditional": {
            "model": {"value": 4.3709, "error": 0.1936, "unit": "photons"},
            "floor": {"value": 4.2388, "error": 0.1845, "unit": "photons"},
        },
    },
    "shapes": {
        "width_x": {"value": 2.58, "error": 0.46, "unit": ""},
        "lit_cells": {"value": 1.03, "error": 0.07, "unit": ""},
    },
    "showers_per_second": {"1": 812.0, "256": 9310.0, "best": 10515.0, "best_batch": 4096},
    "machine": "a processor",
    "full_simulation_seconds": 0.68,
}
"""``metrics.test`` of a bundle, made up."""
