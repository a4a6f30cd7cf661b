"""What codes, plans and noise generators are like: the numbers of the e2e study.

Pure functions of tensors; they know no run and no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from caloforge.losses.clouds import join_conditions
from caloforge.losses.entropic import entropic_ot
from caloforge.losses.sinkhorn import sinkhorn_divergence

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def truncated_plan(x: Tensor, y: Tensor, epsilon: float, n_iterations: int) -> Tensor:
    """Plan ``(n, m)`` that `sinkhorn_divergence` has after so many averaged updates.

    Rows are right, columns are not: it is the plan whose images of ``x`` make the gradient.
    """
    scores = -torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square() / epsilon

    def soft(values: Tensor) -> Tensor:
        return torch.log(torch.tensor(float(values.shape[1]))) - values.logsumexp(dim=1)

    f, g = soft(scores), soft(scores.T)
    for _ in range(n_iterations):
        f, g = (f + soft(scores + g)) / 2, (g + soft(scores.T + f)) / 2
    return (scores + g).softmax(dim=1) / len(x)


def transport_plan(
    codes: Tensor,
    generated: Tensor,
    conditions: Tensor,
    *,
    epsilon: float,
    condition_weight: float,
    n_iterations: int,
) -> Tensor:
    """Plan ``(n, n)`` from codes to codes that were generated for the same conditions.

    Arguments:
        codes: Encoded codes, ``(n, latent)``.
        generated: One for each of the same conditions, ``(n, latent)``.
        conditions: Scaled conditions, ``(n, condition)``.
        epsilon: Entropic blur.
        condition_weight: Factor of the squared distance of conditions in the cost.
        n_iterations: 0 iterates to convergence.
    """
    x, y = join_conditions(
        "plan", codes, generated, conditions, conditions, float(condition_weight)
    )
    if n_iterations:
        return truncated_plan(x, y, epsilon, n_iterations)
    return entropic_ot(x, y, epsilon=epsilon, tolerance=1e-3).plan


def own_share(plan: Tensor, x_particle: Tensor, y_particle: Tensor) -> float:
    """Share of a plan's mass ``(n, m)`` that joins points of the same incident particle."""
    same = x_particle[:, None] == y_particle
    return float(plan[same].sum() / plan.sum())


def partners(plan: Tensor) -> float:
    """Number of points that a point is paired with: exponential of the rows' mean entropy."""
    rows = plan / plan.sum(dim=1, keepdim=True)
    return float(torch.special.entr(rows).sum(dim=1).mean().exp())


class Truncation(NamedTuple):
    """A divergence after few iterations against the converged one.

    Attributes:
        value: Value over the converged value.
        error: Length of the gradients' difference over that of the converged gradient.
        cosine: Cosine between both gradients.
        length: Length of the gradient over that of the converged one.
    """

    value: float
    error: float
    cosine: float
    length: float


def truncation(
    codes: Tensor,
    generated: Tensor,
    conditions: Tensor,
    *,
    epsilon: float,
    condition_weight: float,
    iterations: list[int],
) -> list[Truncation]:
    """Compare value and gradient in the generated codes with convergence, in float64."""

    def solved(n_iterations: int | None) -> tuple[float, Tensor]:
        y = generated.double().requires_grad_()
        c = conditions.double()
        value = sinkhorn_divergence(
            codes.double(), y, epsilon=epsilon, conditions_x=c, conditions_y=c,
            condition_weight=condition_weight, tolerance=1e-4, max_iterations=50_000,
            n_iterations=n_iterations,
        )  # fmt: skip
        (gradient,) = torch.autograd.grad(value, y)
        return float(value.detach()), gradient

    right, gradient = solved(None)
    found = []
    for n in iterations:
        value, other = solved(n)
        found.append(
            Truncation(
                value / right,
                float((other - gradient).norm() / gradient.norm()),
                float((other * gradient).sum() / (other.norm() * gradient.norm())),
                float(other.norm() / gradient.norm()),
            )
        )
    return found


def participation(variances: Tensor) -> float:
    r"""Effective number of directions, :math:`(\sum v)^2 / \sum v^2`."""
    return float(variances.sum() ** 2 / variances.square().sum())


def jacobians(generate: Callable[[Tensor, Tensor], Tensor], c: Tensor, noise: Tensor) -> Tensor:
    """Derivative of each code with respect to its noise, ``(n, latent, noise)``.

    Arguments:
        generate: ``(n, condition), (n, noise) -> (n, latent)``, rows independent.
        c: Conditions.
        noise: Noise.
    """
    noise = noise.clone().requires_grad_()
    codes = generate(c, noise)
    rows = [
        torch.autograd.grad(codes[:, k].sum(), noise, retain_graph=True)[0]
        for k in range(codes.shape[1])
    ]
    return torch.stack(rows, dim=1)


