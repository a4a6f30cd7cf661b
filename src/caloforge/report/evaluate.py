"""Read a reference and generated samples, check that they fit, and compare them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge import __version__
from caloforge.data import ShowerSample, read_showers, resolve
from caloforge.errors import ConfigError, GeometryError
from caloforge.metrics import Comparison, Incidents, Sample, compare, measure, observables, pair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

RESERVED = ("floor", "reference")


@dataclass(frozen=True, eq=False)
class PairedShowers:
    """The showers of one sample that take part in a comparison, for pictures.

    Attributes:
        name: Name of the sample.
        showers: Cell responses, ``(n, cell)``.
        particle: Number of the common incident particle of each shower, ``(n,)``.
        energy_gev: Energy of that particle, ``(n,)``.
        kind: Kind of that particle, ``(n,)``.
        channels: Channel sums, ``(n, channel)``.
        observables: Shower shapes, ``(n, observable)``.
    """

    name: str
    showers: NDArray[Any]
    particle: NDArray[np.int64]
    energy_gev: NDArray[np.float64]
    kind: NDArray[np.str_]
    channels: NDArray[np.float64]
    observables: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A comparison with the samples behind it.

    Attributes:
        comparison: All figures.
        reference: Full simulation.
        generated: Generated samples by name.
        seed: Seed of the bootstrap.
    """

    comparison: Comparison
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

    @cached_property
    def paired(self) -> tuple[PairedShowers, ...]:
        """Showers of common particles that pass the cut: the reference, then each sample."""
        names = ("full simulation", *self.generated)
        samples = (self.reference, *self.generated.values())
        shapes = observables(self.reference.geometry)
        total = [shape.name for shape in shapes].index("total")
        columns = [measure(shapes, sample.showers) for sample in samples]
        passed = [values[:, total] >= self.comparison.cut for values in columns]
        shared = _shared_columns(samples)
        incidents = [
            _incidents(sample, shared).select(p)
            for sample, p in zip(samples, passed, strict=True)
        ]
        pairing = pair(incidents)
        first = pairing.groups[0]
        numbers, rows = np.unique(first, return_index=True)
        rows = np.flatnonzero(passed[0])[rows[numbers >= 0]]
        energy = self.reference.particles["energy_gev"][rows]
        kind = self.reference.particles.select(rows).kinds()
        channels = self.reference.geometry.channels(self.comparison.convention)
        result = []
        for name, sample, values, p, group in zip(
            names, samples, columns, passed, pairing.groups, strict=True
        ):
            chosen = np.flatnonzero(p)[group >= 0]
            particle = group[group >= 0]
            showers = sample.showers[chosen]
            result.append(
                PairedShowers(
                    name=name,
                    showers=showers,
                    particle=particle,
                    energy_gev=energy[particle],
                    kind=kind[particle],
                    channels=channels.sums(showers),
                    observables=values[chosen],
                )
            )
        return tuple(result)

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
    for name, sample in generated.items():
        if name in RESERVED:
            msg = f"evaluate: found a sample named '{name}', expected another name; rename it"
            raise ConfigError(msg)
        if not reference.geometry.same_cells(sample.geometry):
            msg = (
                f"{sample.source}: found cells of detector '{sample.geometry.name}', expected "
                f"those of '{reference.geometry.name}' as in {reference.source}; compare "
                "showers of one detector"
            )
            raise GeometryError(msg)
    shared = _shared_columns((reference, *generated.values()))
    comparison = compare(
        Sample(reference.showers, _incidents(reference, shared)),
        {n: Sample(s.showers, _incidents(s, shared)) for n, s in generated.items()},
        reference.geometry,
        rng=np.random.default_rng(seed),
        convention=convention,
        cut=cut,
    )
    return Evaluation(comparison, reference, dict(generated), seed)


def _read(name_or_path: str | Path) -> ShowerSample:
    """Read a shower file; tables and messages call it what the user called it."""
    return replace(read_showers(resolve(name_or_path)), source=str(name_or_path))


def _shared_columns(samples: tuple[ShowerSample, ...]) -> list[str]:
    return sorted(set.intersection(*(set(sample.particles.names) for sample in samples)))


def _incidents(sample: ShowerSample, columns: list[str]) -> Incidents:
    properties = np.stack(
        [np.asarray(sample.particles[name], dtype=np.float64) for name in columns], axis=1
    )
    return Incidents(sample.particles.incident, properties, sample.source)
