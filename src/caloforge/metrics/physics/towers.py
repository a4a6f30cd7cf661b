"""Energy sharing between the four towers and the common channel of an ALICE ZDC.

Works for every grid whose channel convention ``detector`` has channels ``tower 1`` to
``tower 4`` and ``common``, as O2 makes hits: alternate fibres go to the common photomultiplier,
the others to that of their tower (a quadrant in the ZN, a slice along x in the ZP).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.geometry import GridLayout
from caloforge.metrics.figures import Curve, Definition, Finding
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.statistics.bootstrap import measured
from caloforge.metrics.statistics.robust import peak, relative
from caloforge.metrics.statistics.signed import column_figures, signed_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import ChannelSet, DetectorGeometry
    from caloforge.metrics.figures import Figure
    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.floor import Distances

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

TOWERS = ("tower 1", "tower 2", "tower 3", "tower 4")
LEAST = 10.0  # photons that a shower needs to have shares
MEAN, SPREAD, OWN = 0.01, 0.10, 0.02
_EDGES = np.linspace(0, 1, 26)
_CHUNK = 2048

_BLIND = "Where within its tower light is; showers below 10 photons, which have no shares."
_SOURCE = "channels as AliceO2 makes hits (Detectors/ZDC/simulation); ALICE TDR, LHCC 99-5"

COMMON_SHARE = Definition(
    name="common_share",
    label="Share of the common channel",
    group="physics",
    unit="",
    ideal="0",
    range="-1 to 1",
    meaning=(
        "Mean over showers of common / (common + towers), generated minus full simulation; "
        "off if light is not divided between neighbouring fibres as in full simulation."
    ),
    source=_SOURCE,
    bias="None.",
    blind=_BLIND,
)
COMMON_SPREAD = Definition(
    name="common_share_spread",
    label="Spread of that share",
    group="physics",
    unit="",
    ideal="0",
    range="-1 upwards",
    meaning=(
        "68.3 % half-width of common / (common + towers), generated over full simulation, "
        "minus 1; below 0 neighbouring cells are too equal, as in blurred showers."
    ),
    source=_SOURCE,
    bias="Both sides are low by the order of 1/n, which cancels.",
    blind=_BLIND,
)
TOWER_SHARE = Definition(
    name="tower_share",
    label="Share of the tower that is hit",
    group="physics",
    unit="",
    ideal="0",
    range="-1 to 1",
    meaning=(
        "Mean over showers that enter in a tower of its share of the light in all four, "
        "generated minus full simulation; below 0 showers are too wide or in the wrong place."
    ),
    source=_SOURCE,
    bias="None.",
    blind=_BLIND,
    headline=True,
)
DEFINITIONS = (COMMON_SHARE, COMMON_SPREAD, TOWER_SHARE)


@dataclass(frozen=True, eq=False)
class Readout:
    """Towers and common channel of a detector.

    Attributes:
        channels: The convention ``detector``.
        order: Columns of the four towers, then of the common channel, ``(5,)``.
        centres_cm: Middle of each tower, ``(4, 2)``.
    """

    channels: ChannelSet
    order: tuple[int, ...]
    centres_cm: NDArray[np.float64]

    def sums(self, side: Side, convention: str) -> NDArray[np.float64]:
        """Sums of the towers and of the common channel, ``(n, 5)``, in slices.

        Arguments:
            side: Showers.
            convention: What `Side.channels` are made with; they are taken if it is the same.
        """
        if convention == self.channels.convention:
            return side.channels[:, self.order]
        found = np.empty((len(side), len(self.order)))
        for start in range(0, len(side), _CHUNK):
            part = self.channels.sums(side.showers[start : start + _CHUNK])
            found[start : start + _CHUNK] = part[:, self.order]
        return found

    def entered(self, impact_cm: NDArray[np.float64]) -> NDArray[np.int64]:
        """The tower whose middle is nearest to a point, from 0, ``(n,)``."""
        distance = np.square(impact_cm[:, None] - self.centres_cm).sum(axis=2)
        nearest: NDArray[np.int64] = distance.argmin(axis=1)
        return nearest


def find_readout(geometry: DetectorGeometry) -> Readout | None:
    """Return the towers of a detector; ``None`` if it has none."""
    if "detector" not in geometry.conventions or not isinstance(geometry.layout, GridLayout):
        return None
    channels = geometry.channels("detector")
    if not {*TOWERS, "common"} <= set(channels.names):
        return None
    order = tuple(channels.names.index(name) for name in (*TOWERS, "common"))
    cells = geometry.layout.centres_cm()
    parts = [cells[channels.masks[k]] for k in order[:4]]
    centres = np.array([(part.min(axis=0) + part.max(axis=0)) / 2 for part in parts])
    return Readout(channels, order, centres)


def energy_sharing(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """How light is shared between the towers and the common channel.

    Showers below `LEAST` (above 0 where cells are no counts) have no shares. Detectors without
    towers have no figures.
    """
    readout = find_readout(trial.geometry)
    if readout is None:
        return Finding()
    least = LEAST if trial.geometry.counts else np.nextafter(0, 1)
    entered = readout.entered(trial.incoming.impact_cm)
    values = [
        shares(readout.sums(side, trial.channels.convention), entered[side.particle], least)
        for side in trial.sides
    ]
    found = signed_draws(trial, values, _differences, settings, rng)
    drawn = values[0][trial.draw(rng).reference]
    return Finding(_figures(trial, found.figures, drawn), _curves(trial, found.curves))


def shares(
    sums: NDArray[np.float64], entered: NDArray[np.int64], least: float
) -> NDArray[np.float64]:
    """Shares of each shower, not a number for faint ones.

    Arguments:
        sums: Towers, then the common channel, ``(n, 5)``.
        entered: Tower that the particle hits, ``(n,)``.
        least: Total response below which a shower has no shares.

    Returns:
        Common over all, each tower over all towers, and the tower hit, ``(n, 6)``.
    """
    towers, total = sums[:, :4].sum(axis=1), sums.sum(axis=1)
    bright = total >= least
    table = np.full((len(sums), 6), np.nan)
    table[:, 5] = entered
    table[bright, 0] = sums[bright, 4] / total[bright]
    lit = bright & (towers > 0)
    table[lit, 1:5] = sums[lit, :4] / towers[lit, None]
    return table


def _summary(values: Array, counts: Counts) -> Array:
    """Mean and spread of the common share, shares by tower hit ``(4, 4)``, histogram."""
    bright = ~np.isnan(values[:, 0])
    common, weights = values[bright, 0], counts[bright]
    mean = common @ weights / weights.sum() if weights.sum() else np.nan
    matrix = np.full((4, 4), np.nan)
    lit = ~np.isnan(values[:, 1])
    for tower in range(4):
        inside = lit & (values[:, 5] == tower)
        own = counts[inside]
        if own.sum():
            matrix[tower] = own @ values[inside, 1:5] / own.sum()
    heights = np.histogram(common, _EDGES, weights=weights)[0]
    density = heights / max(weights.sum(), 1) / np.diff(_EDGES)
    return np.concatenate(([mean, peak(common, weights).width], matrix.ravel(), density))


def _differences(first: Array, second: Array, own: Counts, other: Counts) -> Array:
    """Common mean and spread, share of each tower when hit; then the second's summary."""
    expected, given = _summary(first, own), _summary(second, other)
    diagonal = slice(2, 18, 5)
    return np.concatenate(
        (
            given[:1] - expected[:1],
            relative(given[1:2], expected[1:2]),
            given[diagonal] - expected[diagonal],
            given,
        )
    )


