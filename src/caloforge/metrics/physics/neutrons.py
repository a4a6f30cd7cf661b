r"""Events of several neutrons: do their peaks separate, how many neutrons does the sum say?

The response to :math:`N` neutrons is the sum of :math:`N` showers, drawn independently from
those of neutrons of nearly one energy. Events are not thrown: the distribution of the sum is
the :math:`N`-fold convolution of the distribution of one shower (with a Fourier transform),
which is what infinitely many events would give. The number of neutrons is

.. math:: \hat N = \left\lfloor \frac{R}{\mu} + \frac12 \right\rfloor

with the mean response :math:`\mu` of one neutron in *full simulation*: generated showers are
read with the calibration of full simulation, as they would be in an experiment's chain.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Curve, Definition, Figure, Finding
from caloforge.metrics.physics.neutron_sums import (
    ADJACENT,
    BINS,
    NUMBERS,
    WINDOW,
    Grid,
    convolved,
    read,
    select,
)
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.statistics.bootstrap import measured
from caloforge.metrics.statistics.robust import relative
from caloforge.metrics.statistics.signed import column_figures, signed_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.physics.neutron_sums import Selected
    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.floor import Distances

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

SHOWN = (1, 2, 5, 10, 30)
LEAST = 100  # showers on either side
SCALE, SEPARATION, RMS, RIGHT = 0.03, 0.10, 0.02, 0.05

_SOURCE = (
    "caloforge; neutron peaks as ALICE uses them in electromagnetic dissociation "
    "(https://arxiv.org/abs/2209.04250)"
)
_BLIND = (
    "Where light is within the detector, correlation of showers in one event, and what sums "
    "average out: for many neutrons only mean and variance are left."
)
_SUM = "Unbiased to the order of 1/n."
NEUTRON_SCALE = Definition(
    name="neutron_scale",
    label="Response per neutron",
    group="physics",
    unit="",
    ideal="0",
    range="-1 upwards",
    meaning=(
        "Mean response to a neutron, generated over full simulation, minus 1: the relative "
        "bias of the number of neutrons before rounding, for any number."
    ),
    source=_SOURCE,
    bias=_SUM,
    blind=_BLIND,
    headline=True,
)
NEUTRON_SEPARATION = Definition(
    name="neutron_separation",
    label="Separation of neutron peaks",
    group="physics",
    unit="",
    ideal="0",
    range="-1 upwards",
    meaning=(
        "Distance of the medians of adjacent peaks over the mean of their 68.3 % half-widths, "
        "generated over full simulation, minus 1; above 0 peaks separate too well."
    ),
    source=_SOURCE,
    bias=_SUM,
    blind=_BLIND,
    headline=True,
)
NEUTRON_RMS = Definition(
    name="neutron_rms",
    label="Error of the number of neutrons",
    group="physics",
    unit="",
    ideal="0",
    range="unbounded",
    meaning=(
        "RMS of reconstructed minus true number of neutrons over the root of the true number, "
        "generated minus full simulation."
    ),
    source=_SOURCE,
    bias=(
        "Up by the order of 1/n, the more the larger N: full simulation is read with its own "
        "calibration, the other side is not. The floor has the same."
    ),
    blind=_BLIND,
)
NEUTRON_RIGHT = Definition(
    name="neutron_right",
    label="Share counted right",
    group="physics",
    unit="",
    ideal="0",
    range="-1 to 1",
    meaning=(
        "Share of events whose reconstructed number of neutrons is the true one, generated "
        "minus full simulation."
    ),
    source=_SOURCE,
    bias="Down by the order of 1/n, for the same reason as the error of the number.",
    blind=_BLIND,
)
DEFINITIONS = (NEUTRON_SCALE, NEUTRON_SEPARATION, NEUTRON_RMS, NEUTRON_RIGHT)


def several_neutrons(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Separation of peaks and reconstructed number for 1 to 30 neutrons of nearly one energy.

    Without neutrons there are no figures; with fewer than 100 showers of nearly one energy on
    either side the figure says what it needs.
    """
    selected = select(trial.incoming, trial.repeats, matched=trial.matched)
    if selected is None:
        return Finding()
    if selected.n < LEAST:
        return Finding(_missing(trial, selected))
    chosen = [selected.particles[side.particle] for side in trial.sides]
    totals = [side.observables[:, trial.total] for side in trial.sides]
    own = [total[rows] for total, rows in zip(totals, chosen, strict=True)]
    # Of full simulation alone, and no single odd shower of it.
    top, usual = float(own[0].max()), 4 * float(np.quantile(own[0], 0.99))
    largest = min(top, usual) if usual > 0 else top
    grid = Grid.of(largest, float(own[0].mean()), counts=trial.geometry.counts)
    values = [
        np.column_stack((np.where(rows, total, np.nan), side.channels))
        for side, total, rows in zip(trial.sides, totals, chosen, strict=True)
    ]
    found = signed_draws(trial, values, partial(_differences, grid=grid), settings, rng)
    n_channels = len(trial.channels.names)
    return Finding(
        _figures(trial, found.figures, selected, n_channels),
        _curves(trial, found.curves, selected, grid, n_channels),
    )


def _missing(trial: Trial, selected: Selected) -> list[Figure]:
    note = (
        f"needs {LEAST} showers of neutrons within {WINDOW:.0%} of one energy on either side, "
        f"found {selected.n} at {selected.energy_gev:.3g} GeV: compare on zn-neutron-option1 "
        "or other neutrons of one energy"
    )
    return [
        Figure(NEUTRON_SEPARATION.name, "1 and 2", side.name, None, None, selected.n, note=note)
        for side in trial.generated
    ]


