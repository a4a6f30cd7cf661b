"""Signed differences over draws: a floor of one comparison, pass or fail where it is clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from caloforge.metrics.statistics.draws import make_figures, over_draws
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caloforge.metrics.figures import Definition, Figure
    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.draws import Estimator


class Signed(NamedTuple):
    """An estimator over draws.

    Attributes:
        figures: Floor of one draw, generated samples as means over draws.
        curves: All as means over draws.
    """

    figures: Distances
    curves: Distances


def signed_draws(
    trial: Trial,
    values: Sequence[NDArray[np.float64]],
    estimator: Estimator,
    settings: Settings,
    rng: np.random.Generator,
) -> Signed:
    """Apply `over_draws` to an estimator of signed differences.

    A mean over draws has the same showers of the reference on one side here and on the other
    there, so that the floor of a *signed* difference tends to 0 whatever the size of the
    sample. The floor is therefore that of a single draw, independent showers on either side.
    Differences of generated samples gain from several draws, honestly: they use more of the
    repeats. Errors of the means have the scatter between draws in them; that of a single draw
    needs no such part, as resampling the particles resamples the choice of their showers.

    Arguments:
        trial: What is compared.
        values: As in `over_draws`.
        estimator: As in `over_draws`.
        settings: Number of draws and of resamplings.
        rng: Source of both.
    """
    found = over_draws(
        trial,
        values,
        estimator,
        rng=rng,
        n_draws=settings.n_draws,
        n_bootstrap=settings.n_bootstrap,
        distance=False,
    )
    if settings.n_draws == 1:
        return Signed(found, found)
    single = over_draws(
        trial,
        values,
        estimator,
        rng=rng,
        n_draws=1,
        n_bootstrap=settings.n_bootstrap,
        distance=False,
    )
    return Signed(Distances(single.floor, found.generated), found)


def column_figures(
    definition: Definition,
    trial: Trial,
    found: Distances,
    column: int,
    target: str,
    *,
    n: int,
    tolerance: float,
    note: str = "",
) -> list[Figure]:
    """Figures of one column of the replicas, with a tolerance (see `judged`)."""
    part = Distances(found.floor[:, [column]], tuple(g[:, [column]] for g in found.generated))
    figures = make_figures(
        definition,
        trial,
        part,
        (target,),
        (definition.unit,),
        n=n,
        distance=False,
        note=note,
    )
    return [judged(figure, tolerance) for figure in figures]


def judged(figure: Figure, tolerance: float) -> Figure:
    """Ask a figure to be within a tolerance of 0, if that can be told.

    It can where the error is at most a third of the tolerance, so that full simulation itself
    fails in 3 of 1000 comparisons; or where the figure is three errors outside. Else the
    figure says what it lacks.

    Arguments:
        figure: Difference to full simulation whose ideal is 0.
        tolerance: Largest acceptable absolute value, in its unit.
    """
    if figure.value is None:
        return figure
    value, error = abs(figure.value.value), figure.value.error
    if error <= tolerance / 3 or value >= tolerance + 3 * error:
        return replace(figure, tolerance=tolerance)
    unit = f" {figure.value.unit}" if figure.value.unit else ""
    lack = f"too few showers to judge a tolerance of {tolerance:.3g}{unit}"
    return replace(figure, note=f"{figure.note}; {lack}" if figure.note else lack)
