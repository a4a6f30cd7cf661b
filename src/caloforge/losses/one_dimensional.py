"""Exact transport in one dimension, where sorting solves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def wasserstein_1d(x: Tensor, y: Tensor) -> Tensor:
    r"""First Wasserstein distance of each column, mean over columns.

    .. math:: W_1 = \frac{1}{n} \sum_k \lvert x_{(k)} - y_{(k)} \rvert

    with the sorted samples; exact, and differentiable almost everywhere.

    Arguments:
        x: First sample, ``(n, column)``.
        y: Second sample of the same size, ``(n, column)``.

    Returns:
        Scalar, in units of the samples.

    Raises:
        ValueError: If the shapes differ.
    """
    if x.shape != y.shape or x.ndim != 2:
        found = f"{tuple(x.shape)} and {tuple(y.shape)}"
        msg = f"wasserstein_1d: found {found}, expected (n, column) twice"
        raise ValueError(msg)
    return (x.sort(dim=0).values - y.sort(dim=0).values).abs().mean()
