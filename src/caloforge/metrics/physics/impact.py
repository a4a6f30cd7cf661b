r"""Impact point of a particle from the signals of the towers, as ALICE reconstructs it.

.. math:: x = \frac{\sum_i x_i w_i}{\sum_i w_i}, \qquad w_i = E_i^\alpha

over the four towers, :math:`x_i` the middle of a tower. O2's reconstruction
(``RecEventFlat::centroidZNA``, ``xZPA``) takes :math:`\alpha = 1/2`; AliRoot and O2Physics take
:math:`\alpha = 0.395` for Pb-Pb collisions, times a factor
:math:`c = 1.89358 - 0.71262 / (n + 0.71789)` of the number of spectators :math:`n`. For single
particles :math:`c` is taken as one constant, and constants drop out here: the formula's answer
is calibrated by a straight line against the true impact point, fitted to *full simulation*, and
the same calibration is applied to generated showers, as an experiment would do. ALICE's ZN
centres are ±1.75 cm, the middle of a tower is at ±1.76 cm: the calibration takes that too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.figures import Curve, Definition, Finding
from caloforge.metrics.physics.towers import find_readout
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.statistics.bootstrap import measured
from caloforge.metrics.statistics.robust import peak, relative
from caloforge.metrics.statistics.signed import column_figures, signed_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.figures import Figure
    from caloforge.metrics.physics.towers import Readout
    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.floor import Distances

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

ALPHAS = {"O2": 0.5, "Pb-Pb": 0.395}
BIAS_SHARE, RESOLUTION, SLOPE = 0.025, 0.10, 0.05
_PLACES = 8  # points of the curve against the true impact point
_ENERGIES = 5  # points of the curve against energy

_SOURCE = (
    "AliceO2 DataFormats/Detectors/ZDC RecEventFlat (alpha 1/2); AliRoot AliESDZDC and "
    "O2Physics (alpha 0.395)"
)
_BLIND = (
    "Light in the common channel; where in a tower light is; errors of several particles that "
    "cancel."
)
IMPACT_BIAS = Definition(
    name="impact_bias",
    label="Bias of the impact point",
    group="physics",
    unit="cm",
    ideal="0",
    range="unbounded",
    meaning=(
        "Peak of reconstructed minus true impact point, calibrated on full simulation: "
        "generated minus full simulation."
    ),
    source=_SOURCE,
    bias="Unbiased to the order of 1/n.",
    blind=_BLIND,
)
IMPACT_RESOLUTION = Definition(
    name="impact_resolution",
    label="Resolution of the impact point",
    group="physics",
    unit="",
    ideal="0",
    range="-1 upwards",
    meaning=(
        "68.3 % half-width of reconstructed minus true impact point, calibrated on full "
        "simulation: generated over full simulation, minus 1."
    ),
    source=_SOURCE,
    bias="Up by the order of 1/n: the calibration was fitted to one side only.",
    blind=_BLIND,
    headline=True,
)
IMPACT_SLOPE = Definition(
    name="impact_slope",
    label="Scale of the impact point",
    group="physics",
    unit="",
    ideal="0",
    range="unbounded",
    meaning=(
        "Slope of the reconstructed against the true impact point, generated over full "
        "simulation, minus 1; -1 if showers do not follow their particle."
    ),
    source=_SOURCE,
    bias="Unbiased to the order of 1/n.",
    blind=_BLIND + " Least squares: far outliers count much.",
)
DEFINITIONS = (IMPACT_BIAS, IMPACT_RESOLUTION, IMPACT_SLOPE)


class _View(NamedTuple):
    """One coordinate with one formula."""

    target: str
    axis: int
    alpha: float
    limit_cm: float


def centroid(
    towers: NDArray[np.float64], positions_cm: NDArray[np.float64], alpha: float
) -> NDArray[np.float64]:
    r"""Position :math:`\sum x_i E_i^\alpha / \sum E_i^\alpha`, not a number without light.

    Arguments:
        towers: Signals, ``(n, tower)``; below 0 counts as 0.
        positions_cm: Middle of each tower along one axis, ``(tower,)``.
        alpha: Exponent.

    Example:
        >>> centroid(np.array([[1.0, 9.0]]), np.array([-1.0, 1.0]), 0.5).tolist()
        [0.5]
    """
    weights = np.maximum(towers, 0) ** alpha
    total = weights.sum(axis=1)
    above = weights @ positions_cm
    found: NDArray[np.float64] = np.divide(
        above, total, out=np.full(len(towers), np.nan), where=total > 0
    )
    return found


def impact_points(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Bias, resolution and scale of the reconstructed impact point.

    Particles that hit outside the middles of the outermost towers, where the formula saturates,
    and showers without light in the towers are left out. Detectors without towers have no
    figures.
    """
    readout = find_readout(trial.geometry)
    if readout is None:
        return Finding()
    views = _views(readout)
    energy = trial.incoming.energy_gev
    inner = np.unique(np.quantile(energy, np.arange(1, _ENERGIES) / _ENERGIES))
    place = np.searchsorted(inner, energy, side="right")
    values = []
    for side in trial.sides:
        towers = readout.sums(side, trial.channels.convention)[:, :4]
        found = [centroid(towers, readout.centres_cm[:, v.axis], v.alpha) for v in views]
        true = trial.incoming.impact_cm[side.particle]
        values.append(np.column_stack((true, place[side.particle], *found)))
    result = signed_draws(trial, values, partial(_differences, views=views), settings, rng)
    centres = [
        float(np.exp(np.log(energy[place == k]).mean())) if (place == k).any() else np.nan
        for k in range(_ENERGIES)
    ]
    drawn = values[0][trial.draw(rng).reference]
    every = np.ones(len(drawn), dtype=np.int64)
    n = [_select(drawn, every, view, k).true.size for k, view in enumerate(views)]
    return Finding(
        _figures(trial, views, readout, result.figures, n),
        _curves(trial, views, result.curves, centres),
    )


