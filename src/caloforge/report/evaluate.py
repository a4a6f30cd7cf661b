"""Read a reference and generated samples, check that they fit, and compare them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge import __version__
from caloforge.data import ShowerSample, read_showers, resolve
from caloforge.metrics import Comparison, Trial, compare, make_trial

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A comparison with the samples behind it.

    Attributes:
        comparison: All figures.
        trial: The showers that took part.
        reference: Full simulation.
        generated: Generated samples by name.
        seed: Seed of the bootstrap.
    """

    comparison: Comparison
    trial: Trial
    reference: ShowerSample
    generated: Mapping[str, ShowerSample]
    seed: int

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """Mean time of a shower on one core in s, for the samples that state it."""
        samples = {"reference": self.reference, **self.generated}
        return {
            name: float(sample.cpu_seconds.mean())
            for name, sample in samples.items()
            if sample.cpu_seconds is not None
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``, as docs/metrics.md describes it."""
        return {
            **self.comparison.as_dict(),
            "caloforge": __version__,
            "seed": self.seed,
            "cpu_seconds_per_shower": self.cpu_seconds,
        }


def evaluate_files(
    reference: str | Path,
    generated: Mapping[str, str | Path],
    *,
    convention: str | None = None,
    cut: float = 0.0,
    seed: int = 0,
) -> Evaluation:
    """Compare shower files; `evaluate_samples` with the files read first.

    Arguments:
        reference: Shower file of full simulation, or the name of a sample that comes along.
        generated: Shower files by the name that they shall have in tables.
        convention: Channel convention, by default the geometry's first.
        cut: Least total response of the showers that take part.
        seed: Seed of the bootstrap.

    Raises:
        DataFormatError: If a file is missing or unusable, or nothing pairs.
        GeometryError: If the files are of different detectors.
        ConfigError: If an option is out of range.
    """
    return evaluate_samples(
        _read(reference),
        {name: _read(path) for name, path in generated.items()},
        convention=convention,
        cut=cut,
        seed=seed,
    )


def evaluate_samples(
    reference: ShowerSample,
    generated: Mapping[str, ShowerSample],
    *,
    convention: str | None = None,
    cut: float = 0.0,
    seed: int = 0,
) -> Evaluation:
    """Compare generated samples with full simulation of the same particles.

    Arguments:
        reference: Full simulation.
        generated: Generated samples, by the name that they shall have in tables.
        convention: Channel convention, by default the geometry's first.
        cut: Least total response of the showers that take part.
        seed: Seed of the bootstrap.

    Raises:
        DataFormatError: If nothing pairs.
        GeometryError: If the samples are of different detectors.
        ConfigError: If an option is out of range.
    """
    rng = np.random.default_rng(seed)
    trial = make_trial(reference, generated, rng=rng, convention=convention, cut=cut)
    return Evaluation(compare(trial, rng=rng), trial, reference, dict(generated), seed)


def _read(name_or_path: str | Path) -> ShowerSample:
    """Read a shower file; tables and messages call it what the user called it."""
    return replace(read_showers(resolve(name_or_path)), source=str(name_or_path))
