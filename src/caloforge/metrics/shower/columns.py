"""Channels and observables of a trial, side by side: what one-dimensional metrics look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial

ENERGY_RESPONSE = "energy_response"


class Columns(NamedTuple):
    """Numbers of every shower.

    Attributes:
        names: Channels, then observables, then `ENERGY_RESPONSE`.
        units: Their units.
        values: One table ``(n, column)`` for the reference and for each generated side.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: tuple[NDArray[np.float64], ...]


def columns(trial: Trial) -> Columns:
    """Channels, observables and the response per energy of all sides.

    The last, total response over incident energy, is the CaloChallenge's E_tot / E_inc. A
    channel with the name of an observable is that observable (the only channel of a geometry
    without conventions is the total response) and is left out.
    """
    shapes = [shape.name for shape in trial.shapes]
    own = [k for k, name in enumerate(trial.channels.names) if name not in shapes]
    return Columns(
        (*(trial.channels.names[k] for k in own), *shapes, ENERGY_RESPONSE),
        (
            *(trial.geometry.unit for _ in own),
            *(shape.unit for shape in trial.shapes),
            f"{trial.geometry.unit}/GeV",
        ),
        tuple(
            np.concatenate(
                (
                    side.channels[:, own],
                    side.observables,
                    energy_response(trial, side)[:, None],
                ),
                axis=1,
            )
            for side in trial.sides
        ),
    )


def energy_response(trial: Trial, side: Side) -> NDArray[np.float64]:
    """Total response over incident energy of every shower, in cell units per GeV, ``(n,)``."""
    quotient: NDArray[np.float64] = side.observables[:, trial.total] / side.energy_gev
    return quotient


def draw_size(trial: Trial, max_showers: int | None = None) -> int:
    """Showers on either side of a draw of `Trial.draw`."""
    if not trial.matched:
        half = trial.n_particles // 2
        return half if max_showers is None else min(half, max(1, max_showers))
    particles = trial.n_particles
    if max_showers is not None:
        particles = min(particles, max(2, max_showers // trial.repeats))
    return particles * trial.repeats