def _views(readout: Readout) -> list[_View]:
    views = []
    for formula, alpha in ALPHAS.items():
        for axis, name in enumerate("xy"):
            positions = readout.centres_cm[:, axis]
            if np.ptp(positions) < 1e-6:
                continue  # the ZP has slices along x only
            target = name if formula == "O2" else f"{name}, alpha {alpha}"
            views.append(_View(target, axis, alpha, float(np.abs(positions).max())))
    return views


class _Sample(NamedTuple):
    """Points of one side in one view."""

    true: Array
    found: Array
    energy_bin: Array
    counts: Counts


def _select(values: Array, counts: Counts, view: _View, k: int) -> _Sample:
    true, found = values[:, view.axis], values[:, 3 + k]
    use = (np.abs(true) <= view.limit_cm) & ~np.isnan(found) & (counts > 0)
    return _Sample(true[use], found[use], values[use, 2], counts[use])


def _line(sample: _Sample) -> tuple[float, float]:
    """Slope and intercept of found against true; not a number if there is no line."""
    n = sample.counts.sum()
    if n < 3:
        return np.nan, np.nan
    x, y = (v @ sample.counts / n for v in (sample.true, sample.found))
    weighted = sample.counts * (sample.true - x)
    square = weighted @ (sample.true - x)
    slope = float(weighted @ (sample.found - y) / square) if square > 0 else np.nan
    return slope, float(y - slope * x)


