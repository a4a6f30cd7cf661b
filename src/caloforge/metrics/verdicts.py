"""What the tests say: compatible or not, and which of two generators is closer."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from caloforge.metrics.assessment import COMPATIBLE, LEVEL, Difference, Verdict
from caloforge.metrics.figures import headlines
from caloforge.metrics.statistics.distances import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.assessment import Test
    from caloforge.metrics.figures import Definition, Figure


# Figures whose test has another name.
TEST_OF = {
    "mean_difference": ("mean_shift",),
    # A channel that is an observable, too, is tested once.
    "w1": ("w1", "w1_observable"),
}


def give_verdict(sample: str, tests: Sequence[Test], level: float = LEVEL) -> Verdict:
    """Word for word what papers may cite.

    ``compatible with full simulation`` if no test rejects at the family-wise level, else
    ``worse than full simulation by X floors``. X is that of the rejecting test with the largest
    excess: its statistic over the mean of the statistic with labels permuted, minus 1.

    Arguments:
        sample: Name of the generated sample.
        tests: All of its tests.
        level: Chance to reject a perfect generator.
    """
    rejected = [test for test in tests if test.p_adjusted <= level]
    worst = max(rejected, key=lambda test: test.excess, default=None)
    text = COMPATIBLE
    if worst is not None:
        text = f"worse than full simulation by {_floors(worst.excess)} floors"
    return Verdict(
        sample=sample,
        compatible=worst is None,
        text=text,
        worst=worst,
        n_tests=len(tests),
        n_rejected=len(rejected),
        level=level,
    )


def _floors(excess: float) -> str:
    return f"{excess:.2g}" if excess < 100 else f"{excess:.0f}"


def with_p_values(figures: Sequence[Figure], tests: Sequence[Test]) -> list[Figure]:
    """Give figures the p-values of the tests of the same quantity, sample and target."""
    found = {(test.sample, test.metric, test.target): test for test in tests}
    result = []
    for figure in figures:
        names = TEST_OF.get(figure.metric, (figure.metric,))
        known = (found.get((figure.sample, name, figure.target)) for name in names)
        test = next((one for one in known if one is not None), None)
        result.append(
            figure if test is None else replace(figure, p=test.p, p_adjusted=test.p_adjusted)
        )
    return result


def differences(
    figures: Sequence[Figure], definitions: Mapping[str, Definition]
) -> tuple[Difference, ...]:
    """Compare every two generated samples in every headline figure.

    Particles are resampled for both at once, so what they have in common drops out. The p-value
    asks whether both are equally close to the ideal (a number, or the floor): it is two-sided,
    from the normal distribution with the error of the difference of these distances.
    """
    whole = [f for f in headlines(figures, definitions) if f.replicas is not None]
    result = []
    for metric in dict.fromkeys(f.metric for f in whole):
        for one, two in combinations([f for f in whole if f.metric == metric], 2):
            if one.value is None or two.value is None:
                continue
            # Resampling inflates distances, as `bootstrap.measured` says: relative spreads.
            first, second = (_centred(f) for f in (one, two))
            if first is None or second is None or first.size != second.size:
                continue
            shift = one.value.value - two.value.value
            error = float(np.std(first - second, ddof=1))
            ideal = definitions[metric].ideal_value
            if ideal is None:
                ideal = one.value.value if one.floor is None else one.floor.value
            p = _equally_close(one.value.value - ideal, two.value.value - ideal, first, second)
            result.append(
                Difference(
                    metric=metric,
                    target=one.target,
                    first=one.sample,
                    second=two.sample,
                    difference=Measured(shift, error, one.value.unit),
                    p=p,
                )
            )
    return tuple(result)


def _equally_close(
    one: float, two: float, first: NDArray[np.float64], second: NDArray[np.float64]
) -> float:
    """P-value of two distances to an ideal being equal, from deviations of resamplings."""
    shift = abs(one) - abs(two)
    error = float(np.std(np.abs(one + first) - np.abs(two + second), ddof=1))
    return float(2 * stats.norm.sf(abs(shift) / error)) if error > 0 else float(shift == 0)


def _centred(figure: Figure) -> NDArray[np.float64] | None:
    """Resampled estimates about their mean, in the size that the figure's error has."""
    replicas, value = figure.replicas, figure.value
    if replicas is None or value is None or not np.isfinite(replicas).all():
        return None
    resampled = replicas[1:] - replicas[1:].mean()
    spread = float(np.std(resampled, ddof=1)) if resampled.size > 1 else 0.0
    scaled: NDArray[np.float64] = resampled * (value.error / spread if spread > 0 else 1.0)
    return scaled
