"""Ratios to full simulation, below the curves of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.samples.trial import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics import Curve

# Pictures of which each panel gets the ratios.
PICTURES = ("response_against_energy", "resolution_against_energy", "peak_against_energy")
MAX_PANELS = 12


class Ratio(NamedTuple):
    """One line over that of full simulation.

    Attributes:
        x: Where both are known.
        y: Ratio.
        error: Its error, of both lines taken as independent.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    error: NDArray[np.float64]


def panels(curves: Sequence[Curve]) -> tuple[dict[str, list[Curve]], int]:
    """Return the panels of a picture that are shown, and how many there are.

    Of the pictures with ratios, panels of a single point are left out if others have more.
    """
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        found.setdefault(curve.panel, []).append(curve)
    shown = found
    if curves and curves[0].name in PICTURES:
        longer = {k: lines for k, lines in found.items() if max(map(_points, lines)) > 1}
        shown = longer or found
    return dict(list(shown.items())[:MAX_PANELS]), len(found)


def ratios(lines: Sequence[Curve]) -> Mapping[str, Ratio]:
    """Divide the lines of a panel by that of full simulation, where abscissae coincide."""
    full = next((c for c in lines if c.sample == REFERENCE), None)
    if full is None or full.name not in PICTURES:
        return {}
    found = {}
    for curve in lines:
        if curve is full:
            continue
        pairs = [
            (x, y, e, y0, e0)
            for x, y, e in _table(curve)
            for x0, y0, e0 in _table(full)
            if np.isclose(x, x0, rtol=1e-6) and y0 > 0
        ]
        if pairs:
            x, y, error, y0, error0 = np.array(pairs).T
            both = np.hypot(error, y / y0 * error0) / y0
            found[curve.sample] = Ratio(x, y / y0, both)
    return found


def limits(found: Mapping[str, Ratio]) -> tuple[float, float]:
    """Range of an axis that holds 1, all ratios and their bars, but for very long ones."""
    y = np.concatenate([r.y for r in found.values()])
    error = np.concatenate([r.error for r in found.values()])
    error = np.minimum(error, 3 * np.median(error))
    low, high = min(float((y - error).min()), 1.0), max(float((y + error).max()), 1.0)
    margin = 0.08 * (high - low) or 0.05
    return low - margin, high + margin


def _points(curve: Curve) -> int:
    return len(_table(curve))


def _table(curve: Curve) -> list[tuple[float, float, float]]:
    """The known points with errors, 0 where there are none."""
    errors = curve.error or (0.0,) * len(curve.y)
    points = zip(curve.x, curve.y, errors, strict=False)
    return [(x, y, e) for x, y, e in points if np.isfinite([x, y, e]).all()]