def sensitivity(jacobian: Tensor) -> Tensor:
    """Root mean square change of a code for a unit of each noise variable, ``(noise,)``."""
    return jacobian.square().sum(dim=1).mean(dim=0).sqrt()


def effective_rank(jacobian: Tensor) -> float:
    """Mean over codes of the participation ratio of the squared singular values."""
    squares = torch.linalg.svdvals(jacobian).square()
    return float((squares.sum(dim=1) ** 2 / squares.square().sum(dim=1)).mean())


def energy_distance(x: Tensor, y: Tensor, *, matched: bool = False) -> float:
    """Unbiased energy distance 2 E|x-y| - E|x-x'| - E|y-y'| between two clouds.

    With ``matched`` rows, of the same particle in both, such pairs are left out: they are
    nearer to each other than points of different particles, which all other pairs are.
    """
    return float(2 * mean_distance(x, y, skip=matched) - sum(_within(z) for z in (x, y)))


def mean_distance(x: Tensor, y: Tensor, *, skip: bool) -> Tensor:
    """Mean distance of points of two clouds; with ``skip`` without those of equal row."""
    apart = torch.cdist(x, y)
    if not skip:
        return apart.mean()
    return (apart.sum() - apart.diagonal().sum()) / (len(x) * (len(x) - 1))


def _within(z: Tensor) -> Tensor:
    return mean_distance(z, z, skip=True)


def coefficient(x: Tensor, y: Tensor) -> float:
    """Energy distance of matched clouds over 2 E|x-y|: 0 for equal, 1 for far apart."""
    return energy_distance(x, y, matched=True) / float(2 * mean_distance(x, y, skip=True))


def coefficient_error(
    x: Tensor, y: Tensor, particle: NDArray, rng: np.random.Generator, n: int = 60
) -> float:
    """Standard deviation of the coefficient over halves of the particles.

    Halves are drawn without replacement, so that no point is twice in a cloud: a mean over
    half of ``m`` scatters around that of all by ``s² (2/m - 1/m) = s²/m``, which is the error
    of all (the delete-half jackknife). So it is for clouds that differ. For equal ones the
    distance has no term of first order, its square goes as ``1/m²``, and this is too large by
    up to the root of 4 - 1: there `scatter_if_equal` tells.

    Arguments:
        x: Cloud, ``(n, latent)``.
        y: The other, of the same particles row by row.
        particle: Incident particle of each row, which are drawn together.
        rng: Draws the halves.
        n: Number of halves.
    """
    known = np.unique(particle)
    found = []
    for _ in range(n):
        half = rng.choice(known, len(known) // 2, replace=False)
        rows = torch.from_numpy(np.flatnonzero(np.isin(particle, half)))
        found.append(coefficient(x[rows], y[rows]))
    return float(np.std(found, ddof=1))


def scatter_if_equal(x: Tensor, y: Tensor, particle: NDArray) -> float:
    """Standard deviation of the coefficient where x and y are swapped at random by particle.

    With h_ij = |x_i-y_j| + |y_i-x_j| - |x_i-x_j| - |y_i-y_j| the energy distance is the mean of
    h_ij over i != j, and a swap of i turns its sign. Over all swaps the variance of the sum
    over pairs of particles is therefore the sum of the squares of 2 h, no draws needed.
    """
    h = sum(torch.cdist(a, b) for a, b in ((x, y), (y, x)))
    h = (h - torch.cdist(x, x) - torch.cdist(y, y)).double()
    of = torch.from_numpy(np.unique(particle, return_inverse=True)[1])
    n_particles = int(of.max()) + 1
    blocks = torch.zeros(n_particles, len(x), dtype=torch.float64).index_add_(0, of, h)
    blocks = torch.zeros(n_particles, n_particles, dtype=torch.float64).index_add_(
        1, of, blocks
    )
    variance = 4 * blocks.triu(diagonal=1).square().sum() / (len(x) * (len(x) - 1)) ** 2
    return float(variance.sqrt() / (2 * mean_distance(x, y, skip=True)))


def shape_moments(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Skewness and excess kurtosis of each column; both 0 for Gaussian codes."""
    scaled = (codes - codes.mean(dim=0)) / codes.std(dim=0, correction=0)
    return scaled.pow(3).mean(dim=0), scaled.pow(4).mean(dim=0) - 3


def within_spread(first: Tensor, second: Tensor) -> float:
    """Root mean square distance of two codes of one particle, per dimension, over root 2."""
    return float(((first - second).square().mean() / 2).sqrt())
