"""Read a bundle and full simulation, and explain the one by the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge import __version__
from caloforge.data import read_showers, resolve
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.explain import sections
from caloforge.explain.memory import find_training
from caloforge.explain.subject import Subject
from caloforge.generation import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data import ShowerSample
    from caloforge.explain.section import Section
    from caloforge.generation import FastSimulation

FORMAT, VERSION = "caloforge-explanation", 1
N_SHOWERS = 2000
_FEWEST = 20  # showers, and half as many particles


@dataclass(frozen=True)
class Explanation:
    """What was found about a model.

    Attributes:
        title: Name of the model.
        about: Bundle, detector, full simulation, sizes and seed, by name.
        sections: The parts, in order.
    """

    title: str
    about: dict[str, Any]
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``explain.json``, as docs/explain.md describes it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "title": self.title,
            "about": self.about,
            "sections": {
                part.name: {"sentences": list(part.sentences), **part.numbers}
                for part in self.sections
            },
        }


def explain_file(
    bundle: str | Path,
    full_simulation: str | Path,
    *,
    training: str | Path | None = None,
    n_showers: int = N_SHOWERS,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Explanation:
    """Explain a trained model by full simulation that it was not trained on.

    Arguments:
        bundle: Folder of a bundle, or of the training run that made it.
        full_simulation: Shower file of the bundle's detector, or the name of a sample.
        training: Showers that the model was trained on; by default those the bundle names.
        n_showers: Most showers that are used: a random part of the incident particles is
            taken, with all of their showers.
        seed: Equal seeds give equal results.
        progress: Called before each part with its title, its number and the number of parts.

    Raises:
        BundleError: If the bundle is unusable.
        DataFormatError: If a file is unusable, or has too few showers.
        GeometryError: If a file is of another detector than the bundle.
        ConfigError: If ``n_showers`` is too small.
    """
    if n_showers < _FEWEST:
        msg = f"n-showers: found {n_showers}, expected {_FEWEST} or more; take more"
        raise ConfigError(msg)
    simulation = load(bundle)
    sample = replace(read_showers(resolve(full_simulation)), source=str(full_simulation))
    _check(simulation, sample, str(bundle))
    trained = find_training(simulation.bundle, training)
    rows = _some_particles(sample, n_showers, np.random.default_rng((seed, 0)))
    subject = Subject(simulation, sample.select(rows))
    parts = sections.parts(subject, trained, seed)
    found = []
    for number, (title, make) in enumerate(parts):
        if progress is not None:
            progress(title, number, len(parts))
        found.append(make(np.random.default_rng((seed, number + 1))))
    run = simulation.bundle.run
    about = {
        "bundle": str(bundle),
        "model": run.model_name,
        "latent dimensions": subject.latent.latent_dim if subject.latent else None,
        "noise variables": simulation.bundle.generator.noise_dim,
        "detector": subject.geometry.name,
        "full simulation": sample.source,
        "showers used": len(subject.sample),
        "particles used": int(subject.particle.max()) + 1,
        "showers in the file": len(sample),
        "particles outside the trained range": _outside(subject),
        "training showers": trained.note,
        "seed": seed,
        "caloforge": __version__,
    }
    return Explanation(run.title or run.model_name, about, tuple(found))


def _check(simulation: FastSimulation, sample: ShowerSample, bundle: str) -> None:
    if not simulation.geometry.same_cells(sample.geometry):
        msg = (
            f"{sample.source}: found showers of detector '{sample.geometry.name}', expected "
            f"'{simulation.geometry.name}' as of {bundle}; give full simulation of that one"
        )
        raise GeometryError(msg)
    n_particles = np.unique(sample.particles.incident).size
    if len(sample) < _FEWEST or 2 * n_particles < _FEWEST:
        msg = (
            f"{sample.source}: found {len(sample)} showers of {n_particles} particles, "
            f"expected at least {_FEWEST} of {_FEWEST // 2}; give a larger sample"
        )
        raise DataFormatError(msg)
    if not sample.showers.any():
        msg = f"{sample.source}: found no response in any shower; give showers that hit"
        raise DataFormatError(msg)


def _some_particles(
    sample: ShowerSample, n_showers: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of all showers of so many random particles that there are not too many."""
    if len(sample) <= n_showers:
        return np.arange(len(sample))
    _, particle, repeats = np.unique(
        sample.particles.incident, return_inverse=True, return_counts=True
    )
    order = rng.permutation(len(repeats))
    fits = np.cumsum(repeats[order]) <= n_showers
    fits[: _FEWEST // 2] = True
    return np.flatnonzero(np.isin(particle, order[fits]))


def _outside(subject: Subject) -> int:
    """Particles of the sample that lie outside the trained range."""
    found = subject.bundle.conditions.outside(subject.sample.particles, subject.geometry)
    if not found:
        return 0
    rows = np.logical_or.reduce(list(found.values()))
    return int(np.unique(subject.particle[rows]).size)
