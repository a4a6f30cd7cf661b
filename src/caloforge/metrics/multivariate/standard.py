"""What multivariate metrics look at: one row of comparable numbers for each shower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial

    Array = NDArray[np.float64]


def standardised(trial: Trial, *, headline: bool = False) -> list[Array]:
    """Observables and channels of every side, each centred and scaled by the reference.

    Mean and standard deviation are those of *all* showers of the trial's reference, the same
    for every side and every resampling. A column that is constant in the reference is only
    centred; one that is constant everywhere is left out. What is not finite counts as the mean.

    Arguments:
        trial: What is compared.
        headline: Take the headline observables, with the total response, and no channels.

    Returns:
        One table ``(n, column)`` for the reference and for each generated side.
    """
    tables = _tables(trial, headline=headline)
    reference = tables[0]
    known = np.where(np.isfinite(reference), reference, np.nan)
    there = np.isfinite(known).any(axis=0)
    mean, spread = np.zeros(reference.shape[1]), np.ones(reference.shape[1])
    mean[there] = np.nanmean(known[:, there], axis=0)
    spread[there] = np.nanstd(known[:, there], axis=0)
    spread[spread <= 1e-9 * np.abs(mean)] = 1.0  # constant but for rounding
    spread[spread == 0] = 1.0
    scaled = [(table - mean) / spread for table in tables]
    for table in scaled:
        table[~np.isfinite(table)] = 0.0
    varies = np.any([np.ptp(table, axis=0) > 0 for table in scaled], axis=0)
    if not varies.any():
        varies[0] = True
    return [np.ascontiguousarray(table[:, varies]) for table in scaled]


def scaled_by_largest(trial: Trial, *, headline: bool = False) -> list[Array]:
    """Observables and channels divided by their largest size in the reference, not centred.

    This is the scaling of the published FPD and KPD. A column that is 0 in the whole reference
    is not scaled; what is not finite is set to 0. For ``headline`` see `standardised`.
    """
    tables = _tables(trial, headline=headline)
    for table in tables:
        table[~np.isfinite(table)] = 0.0
    largest = np.abs(tables[0]).max(axis=0)
    return [table / np.where(largest > 0, largest, 1.0) for table in tables]


def _tables(trial: Trial, *, headline: bool) -> list[Array]:
    """All columns but whether the shower is empty: so rare that it would be 15 deviations.

    Empty showers have all other observables at 0, and are seen by these.
    """
    kept = [s.name != "empty" and (s.headline or not headline) for s in trial.shapes]
    columns = np.flatnonzero([*kept, *(not headline for _ in trial.channels.names)])
    return [raw(side)[:, columns] for side in trial.sides]


def raw(side: Side) -> Array:
    """Observables, then channels, in their own units, ``(n, column)``."""
    return np.concatenate((side.observables, side.channels), axis=1)


def conditions(side: Side) -> Array:
    """Log energy, impact and kind of the incident particle of each shower, ``(n, f)``."""
    return side.incoming.features()[side.particle]
