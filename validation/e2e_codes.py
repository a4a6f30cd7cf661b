"""What codes, plans and noise generators are like: the numbers of the e2e study.

Pure functions of tensors; they know no run and no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from caloforge.losses.clouds import join_conditions
from caloforge.losses.entropic import entropic_ot
from caloforge.losses.sinkhorn import sinkhorn_divergence

if TYPE_CHECKING:
    from collections.abc import Callable


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


def shape_moments(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Skewness and excess kurtosis of each column; both 0 for Gaussian codes."""
    scaled = (codes - codes.mean(dim=0)) / codes.std(dim=0, correction=0)
    return scaled.pow(3).mean(dim=0), scaled.pow(4).mean(dim=0) - 3


def within_spread(first: Tensor, second: Tensor) -> float:
    """Root mean square distance of two codes of one particle, per dimension, over root 2."""
    return float(((first - second).square().mean() / 2).sqrt())
