"""Cramer-Wold distance: of a point cloud from the normal distribution, or from another one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ..errors import DataFormatError
from .clouds import check_clouds, join_conditions, squared_distances

if TYPE_CHECKING:
    from torch import Tensor


def cramer_wold_to_normal(x: Tensor) -> Tensor:
    r"""Squared Cramer-Wold distance of a cloud from the standard normal distribution.

    All one-dimensional projections of both are smoothed with a Gaussian of variance
    :math:`\gamma` and compared in :math:`L_2`; the mean over directions has a closed form:

    .. math::
        2 \sqrt{\pi}\, d^2 = \frac{1}{n^2 \sqrt{\gamma}} \sum_{i,j}
            \varphi_D\Big(\frac{\lVert x_i - x_j \rVert^2}{4 \gamma}\Big)
            + \frac{1}{\sqrt{1 + \gamma}} - \frac{2}{n \sqrt{\gamma + 1/2}} \sum_i
            \varphi_D\Big(\frac{\lVert x_i \rVert^2}{2 + 4 \gamma}\Big)

    with :math:`\gamma = (4 / 3n)^{2/5}`, Silverman's rule, and
    :math:`\varphi_D(s) = {}_1F_1(1/2; D/2; -s)` as `kernel` approximates it.

    Arguments:
        x: The cloud, ``(n, D)`` with D of 2 or more.

    Returns:
        Scalar without unit. Not negative up to the approximation of :math:`\varphi_D`.

    Raises:
        DataFormatError: If the cloud is empty, not finite, or of one dimension.

    References:
        | Cramer-Wold Auto-Encoder (Knop et al., 2020), theorem 3, https://arxiv.org/abs/1805.09235
    """
    check_clouds("cramer_wold_to_normal", x, x)
    _check_dimension("cramer_wold_to_normal", x)
    n, dim = x.shape
    gamma = silverman(n)
    within = kernel(squared_distances(x, x) / (4 * gamma), dim).mean() / math.sqrt(gamma)
    across = kernel(x.square().sum(dim=1) / (2 + 4 * gamma), dim).mean()
    constant = 1 / math.sqrt(1 + gamma)
    total = within + constant - 2 / math.sqrt(gamma + 0.5) * across
    return total / (2 * math.sqrt(math.pi))


def cramer_wold(
    x: Tensor,
    y: Tensor,
    *,
    conditions_x: Tensor | None = None,
    conditions_y: Tensor | None = None,
    condition_weight: float = 1.0,
) -> Tensor:
    r"""Squared Cramer-Wold distance between two clouds.

    .. math::
        d^2 = \frac{1}{2 \sqrt{\pi \gamma}} \Big( \overline{\varphi_D(x, x')}
            + \overline{\varphi_D(y, y')} - 2\, \overline{\varphi_D(x, y)} \Big)

    with means over all pairs of :math:`\varphi_D(\lVert a - b \rVert^2 / 4 \gamma)` and
    :math:`\gamma` of the smaller cloud.

    Arguments:
        x: First cloud, ``(n, D)`` with D, conditions included, of 2 or more.
        y: Second cloud, ``(m, D)``.
        conditions_x: Conditions of the first cloud, ``(n, k)``; ``None`` for none.
        conditions_y: Conditions of the second cloud, ``(m, k)``; ``None`` with the other.
        condition_weight: Factor of the squared distance of conditions, which join the points.

    Returns:
        Scalar without unit, not negative, 0 for equal clouds.

    Raises:
        DataFormatError: If clouds or conditions do not fit each other, are not finite, or have
            one dimension together.
        ConfigError: If the condition weight is out of range.

    References:
        | Cramer-Wold Auto-Encoder (Knop et al., 2020), theorem 1, https://arxiv.org/abs/1805.09235
    """
    check_clouds("cramer_wold", x, y)
    x, y = join_conditions("cramer_wold", x, y, conditions_x, conditions_y, condition_weight)
    _check_dimension("cramer_wold", x)
    gamma, dim = silverman(min(len(x), len(y))), x.shape[1]
    within, other, across = (
        kernel(squared_distances(a, b) / (4 * gamma), dim).mean()
        for a, b in ((x, x), (y, y), (x, y))
    )
    return (within + other - 2 * across) / (2 * math.sqrt(math.pi * gamma))


def kernel(s: Tensor, dim: int) -> Tensor:
    r"""Approximate :math:`{}_1F_1(1/2; D/2; -s)`, the mean of a Gaussian over directions.

    Exact for D of 2. Above it is :math:`(1 + 4 s / (2 D - 3))^{-1/2}`, off by 0.093 at most for
    D of 3, 0.058 for 4, 0.033 for 6, 0.017 for 10 and 0.008 for 20 (tested against SciPy). It
    is a positive definite kernel itself, so `cramer_wold` stays a distance.

    Arguments:
        s: Not negative, any shape.
        dim: Number of dimensions :math:`D`, 2 or more.
    """
    if dim == 2:
        exact: Tensor = torch.special.i0e(s / 2)
        return exact
    return (1 + 4 * s / (2 * dim - 3)).rsqrt()


def silverman(n: int) -> float:
    """Variance of the smoothing for n points, Silverman's rule for unit variance."""
    return float((4 / (3 * n)) ** 0.4)


def _check_dimension(where: str, x: Tensor) -> None:
    if x.shape[1] < 2:
        msg = (
            f"{where}: found points of 1 dimension, expected 2 or more; compare points of a "
            "line by their one-dimensional Wasserstein distance"
        )
        raise DataFormatError(msg)
