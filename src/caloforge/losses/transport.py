r"""What a loss needs of an entropic transport problem: its value, and where mass goes.

For :math:`\mathrm{OT}_\varepsilon(x, y) = \min_P \sum P_{ij} \lVert x_i - y_j \rVert^2
+ \varepsilon \, \mathrm{KL}(P \mid \tfrac{1}{n} \otimes \tfrac{1}{m})`
the envelope theorem gives

.. math:: \frac{\partial \mathrm{OT}_\varepsilon}{\partial x_i}
    = 2 \sum_j P_{ij} (x_i - y_j) = \frac{2}{n} (x_i - \bar y_i)

with :math:`\bar y_i`, here *image*, the mean of ``y`` under row :math:`i` of the plan. No
tensor of shape ``(n, m, d)``, and no graph through the iterations, is ever made.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .scaling import solve, solve_symmetric


class Options(NamedTuple):
    """How to solve. See :func:`caloforge.losses.sinkhorn.sinkhorn_divergence`."""

    epsilon: float
    tolerance: float
    annealing: bool
    max_iterations: int
    n_iterations: int | None
    where: str


class Transport(NamedTuple):
    """Solution of one problem.

    Attributes:
        value: Entropic cost, scalar.
        x_image: Mean of ``y`` that each ``x`` is sent to, ``(n, d)``.
        y_image: Mean of ``x`` that each ``y`` is sent to, ``(m, d)``.
    """

    value: Tensor
    x_image: Tensor
    y_image: Tensor


def transport(x: Tensor, y: Tensor, options: Options) -> Transport:
    """Entropic transport between two clouds, best each centred on its own mean."""
    if options.n_iterations is not None:
        return _averaged(x, y, options.epsilon, options.n_iterations)
    solved = solve(
        x,
        y,
        epsilon=options.epsilon,
        tolerance=options.tolerance,
        max_iterations=options.max_iterations,
        annealing=options.annealing,
        where=options.where,
    )
    # Rows are exact by construction; dividing by the column sums makes the columns so too.
    v = solved.v / solved.column_error
    to_y = solved.kernel @ (solved.v[:, None] * y)
    # Twice as fast as the transposed kernel times x.
    to_x = ((solved.u[:, None] * x).T @ solved.kernel).T
    return Transport(
        solved.f.mean() + solved.g.mean(),
        to_y.mul_((solved.u / len(y))[:, None]),
        to_x.mul_((v / len(x))[:, None]),
    )


def self_transport(x: Tensor, options: Options) -> Transport:
    """Entropic transport of a cloud to itself: one potential, and ``x_image == y_image``."""
    if options.n_iterations is not None:
        return _averaged_symmetric(x, options.epsilon, options.n_iterations)
    solved = solve_symmetric(
        x,
        epsilon=options.epsilon,
        tolerance=options.tolerance,
        max_iterations=options.max_iterations,
        where=options.where,
    )
    image = (solved.kernel @ (solved.v[:, None] * x)).mul_((solved.u / len(x))[:, None])
    return Transport(solved.f.mean() + solved.g.mean(), image, image)


def _averaged(x: Tensor, y: Tensor, epsilon: float, n_iterations: int) -> Transport:
    """Averaged updates in the log domain, and a last full one, as geomloss does them."""
    scores = _squared_distances(x, y).div_(-epsilon)  # (n, m)
    f, g = _soft_min(scores, epsilon), _soft_min(scores.T, epsilon)
    for _ in range(n_iterations):
        f, g = (
            (f + _soft_min(scores + g / epsilon, epsilon)) / 2,
            (g + _soft_min(scores.T + f / epsilon, epsilon)) / 2,
        )
    to_y, to_x = scores + g / epsilon, scores.T + f / epsilon
    value = _soft_min(to_y, epsilon).mean() + _soft_min(to_x, epsilon).mean()
    return Transport(value, to_y.softmax(dim=1) @ y, to_x.softmax(dim=1) @ x)


def _averaged_symmetric(x: Tensor, epsilon: float, n_iterations: int) -> Transport:
    scores = _squared_distances(x, x).div_(-epsilon)
    f = _soft_min(scores, epsilon)
    for _ in range(n_iterations):
        f = (f + _soft_min(scores + f / epsilon, epsilon)) / 2
    scores += f / epsilon
    image = scores.softmax(dim=1) @ x
    return Transport(2 * _soft_min(scores, epsilon).mean(), image, image)


def _soft_min(scores: Tensor, epsilon: float) -> Tensor:
    return (math.log(scores.shape[1]) - scores.logsumexp(dim=1)) * epsilon


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    norms = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)
    return torch.addmm(norms, x, y.T, alpha=-2).clamp_(min=0)