def _differences(
    first: Array, second: Array, own: Counts, other: Counts, *, grid: Grid
) -> Array:
    """Scales of total and channels, separation, RMS, right; then the second's reading."""
    n_numbers = len(NUMBERS)
    length = first.shape[1] + 2 * ADJACENT + 5 * n_numbers + BINS
    sides = []
    for values, counts in ((first, own), (second, other)):
        use = ~np.isnan(values[:, 0]) & (counts > 0)
        weights = counts[use]
        if not weights.sum():
            return np.full(length, np.nan)
        steps = np.floor(values[use, 0] / grid.width + 0.5)
        inside = np.minimum(steps, grid.levels - 1).astype(np.int64)
        chances = np.bincount(inside, weights) / weights.sum()
        sides.append((weights @ values[use] / weights.sum(), convolved(chances)))
    means = [side[0] for side in sides]
    if not means[0][0] > 0:
        return np.full(length, np.nan)
    expected, given = (read(several, float(means[0][0]), grid) for _, several in sides)
    return np.concatenate(
        (
            relative(means[1], means[0]),
            relative(given.separation, expected.separation),
            (given.rms - expected.rms) / np.sqrt(NUMBERS),
            given.right - expected.right,
            *given,
        )
    )


def _figures(
    trial: Trial, found: Distances, selected: Selected, n_channels: int
) -> list[Figure]:
    note = f"neutrons of {selected.energy_gev:.3g} GeV"
    start = 1 + n_channels
    total = trial.shapes[trial.total].label.lower()
    pairs = [(f"{k + 1} and {k + 2}", start + k) for k in (0, ADJACENT - 1)]
    places = [(str(n), NUMBERS.index(n)) for n in SHOWN]
    rms, right = start + ADJACENT, start + ADJACENT + len(NUMBERS)
    rows = [
        (NEUTRON_SCALE, SCALE, [(total, 0)]),
        (NEUTRON_SCALE, SCALE, [(c, 1 + k) for k, c in enumerate(trial.channels.names)]),
        (NEUTRON_SEPARATION, SEPARATION, pairs),
        (NEUTRON_RMS, RMS, [(target, rms + k) for target, k in places]),
        (NEUTRON_RIGHT, RIGHT, [(target, right + k) for target, k in places]),
    ]
    return [
        figure
        for definition, tolerance, targets in rows
        for target, column in targets
        for figure in column_figures(
            definition,
            trial,
            found,
            column,
            target,
            n=selected.n,
            tolerance=tolerance,
            note=note,
        )
    ]


def _curves(
    trial: Trial, found: Distances, selected: Selected, grid: Grid, n_channels: int
) -> list[Curve]:
    energy, unit = f"{selected.energy_gev:.3g} GeV", trial.geometry.unit
    step = grid.width * grid.coarse
    edges = tuple((np.arange(BINS + 1) * step - grid.width / 2).tolist())
    n_numbers, first = len(NUMBERS), 1 + n_channels + ADJACENT + 2 * len(NUMBERS)
    curves = []
    samples = [REFERENCE, *(side.name for side in trial.generated)]
    for sample, replicas in zip(samples, (found.floor, *found.generated), strict=True):
        own = replicas[:, first:]
        separation, errors, rms, right, spectrum = np.split(
            own, ADJACENT + n_numbers * np.arange(4), axis=1
        )
        curves.append(
            _curve(
                spectrum,
                edges,
                name="neutron_spectrum",
                title=f"Response to 1 to {NUMBERS[ADJACENT]} neutrons of {energy}",
                caption="Equally many events of each number. Peaks should be where they are.",
                panel="",
                sample=sample,
                x_label=f"response [{unit}]",
                y_label="density",
                style="steps",
            )
        )
        for panel, values, label in (
            ("mean error", errors, "mean of N reconstructed - N"),
            ("RMS error", rms, "RMS of N reconstructed - N"),
            ("counted right", right, "share with N reconstructed = N"),
        ):
            curves.append(
                _curve(
                    values,
                    tuple(float(n) for n in NUMBERS),
                    name="neutron_number",
                    title=f"Number of neutrons of {energy} from the response",
                    caption="Calibrated with the mean response to one in full simulation.",
                    panel=panel,
                    sample=sample,
                    x_label="neutrons N",
                    y_label=label,
                )
            )
        curves.append(
            _curve(
                separation,
                tuple(float(n) for n in range(1, ADJACENT + 1)),
                name="neutron_separation",
                title=f"Separation of adjacent peaks of neutrons of {energy}",
                caption="Distance of the peaks of N and N + 1 neutrons in their half-widths.",
                panel="",
                sample=sample,
                x_label="neutrons N",
                y_label="distance / half-width",
            )
        )
    return [c for c in curves if c is not None]


def _curve(replicas: Array, x: tuple[float, ...], **words: str) -> Curve | None:
    """Points that exist; none where a step or all points are missing."""
    points = [measured(column, "") for column in replicas.T]
    known = [(k, p) for k, p in enumerate(points) if p is not None]
    steps = words.get("style") == "steps"
    if not known or (steps and len(known) < len(points)):
        return None
    return Curve(
        x=x if steps else tuple(x[k] for k, _ in known),
        y=tuple(p.value for _, p in known),
        error=tuple(p.error for _, p in known),
        **words,  # type: ignore[arg-type]
    )
