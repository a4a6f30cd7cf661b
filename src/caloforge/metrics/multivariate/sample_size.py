"""How W1 and FPD fall with the size of the samples: pictures of their bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Curve, Finding
from caloforge.metrics.multivariate.frechet import frechet_distance, moments
from caloforge.metrics.multivariate.standard import standardised
from caloforge.metrics.statistics.distances import wasserstein_1d

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]
    Distance = Callable[[Array, Array], float]

_PARTS = (1, 2, 4, 8, 16, 32)
_MIN_SHOWERS = 20
_CAPTION = (
    "The same estimator applied to parts of the samples: {name} is biased upwards, and falls "
    "as the samples grow, for full simulation against itself (floor) too. Numbers from samples "
    "of different size must not be compared; a generator differs where its "
    "line leaves that of the floor."
)


def sample_size_section(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Curves ``w1_against_n`` and ``fpd_against_n``, with the floor's line.

    The incident particles are cut at random into 1, 2, 4 ... 32 equal parts of 20 showers or
    more; a point is the mean over the parts and over draws. Its error is the spread of the
    parts over the root of their number; that of the whole is taken from its halves.
    """
    sums = [side.channels for side in trial.sides]
    unit = trial.geometry.unit
    curves = _curves(
        trial,
        sums,
        _mean_w1,
        rng,
        n_draws=settings.n_draws,
        name="w1_against_n",
        title="W1 against the size of the samples",
        label="W1",
        y_label=f"W1, mean over channels ({unit})",
    )
    curves += _curves(
        trial,
        standardised(trial),
        _fpd,
        rng,
        n_draws=settings.n_draws,
        name="fpd_against_n",
        title="FPD against the size of the samples",
        label="FPD",
        y_label="FPD",
    )
    return Finding(curves=curves)


def _mean_w1(first: Array, second: Array) -> float:
    pairs = zip(first.T, second.T, strict=True)
    return float(np.mean([wasserstein_1d(x, y) for x, y in pairs]))


def _fpd(first: Array, second: Array) -> float:
    one, other = (
        moments(values, np.zeros(len(values), dtype=np.int64), np.ones((1, 1), dtype=np.int64))
        for values in (first, second)
    )
    return float(frechet_distance(one, other)[0])


def _curves(
    trial: Trial,
    values: list[Array],
    distance: Distance,
    rng: np.random.Generator,
    *,
    n_draws: int,
    name: str,
    title: str,
    label: str,
    y_label: str,
) -> list[Curve]:
    k = trial.repeats
    n_rows = len(trial.draw(rng).particle)
    parts = [p for p in _PARTS if p == 1 or n_rows // (p * k) * k >= _MIN_SHOWERS]
    sides = ["floor", *(side.name for side in trial.generated)]
    mean = np.zeros((len(sides), len(parts)))
    error = np.zeros_like(mean)
    for _ in range(n_draws):
        draw = trial.draw(rng)
        rows = (draw.other, *draw.generated)
        tables = (values[0], *values[1:])
        order = rng.permutation(n_rows // k)  # of the particles, adjacent in a draw
        for column, n_parts in enumerate(parts):
            found = np.empty((len(sides), n_parts))
            for part, particles in enumerate(_equal_parts(order, n_parts)):
                places = (particles[:, None] * k + np.arange(k)).ravel()
                own = values[0][draw.reference[places]]
                for s, (other, table) in enumerate(zip(rows, tables, strict=True)):
                    found[s, part] = distance(own, table[other[places]])
            mean[:, column] += found.mean(axis=1) / n_draws
            if n_parts > 1:
                error[:, column] += found.std(axis=1, ddof=1) / np.sqrt(n_parts) / n_draws
    if len(parts) > 1:
        error[:, 0] = error[:, 1]
    sizes = tuple(float(n_rows // (p * k) * k) for p in parts)
    return [
        Curve(
            name=name,
            title=title,
            caption=_CAPTION.format(name=label),
            panel="",
            sample=sample,
            x=sizes[::-1],
            y=tuple(mean[s, ::-1].tolist()),
            error=tuple(error[s, ::-1].tolist()),
            x_label="Showers on either side",
            y_label=y_label,
            log_x=True,
            log_y=bool((mean > 0).all()),
        )
        for s, sample in enumerate(sides)
    ]


def _equal_parts(order: NDArray[np.int64], n_parts: int) -> list[NDArray[np.int64]]:
    size = len(order) // n_parts
    return [order[part * size : (part + 1) * size] for part in range(n_parts)]
