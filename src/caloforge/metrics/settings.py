"""How much work the metrics of a suite may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from caloforge.data import ShowerSample


@dataclass(frozen=True)
class Settings:
    """Sizes that trade time for precision; each suite has its own.

    Attributes:
        n_bootstrap: Resamplings of the incident particles behind each error.
        n_permutations: Permutations of the labels behind each p-value.
        n_draws: Draws of showers that cheap estimators are averaged over.
        n_seeds: Trainings of each classifier.
        n_folds: Folds of each classifier, by incident particle.
        max_showers: Most showers on either side of estimators whose cost grows with n squared.
        network: ONNX file of a feature network for the FID, beside the shipped one.
        training: Showers that the generator was trained on, for the memorisation check.
    """

    n_bootstrap: int = 200
    n_permutations: int = 999
    n_draws: int = 4
    n_seeds: int = 3
    n_folds: int = 5
    max_showers: int = 5000
    network: Path | None = None
    training: ShowerSample | None = None