def _figures(trial: Trial, found: Distances, drawn: Array) -> list[Figure]:
    """Figures; ``n`` counts the showers of one draw of the reference that have the share."""
    bright = int((~np.isnan(drawn[:, 0])).sum())
    hit = drawn[~np.isnan(drawn[:, 1]), 5]
    figures: list[Figure] = []
    for column, (definition, target, tolerance, n) in enumerate(
        (
            (COMMON_SHARE, "common", MEAN, bright),
            (COMMON_SPREAD, "common", SPREAD, bright),
            *((TOWER_SHARE, name, OWN, int((hit == k).sum())) for k, name in enumerate(TOWERS)),
        )
    ):
        figures += column_figures(
            definition, trial, found, column, target, n=n, tolerance=tolerance
        )
    return figures


def _curves(trial: Trial, found: Distances) -> list[Curve]:
    samples = [REFERENCE, *(side.name for side in trial.generated)]
    curves = []
    for sample, replicas in zip(samples, (found.floor, *found.generated), strict=True):
        matrix, density = replicas[:, 8:24].reshape(-1, 4, 4), replicas[:, 24:]
        curve = partial(_curve, sample)
        curves.append(
            curve(
                density,
                name="common_share",
                title="Share of the common channel",
                caption="Common / (common + towers), showers of 10 photons or more.",
                panel="",
                x=tuple(_EDGES.tolist()),
                x_label="common / all",
                y_label="density",
                style="steps",
            )
        )
        curves += [
            curve(
                matrix[:, tower],
                name="tower_share",
                title="Share of each tower",
                caption="Mean share of the light of all towers, by the tower that is hit.",
                panel=f"impact in {TOWERS[tower]}",
                x=(1.0, 2.0, 3.0, 4.0),
                x_label="tower",
                y_label="tower / all towers",
            )
            for tower in range(4)
        ]
    return [c for c in curves if c is not None]


def _curve(sample: str, replicas: Array, **words: Any) -> Curve | None:  # noqa: ANN401
    points = [measured(column, "") for column in replicas.T]
    known = [p for p in points if p is not None]
    if len(known) < len(points):
        return None
    values, errors = tuple(p.value for p in known), tuple(p.error for p in known)
    return Curve(sample=sample, y=values, error=errors, **words)
