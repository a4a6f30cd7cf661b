r"""Single-particle peaks against energy: position, resolution, linearity, by kind.

The response to one particle is divided by its energy, :math:`r = R / E`, so that a bin of
energy has one peak. Position and width are those of `robust.peak`: the mean, with what lies
farther than two half-widths from the median moved there, and half of the range of the middle
68.3 %. The resolution is width over position. Generated showers are compared with full
simulation of the same incident particles in every bin, so what differs between particles
(impact point, energy within the bin) is common.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.figures import Curve, Definition, Finding
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.statistics.bootstrap import measured
from caloforge.metrics.statistics.robust import peak, relative
from caloforge.metrics.statistics.signed import column_figures, signed_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.figures import Figure
    from caloforge.metrics.samples.trial import Incoming, Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.floor import Distances

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

LEAST = 50  # showers in a bin of energy on either side
MAX_BINS = 6
FOR_A_LINE = 3  # bins that a straight line needs
POSITION, RESOLUTION, SLOPE = 0.03, 0.10, 0.02

_SOURCE = "standard of test-beam analyses; ALICE Technical Design Report of the ZDC, LHCC 99-5"

PEAK_POSITION = Definition(
    name="peak_position",
    label="Peak position",
    group="physics",
    unit="",
    ideal="0",
    range="-1 upwards",
    meaning=(
        "Position of the peak of response / energy in generated showers over that in full "
        f"simulation, minus 1; off by more than {POSITION:.0%} the energy scale is wrong."
    ),
    source=_SOURCE,
    bias="Unbiased to the order of 1/n; a mean over bins lets opposite shifts cancel.",
    blind="Tails beyond two half-widths, and which showers belong to which particle of a bin.",
    headline=True,
)
PEAK_RESOLUTION = Definition(
    name="peak_resolution",
    label="Resolution of the peak",
    group="physics",
    unit="",
    ideal="0",
    range="-1 upwards",
    meaning=(
        "68.3 % half-width over position of the peak of response / energy, generated over full "
        "simulation, minus 1; below 0 the showers fluctuate too little."
    ),
    source=_SOURCE,
    bias="Both sides are low by the order of 1/n, which cancels.",
    blind="Tails beyond 16 and 84 %; where the fluctuation comes from.",
    headline=True,
)
LINEARITY = Definition(
    name="linearity",
    label="Linearity",
    group="physics",
    unit="per unit of ln E",
    ideal="0",
    range="unbounded",
    meaning=(
        "Slope of a straight line through peak response / energy against ln E, over the mean "
        "of the peaks, generated minus full simulation: another rise of response with energy."
    ),
    source="test-beam practice; straight in ln E for hadrons (Wigmans, Calorimetry)",
    bias="Unbiased to the order of 1/n.",
    blind="A common factor (see the peak position), and what is not straight in ln E.",
)
DEFINITIONS = (PEAK_POSITION, PEAK_RESOLUTION, LINEARITY)


class Bin(NamedTuple):
    """Particles of one kind in a range of energy.

    Attributes:
        kind: Kind of the particles.
        low_gev: Least energy.
        high_gev: Largest energy.
        centre_gev: Geometric mean of the energies.
    """

    kind: str
    low_gev: float
    high_gev: float
    centre_gev: float

    @property
    def label(self) -> str:
        """Name of the bin in tables."""
        if self.low_gev == self.high_gev:
            return f"{self.kind}, {self.low_gev:.3g} GeV"
        return f"{self.kind}, {self.low_gev:.3g} to {self.high_gev:.3g} GeV"


def energy_bins(
    incoming: Incoming, *, per_bin: int, max_bins: int = MAX_BINS
) -> tuple[list[Bin], NDArray[np.int64]]:
    """Divide each kind into bins of energy with equally many particles.

    Particles of one energy are never divided. Kinds with fewer than ``per_bin`` particles have
    no bin.

    Arguments:
        incoming: The particles.
        per_bin: Least number of particles in a bin.
        max_bins: Most bins of a kind.

    Returns:
        The bins, most frequent kinds first, and the bin of each particle, -1 for none.
    """
    bins: list[Bin] = []
    number = np.full(len(incoming), -1)
    kinds, found = np.unique(incoming.kind, return_counts=True)
    for kind in kinds[np.argsort(-found, kind="stable")]:
        own = np.flatnonzero(incoming.kind == kind)
        energy = incoming.energy_gev[own]
        n = min(max_bins, own.size // per_bin)
        if not n:
            continue
        inner = np.unique(np.quantile(energy, np.arange(1, n) / n))
        place = np.searchsorted(inner[inner > energy.min()], energy, side="right")
        for k in np.unique(place):
            inside = energy[place == k]
            number[own[place == k]] = len(bins)
            centre = float(np.exp(np.log(inside).mean()))
            bins.append(Bin(str(kind), float(inside.min()), float(inside.max()), centre))
    return bins, number


def slope_in_log_energy(
    centres_gev: NDArray[np.float64], response: NDArray[np.float64]
) -> float:
    """Slope of a straight line through response against ln E, over the mean response."""
    x = np.log(centres_gev)
    x = x - x.mean()
    mean = response.mean()
    return float(x @ response / (x @ x) / mean) if mean else float("nan")


def single_particles(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Peak position, resolution and linearity of the response, by kind and energy.

    Cannot see: kinds with fewer than 50 showers on either side, which have no bin.
    """
    per_particle = trial.repeats if trial.matched else 0.5
    bins, number = energy_bins(trial.incoming, per_bin=math.ceil(LEAST / per_particle))
    if not bins:
        return Finding()
    values = [
        _columns(side.observables[:, trial.total] / side.energy_gev, number[side.particle])
        for side in trial.sides
    ]
    groups = _groups(bins)
    differences = partial(_differences, bins=bins, groups=groups)
    found = signed_draws(trial, values, differences, settings, rng)
    showers = np.bincount(number[number >= 0], minlength=len(bins)) * trial.repeats
    if not trial.matched:
        showers = showers // 2
    return Finding(
        _figures(trial, groups, found.figures, showers), _curves(trial, bins, found.curves)
    )


