"""Maximum mean discrepancy between two point clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..errors import DataFormatError
from .clouds import check_clouds, check_positive, join_conditions, squared_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# Scales of the kernels, as in the authors' code of the Wasserstein autoencoder.
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def mmd(
    x: Tensor,
    y: Tensor,
    *,
    bandwidth: float = 1.0,
    scales: Sequence[float] = SCALES,
    conditions_x: Tensor | None = None,
    conditions_y: Tensor | None = None,
    condition_weight: float = 1.0,
) -> Tensor:
    r"""Squared maximum mean discrepancy with inverse multiquadratic kernels.

    .. math::
        \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j)
            + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
            - \frac{2}{nm} \sum_{i,j} k(x_i, y_j), \qquad
        k(a, b) = \sum_s \frac{s C}{s C + \lVert a - b \rVert^2}

    with :math:`C = 2 d \sigma^2`, the mean squared distance of two points of a normal
    distribution of standard deviation :math:`\sigma` in :math:`d` dimensions. The estimate is
    unbiased, so it may be negative; it is 0 in expectation when the clouds come from one
    distribution, and only then. Conditions, if given, join their points (cost as in
    :func:`~caloforge.losses.sinkhorn.sinkhorn_divergence`) and do not count in :math:`d`.

    Arguments:
        x: First cloud, ``(n, d)`` with n of 2 or more.
        y: Second cloud, ``(m, d)`` with m of 2 or more.
        bandwidth: :math:`\sigma`, in units of the points.
        scales: Factors :math:`s` of :math:`C`; their kernels are added up.
        conditions_x: Conditions of the first cloud, ``(n, k)``; ``None`` for none.
        conditions_y: Conditions of the second cloud, ``(m, k)``; ``None`` with the other.
        condition_weight: Factor of the squared distance of conditions.

    Returns:
        Scalar without unit, at most twice the number of scales.

    Raises:
        DataFormatError: If clouds or conditions do not fit each other, are not finite, or have
            a single point.
        ConfigError: If an option is out of range.

    References:
        | Wasserstein Auto-Encoders (Tolstikhin et al., 2018), algorithm 2 and section 4
        | https://arxiv.org/abs/1711.01558
    """
    check_clouds("mmd", x, y)
    check_positive("mmd", "bandwidth", bandwidth, "try the standard deviation of the prior")
    if min(len(x), len(y)) < 2:
        msg = f"mmd: found clouds of {len(x)} and {len(y)} points, expected 2 or more each"
        raise DataFormatError(msg)
    reference = 2 * x.shape[1] * bandwidth**2
    x, y = join_conditions("mmd", x, y, conditions_x, conditions_y, condition_weight)
    widths = [scale * reference for scale in scales]
    within = _mean_apart(_squared(x, x), widths) + _mean_apart(_squared(y, y), widths)
    return within - 2 * _kernel(_squared(x, y), widths).mean()


def _squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances ``(n, m)``; from differences, as cancellation would blur near pairs."""
    if x.shape[1] < 4:
        return (x[:, None] - y[None]).square().sum(dim=2)
    return squared_distances(x, y)


def _kernel(squared: Tensor, widths: Sequence[float]) -> Tensor:
    total = torch.zeros_like(squared)
    for width in widths:
        total = total + width / (width + squared)
    return total


def _mean_apart(squared: Tensor, widths: Sequence[float]) -> Tensor:
    """Mean of the kernel over pairs of different points; on the diagonal each scale gives 1."""
    n = len(squared)
    total = _kernel(squared, widths).sum() - _kernel(squared.diagonal(), widths).sum()
    return total / (n * (n - 1))
