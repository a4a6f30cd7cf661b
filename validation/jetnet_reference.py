"""Write JetNet's FPD and KPD of a small toy to ``tests/reference/jetnet.json``.

Usage: ``python validation/jetnet_reference.py tests/reference/jetnet.json``

JetNet does not run with NumPy 2: run this in an environment of its own, made by
``pip install "numpy<2" "pyarrow<20" "coffea<2024.10" jetnet pytz``; this file imports nothing
of caloforge. The public functions draw batches with replacement; beside them the two estimators
inside them are applied once to the whole samples, which leaves nothing to chance.
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np


def toy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of four correlated, skewed features that differ a little; see the test."""
    rng = np.random.default_rng(seed)
    mix = np.array([[1.0, 0.5, 0, 0], [0, 1, 0.3, 0], [0, 0, 1, -0.8], [0, 0, 0, 1]])
    x, y = rng.standard_normal((2, n, 4))
    return np.exp(0.5 * x @ mix), np.exp(0.55 * y @ mix) + 0.05


def main() -> None:
    warnings.simplefilter("ignore")
    from jetnet.evaluation import gen_metrics as jetnet

    x, y = toy(500, seed=1)
    scaled_x, scaled_y = jetnet._normalise_features(x, y)
    moments = [
        moment
        for values in (scaled_x, scaled_y)
        for moment in (values.mean(axis=0), np.cov(values, rowvar=False))
    ]
    large_x, large_y = toy(20_000, seed=2)
    value, error = jetnet.fpd(large_x, large_y, min_samples=5_000, max_samples=20_000)
    median, spread = jetnet.kpd(large_x, large_y)
    table = {
        "origin": "JetNet, https://github.com/jet-net/JetNet",
        "versions": {
            "jetnet": version("jetnet"),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "made_by": "validation/jetnet_reference.py",
        "whole": {
            "n": 500,
            "seed": 1,
            "sum": float(x.sum() + y.sum()),
            "frechet": float(jetnet._calculate_frechet_distance(*moments)),
            "mmd": float(jetnet._mmd_poly_quadratic_unbiased(scaled_x, scaled_y)),
        },
        "public": {
            "n": 20_000,
            "seed": 2,
            "sum": float(large_x.sum() + large_y.sum()),
            "fpd": [float(value), float(error)],
            "kpd": [float(median), float(spread)],
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