def _differences(
    first: Array, second: Array, own: Counts, other: Counts, *, views: list[_View]
) -> Array:
    """Figures ``(view, 3)``, then of the second: profile and width against energy by view."""
    figures, curves = [], []
    for k, view in enumerate(views):
        sides = [_select(first, own, view, k), _select(second, other, view, k)]
        slope, intercept = _line(sides[0])
        scale = slope if slope > 0 else np.nan
        errors = [(s.found - intercept) / scale - s.true for s in sides]
        expected, given = (peak(e, s.counts) for e, s in zip(errors, sides, strict=True))
        figures += [
            given.position - expected.position,
            float(relative(given.width, expected.width)),
            float(relative(_line(sides[1])[0], scale)),
        ]
        if view.alpha != ALPHAS["O2"]:
            continue  # curves are of O2's formula
        side, error = sides[1], errors[1]
        edges = _edges(view)
        where = np.clip(np.searchsorted(edges, side.true, side="right") - 1, 0, _PLACES - 1)
        curves += [
            peak(side.found[where == p], side.counts[where == p]).position
            for p in range(_PLACES)
        ]
        curves += [
            peak(error[side.energy_bin == e], side.counts[side.energy_bin == e]).width
            for e in range(_ENERGIES)
        ]
    return np.array(figures + curves)


def _edges(view: _View) -> Array:
    return np.linspace(-view.limit_cm, view.limit_cm, _PLACES + 1)


def _middle(true: Array, edges: Array) -> list[float]:
    """Mean true point of the particles in each bin, its middle where there are none."""
    place = np.searchsorted(edges, true, side="right") - 1
    return [
        float(true[place == k].mean() if (place == k).any() else (edges[k] + edges[k + 1]) / 2)
        for k in range(len(edges) - 1)
    ]


def _figures(
    trial: Trial, views: list[_View], readout: Readout, found: Distances, n: list[int]
) -> list[Figure]:
    figures: list[Figure] = []
    for part, definition in enumerate(DEFINITIONS):
        for k, view in enumerate(views):
            # A bias matters against the size of a tower: 0.9 mm in the ZN, 1.4 mm in the ZP.
            size = np.diff(np.unique(readout.centres_cm[:, view.axis].round(6))).min()
            tolerance = {IMPACT_BIAS: BIAS_SHARE * size, IMPACT_RESOLUTION: RESOLUTION}
            figures += column_figures(
                definition,
                trial,
                found,
                3 * k + part,
                view.target,
                n=n[k],
                tolerance=float(tolerance.get(definition, SLOPE)),
            )
    return figures


def _curves(
    trial: Trial, views: list[_View], found: Distances, centres: list[float]
) -> list[Curve]:
    samples = [REFERENCE, *(side.name for side in trial.generated)]
    curves = []
    per_view = _PLACES + _ENERGIES
    for k, view in enumerate(views):
        if view.alpha != ALPHAS["O2"]:
            continue
        middle = _middle(trial.incoming.impact_cm[:, view.axis], _edges(view))
        start = 3 * len(views) + k * per_view
        for sample, replicas in zip(samples, (found.floor, *found.generated), strict=True):
            own = replicas[:, start : start + per_view]
            curves.append(
                _curve(
                    own[:, :_PLACES],
                    middle,
                    name="impact_point",
                    title="Reconstructed impact point",
                    caption="Peak of the towers' centroid (O2's formula, not calibrated).",
                    panel=view.target,
                    sample=sample,
                    x_label=f"true {view.target} [cm]",
                    y_label=f"centroid {view.target} [cm]",
                )
            )
            curves.append(
                _curve(
                    own[:, _PLACES:],
                    centres,
                    name="impact_resolution",
                    title="Resolution of the impact point",
                    caption=(
                        "68.3 % half-width of reconstructed minus true, calibrated on full "
                        "simulation, all kinds."
                    ),
                    panel=view.target,
                    sample=sample,
                    x_label="incident energy [GeV]",
                    y_label=f"resolution of {view.target} [cm]",
                    log_x=True,
                )
            )
    return [curve for curve in curves if curve.x]


def _curve(replicas: Array, x: list[float], **words: str | bool) -> Curve:
    points = [(at, measured(column, "")) for at, column in zip(x, replicas.T, strict=True)]
    known = [(at, p) for at, p in points if p is not None]
    return Curve(
        x=tuple(at for at, _ in known),
        y=tuple(p.value for _, p in known),
        error=tuple(p.error for _, p in known),
        **words,  # type: ignore[arg-type]
    )
