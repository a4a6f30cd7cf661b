"""Incident particles that were never simulated: one property swept, or between two others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data import Particles

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOMENTUM = ("px_gev", "py_gev", "pz_gev")


def frequent_kinds(particles: Particles, n: int) -> list[str]:
    """The most frequent kinds of particles, the most frequent first."""
    kinds, number = np.unique(particles.kinds(), return_counts=True)
    return [str(kind) for kind in kinds[np.argsort(-number, kind="stable")][:n]]


def swept(particles: Particles, column: str, values: NDArray[np.float64]) -> Particles:
    """The same particles with one column set to values; the directions are kept.

    Arguments:
        particles: ``n`` rows.
        column: A property; with ``"energy_gev"`` the momenta follow.
        values: ``(n,)``.
    """
    direction = np.stack([particles[name] for name in _MOMENTUM], axis=1)
    moved = Particles({**particles.columns, column: values}, np.arange(len(particles)))
    return along(moved, direction)


def between(first: Particles, last: Particles, steps: NDArray[np.float64]) -> Particles:
    """Particles on the way from one to another of the same kind.

    Energies move on a logarithmic scale, everything else on a linear one.

    Arguments:
        first: One row.
        last: One row.
        steps: Where on the way, from 0 to 1, ``(n,)``.
    """
    columns: dict[str, Any] = {
        name: (1 - steps) * first[name] + steps * last[name] for name in first.names
    }
    energies = [np.log(side["energy_gev"]) for side in (first, last)]
    columns["energy_gev"] = np.exp((1 - steps) * energies[0] + steps * energies[1])
    columns["pdg"] = np.repeat(first["pdg"], steps.size)
    direction = np.stack([columns[name] for name in _MOMENTUM], axis=1)
    return along(Particles(columns, np.arange(steps.size)), direction)


def along(particles: Particles, direction: NDArray[np.float64]) -> Particles:
    """The same particles in a direction ``(n, 3)``, their momenta fitting their energies."""
    length = np.linalg.norm(direction, axis=1)
    size = _momentum(particles) / np.where(length > 0, length, 1.0)
    columns = dict(particles.columns)
    for k, name in enumerate(_MOMENTUM):
        columns[name] = size * direction[:, k]
    return Particles(columns, particles.incident)


def _momentum(particles: Particles) -> NDArray[np.float64]:
    """Size of the momentum from energy and mass in GeV, ``(n,)``."""
    square = particles["energy_gev"] ** 2 - (particles["mass_mev"] / 1000) ** 2
    momentum: NDArray[np.float64] = np.sqrt(np.maximum(square, 1e-18))
    return momentum
