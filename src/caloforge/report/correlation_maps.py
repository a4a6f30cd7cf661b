"""Correlations between shower shapes: full simulation, generated, difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.report.style import new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.metrics import Observable, Side

MAX_SAMPLES = 4


@styled
def correlation_maps(samples: Sequence[Side], shapes: Sequence[Observable]) -> Figure | None:
    """Pearson correlation of the headline observables, and its difference below.

    Returns:
        ``None`` if fewer than two observables vary in the reference.
    """
    samples = samples[: MAX_SAMPLES + 1]
    columns = [
        k
        for k, shape in enumerate(shapes)
        if shape.headline and np.ptp(samples[0].observables[:, k]) > 0
    ][:16]
    if len(columns) < 2:
        return None
    found = [correlations(sample.observables[:, columns]) for sample in samples]
    names = [shapes[k].label for k in columns]
    size = max(0.2 * len(names), 1.2)
    figure = new_figure((size + 0.2) * len(samples) + 2.4, 2 * size + 2.4)
    axes = figure.subplots(2, len(samples), squeeze=False)
    both = (found, [matrix - found[0] for matrix in found])
    reach = max(0.1, float(np.nanmax(np.abs(both[1]))) if len(samples) > 1 else 0.1)
    for row, limit in enumerate((1.0, reach)):
        image = None
        for k, sample in enumerate(samples):
            ax = axes[row, k]
            if row and not k:
                ax.axis("off")
                continue
            image = ax.imshow(both[row][k], cmap="RdBu_r", vmin=-limit, vmax=limit)
            ax.set_title(sample.name if row == 0 else f"{sample.name} − full sim.", fontsize=8)
            ticks = range(len(names))
            # The matrices are symmetric: names once a line are enough.
            ax.set_yticks(ticks, names if k == row == 0 else [""] * len(names), fontsize=7)
            ax.set_xticks(ticks, names if row else [""] * len(names), rotation=90, fontsize=7)
            ax.tick_params(length=0)
        if image is not None:
            label = "difference" if row else "correlation"
            figure.colorbar(image, ax=list(axes[row]), label=label, shrink=0.8)
    return figure


def correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlations of columns ``(n, d) -> (d, d)``; of a constant one not a number."""
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    known = spread > 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    scaled = np.divide(centred, spread, out=np.full_like(centred, np.nan), where=known)
    matrix: NDArray[np.float64] = scaled.T @ scaled / len(values)
    return matrix
