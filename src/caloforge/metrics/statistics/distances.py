"""Distances between two samples of one number per shower, and how a figure is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Measured:
    """A number with its statistical error and unit.

    Attributes:
        value: Estimate from the whole samples.
        error: One standard deviation, over resamplings of the incident particles.
        unit: Unit of both, ``""`` if none.
    """

    value: float
    error: float
    unit: str = ""

    @property
    def text(self) -> str:
        """Value and error without the unit, rounded to the digits that the error supports.

        Example:
            >>> Measured(2.3456, 0.131).text, Measured(1234.6, 45.0).text
            ('2.35 ± 0.13', '1235 ± 45')
        """
        if not (math.isfinite(self.value) and math.isfinite(self.error)):
            return f"{self.value:.3g} ± {self.error:.2g}"
        if self.error <= 1e-9 * abs(self.value):
            return f"{self.value:.3g} ± 0"
        exponent = int(f"{self.error:.1e}".partition("e")[2])  # after rounding to two digits
        digits = max(1 - exponent, 0)
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"

    def __str__(self) -> str:
        return f"{self.text} {self.unit}".rstrip()

    def as_dict(self) -> dict[str, float | str]:
        """Return the three fields, for JSON."""
        return {"value": self.value, "error": self.error, "unit": self.unit}


def wasserstein_1d(reference: ArrayLike, generated: ArrayLike) -> float:
    r"""First Wasserstein distance between two samples of one observable.

    .. math:: W_1 = \int \lvert F_\mathrm{ref}(t) - F_\mathrm{gen}(t) \rvert \, \mathrm{d}t

    It is the mean distance by which one sample must move to become the other. For equal sizes
    that is the mean distance of the sorted values. It is biased upwards: two samples of one
    distribution are not at zero, and come closer as they grow. Compare it only at equal sizes,
    and with the distance between two samples of the reference.

    Arguments:
        reference: Observable in full simulation, ``(n,)``.
        generated: Observable in generated showers, ``(m,)``.

    Returns:
        Distance in the observable's unit, from 0 upwards; exact for any ``n`` and ``m``.

    Raises:
        ValueError: If a sample is empty, not one-dimensional or not finite.

    Example:
        >>> wasserstein_1d([0.0, 1.0], [3.0, 4.0])
        3.0
    """
    x, y = (
        _checked(name, sample)
        for name, sample in (("reference", reference), ("generated", generated))
    )
    if x.size == y.size:
        return float(np.abs(np.sort(x) - np.sort(y)).mean())
    both = np.concatenate((x, y))
    order = np.argsort(both, kind="stable")
    steps = np.concatenate((np.full(x.size, 1 / x.size), np.full(y.size, -1 / y.size)))
    difference = np.cumsum(steps[order])[:-1]  # of the distribution functions, after each value
    return float(np.abs(difference) @ np.diff(both[order]))


def _checked(name: str, sample: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        msg = (
            f"{name}: found an array of shape {values.shape}, expected a non-empty, finite (n,)"
        )
        raise ValueError(msg)
    return values