def _columns(response: Array, number: NDArray[np.int64]) -> Array:
    return np.stack((response, number.astype(np.float64)), axis=1)


class _Group(NamedTuple):
    """One row of the tables: a bin, or all bins of a kind."""

    target: str
    rows: list[int]


def _groups(bins: list[Bin]) -> list[_Group]:
    groups = []
    for kind in dict.fromkeys(b.kind for b in bins):
        rows = [k for k, b in enumerate(bins) if b.kind == kind]
        if len(rows) > 1:
            groups.append(_Group(kind, rows))
        groups += [_Group(bins[k].label, [k]) for k in rows]
    return groups


def _peaks(values: Array, counts: Counts, n_bins: int) -> tuple[Array, Array]:
    """Position and resolution in every bin."""
    position, resolution = np.full(n_bins, np.nan), np.full(n_bins, np.nan)
    for k in range(n_bins):
        inside = values[:, 1] == k
        found = peak(values[inside, 0], counts[inside])
        position[k] = found.position
        if found.position > 0:
            resolution[k] = found.width / found.position
    return position, resolution


def _differences(
    first: Array,
    second: Array,
    own: Counts,
    other: Counts,
    *,
    bins: list[Bin],
    groups: list[_Group],
) -> Array:
    """Position, resolution, slope of each group; position, resolution of the second's bins."""
    expected, given = _peaks(first, own, len(bins)), _peaks(second, other, len(bins))
    differences = [
        np.array([relative(g, e)[group.rows].mean() for group in groups])
        for g, e in zip(given, expected, strict=True)
    ]
    centres = np.array([b.centre_gev for b in bins])
    slopes = [
        slope_in_log_energy(centres[group.rows], given[0][group.rows])
        - slope_in_log_energy(centres[group.rows], expected[0][group.rows])
        if len(group.rows) >= FOR_A_LINE
        else np.nan
        for group in groups
    ]
    return np.concatenate((*differences, slopes, *given))


def _figures(
    trial: Trial, groups: list[_Group], found: Distances, showers: NDArray[np.int64]
) -> list[Figure]:
    figures: list[Figure] = []
    for part, (definition, tolerance) in enumerate(
        ((PEAK_POSITION, POSITION), (PEAK_RESOLUTION, RESOLUTION), (LINEARITY, SLOPE))
    ):
        for k, group in enumerate(groups):
            if definition is LINEARITY and len(group.rows) < FOR_A_LINE:
                continue
            figures += column_figures(
                definition,
                trial,
                found,
                part * len(groups) + k,
                group.target,
                n=int(showers[group.rows].sum()),
                tolerance=tolerance,
                note=f"{len(group.rows)} bins of energy" if len(group.rows) > 1 else "",
            )
    return figures


def _curves(trial: Trial, bins: list[Bin], found: Distances) -> list[Curve]:
    unit = f"{trial.geometry.unit} / GeV"
    pictures = (
        ("peak_against_energy", "Peak position", f"peak of response / energy [{unit}]", (
            "Position of the peak of response / energy. A generator off by a factor has the "
            "wrong energy scale."
        )),
        ("resolution_peak", "Resolution", "half-width / peak", (
            "68.3 % half-width of response / energy over its peak. Below full simulation: "
            "showers fluctuate too little."
        )),
        ("linearity", "Linearity", "peak / straight-line fit - 1", (
            "Peak response over the straight line through 0 that fits the peaks of the same "
            "sample best. What counts is the difference to full simulation, which need not be "
            "linear itself."
        )),
    )  # fmt: skip
    samples = [REFERENCE, *(side.name for side in trial.generated)]
    curves = []
    for kind in dict.fromkeys(b.kind for b in bins):
        rows = [k for k, b in enumerate(bins) if b.kind == kind]
        if len(rows) < 2:
            continue
        for sample, replicas in zip(samples, (found.floor, *found.generated), strict=True):
            position, resolution = (
                replicas[:, -2 * len(bins) :].reshape(-1, 2, len(bins)).swapaxes(0, 1)
            )
            position = position[:, rows]
            line = position.mean(axis=1, keepdims=True)
            shown = (
                position,
                resolution[:, rows],
                relative(position, np.broadcast_to(line, position.shape)),
            )
            for (name, title, label, caption), values in zip(pictures, shown, strict=True):
                points = [measured(column, "") for column in values.T]
                kept = [
                    (bins[k], p) for k, p in zip(rows, points, strict=True) if p is not None
                ]
                curves.append(
                    Curve(
                        name=name,
                        title=title,
                        caption=caption,
                        panel=kind,
                        sample=sample,
                        x=tuple(b.centre_gev for b, _ in kept),
                        y=tuple(p.value for _, p in kept),
                        error=tuple(p.error for _, p in kept),
                        x_label="incident energy [GeV]",
                        y_label=label,
                        log_x=True,
                    )
                )
    return [curve for curve in curves if curve.x]
