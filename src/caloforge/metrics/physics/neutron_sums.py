"""Sums of the responses to several neutrons, without throwing events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.statistics.robust import ONE_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Incoming

NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30)
ADJACENT = 5  # pairs of peaks: 1 and 2 up to 5 and 6; the spectrum shows 1 to 6 neutrons
WINDOW = 0.10  # in energy, on either side
BINS = 120  # of the spectrum
_LEVELS = 256  # most steps that the response of one neutron is divided into
_REACH = 4  # times the largest response of full simulation: brighter showers count as that


class Selected(NamedTuple):
    """Neutrons of nearly one energy.

    Attributes:
        particles: Whether a particle is one, ``(particle,)``.
        energy_gev: In the middle of the window.
        n: Showers on either side of an estimator.
    """

    particles: NDArray[np.bool_]
    energy_gev: float
    n: int


def select(incoming: Incoming, repeats: int, *, matched: bool) -> Selected | None:
    """Find the window of ±10 % in energy with most neutrons; ``None`` without neutrons."""
    neutron = incoming.kind == "n"
    if not neutron.any():
        return None
    energy = np.sort(incoming.energy_gev[neutron])
    inside = np.searchsorted(energy, energy * (1 + WINDOW), side="right")
    inside -= np.searchsorted(energy, energy * (1 - WINDOW), side="left")
    middle = float(energy[inside.argmax()])
    chosen = neutron & (np.abs(incoming.energy_gev / middle - 1) <= WINDOW)
    n = int(chosen.sum())
    return Selected(chosen, middle, n * repeats if matched else n // 2)


class Grid(NamedTuple):
    """Steps of the response.

    Attributes:
        width: Of one step, in the unit of the response: 1 for counts, where they are few.
        levels: Most steps of one shower, with that of no response; the last is for all that
            is brighter.
        coarse: Steps in one bin of the spectrum.
    """

    width: float
    levels: int
    coarse: int

    @classmethod
    def of(cls, largest: float, mean: float, *, counts: bool) -> Grid:
        """Grid for showers like those of full simulation.

        Its steps do not depend on the samples that are compared: one odd shower of one sample
        must not coarsen the figures of all.

        Arguments:
            largest: Response of a shower of full simulation.
            mean: Response of a shower of full simulation.
            counts: Whether responses are integers.
        """
        if counts:
            width = float(max(1, int(np.ceil(largest / _LEVELS))))
        else:
            width = largest / _LEVELS if largest > 0 else 1.0
        levels = int(np.floor(_REACH * largest / width + 0.5)) + 1
        span = (NUMBERS[ADJACENT] + 3) * mean / width
        return cls(width, levels, max(1, int(np.ceil(span / BINS))))


def convolved(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution of the sum of several independent showers.

    Arguments:
        chances: Of each step of the response of one shower, ``(level,)``, sum 1.

    Returns:
        One row for each of `NUMBERS`, ``(number, steps)``.

    Example:
        >>> convolved(np.array([0.5, 0.5]))[1, :3].round(12).tolist()
        [0.25, 0.5, 0.25]
    """
    steps = NUMBERS[-1] * (chances.size - 1) + 1
    size = 1 << (steps - 1).bit_length()
    one = np.fft.rfft(chances, size)
    several = np.fft.irfft(one ** np.array(NUMBERS)[:, None], size, axis=1)
    found: NDArray[np.float64] = np.maximum(several[:, :steps], 0)
    return found


class Reading(NamedTuple):
    """What sums say.

    Attributes:
        separation: Distance of adjacent peaks over their half-widths, ``(5,)``.
        error: Mean of reconstructed minus true number, for each of `NUMBERS`.
        rms: Root mean square of the same.
        right: Share with the right number.
        spectrum: Density of equally many events of 1 to 6 neutrons, ``(120,)``.
    """

    separation: NDArray[np.float64]
    error: NDArray[np.float64]
    rms: NDArray[np.float64]
    right: NDArray[np.float64]
    spectrum: NDArray[np.float64]


def read(several: NDArray[np.float64], mean: float, grid: Grid) -> Reading:
    """Read distributions of sums.

    Arguments:
        several: From `convolved`.
        mean: Response that stands for one neutron.
        grid: Its steps.
    """
    number = np.array(NUMBERS, dtype=np.float64)
    response = grid.width * np.arange(several.shape[1])
    found = np.floor(response / mean + 0.5)
    off = found - number[:, None]
    middle = np.cumsum(several[: ADJACENT + 1], axis=1) - several[: ADJACENT + 1] / 2
    levels = (ONE_SIGMA, 0.5, 1 - ONE_SIGMA)
    low, median, high = np.array([np.interp(levels, m, response) for m in middle]).T
    width = (high - low) / 2
    between = (width[1:] + width[:-1]) / 2
    separation = np.divide(
        np.diff(median), between, out=np.full(ADJACENT, np.nan), where=between > 0
    )
    mixture = several[: ADJACENT + 1].mean(axis=0)
    bins = np.zeros(BINS * grid.coarse)
    part = mixture[: bins.size]
    bins[: part.size] = part
    spectrum = bins.reshape(BINS, grid.coarse).sum(axis=1) / (grid.coarse * grid.width)
    return Reading(
        separation,
        (several * off).sum(axis=1),
        np.sqrt((several * off**2).sum(axis=1)),
        (several * (off == 0)).sum(axis=1),
        spectrum,
    )
