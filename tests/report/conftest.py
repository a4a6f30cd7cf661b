"""Evaluations of toys, made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.report import Evaluation, evaluate_samples


@pytest.fixture(scope="session")
def grid_evaluation(toy_grid, toy_sample) -> Evaluation:
    """A reference against itself drawn anew, and against a sample with showers swapped."""
    reference, faithful = toy_sample(toy_grid, repeats=4), toy_sample(toy_grid, repeats=4)
    rng = np.random.default_rng(5)
    faithful = replace(faithful, showers=rng.poisson(reference.showers.astype(float) * 0.9))
    swapped = replace(reference, showers=reference.showers[rng.permutation(len(reference))])
    return evaluate_samples(reference, {"faithful": faithful, "_swap<b>$": swapped})


@pytest.fixture(scope="session")
def cylinder_evaluation(toy_cylinder, toy_sample) -> Evaluation:
    """Energies in layers, a sample without fluctuations, one shower of each particle."""
    reference = toy_sample(toy_cylinder, repeats=1)
    dimmer = replace(reference, showers=reference.showers * 0.5, cpu_seconds=None)
    return evaluate_samples(reference, {"dimmer": dimmer})
