r"""Solver of entropic optimal transport between equally weighted clouds, cost ``|x - y|^2``.

With potentials :math:`f, g` the plan is
:math:`P_{ij} = \frac{1}{nm} u_i K_{ij} v_j`, where
:math:`K_{ij} = e^{(f_i + g_j - \lVert x_i - y_j \rVert^2) / \varepsilon}`. Sinkhorn's iteration
alternates :math:`u = m / Kv` and :math:`v = n / K^T u`. Four things make it fast:

* **Matrix products.** ``K`` is made once per temperature; an iteration is two products of it
  with a vector, an order of magnitude cheaper than two log-sum-exps. When ``u`` or ``v`` leave
  a safe range they are absorbed into the potentials.
* **Annealing by squaring.** Halving :math:`\varepsilon` squares the plan entry by entry, so
  the descent needs no exponential. The last kernel is made afresh from the points.
* **Over-relaxation.** ``u *= (m / u Kv)^w``, with ``w`` from the observed convergence.
* **Symmetry.** ``(x, x)`` has one potential, found without annealing in a few products.

References:
    | Stabilized Sparse Scaling Algorithms for Entropy Regularized Transport Problems
    | (Schmitzer, 2019), https://arxiv.org/abs/1610.06519 (absorption, annealing)
    | Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal Transport
    | (Thibault et al., 2021), https://arxiv.org/abs/1711.01851
    | Applied Iterative Methods (Hageman and Young, 1981), chapter 9 (adaptive relaxation)
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import ConfigError
from .gibbs import (
    exponents_of,
    floor_of,
    gibbs_kernel,
    log_domain_step,
    squared_norms,
    widest_of,
)

# Exponents from which every entry of a kernel is a normal float32, with room for u and v.
_SAFE_EXPONENT = 50.0
# Largest cost over epsilon that is accepted. Above a tenth of 1 / machine precision the plan is
# rounding noise, though finite; above this, squares would overflow.
_LARGEST_EXPONENT = 1e30
# Iterations at each temperature of the descent, and between two looks at the error.
_PER_LEVEL = 2
_PER_CHECK = 6
# Largest over-relaxation; at 2 the iteration would no longer converge.
_MAX_RELAXATION = 1.95


class ConvergenceWarning(UserWarning):
    """The tolerance was not reached in the iterations allowed."""


class Scaled(NamedTuple):
    """A solved transport problem; the plan is ``u[:, None] * kernel * v / (n * m)``.

    Attributes:
        kernel: ``(n, m)``.
        u: Row factors, ``(n,)``: the plan's rows sum to 1 / n up to rounding.
        v: Column factors, ``(m,)``.
        column_error: Column sums of the plan over 1 / m, ``(m,)``; all ones at convergence.
        f: Potential of the rows, ``(n,)``, in units of the cost.
        g: Potential of the columns, ``(m,)``.
        error: Mean over columns of ``|column_error - 1|``, the stopping criterion.
    """

    kernel: Tensor
    u: Tensor
    v: Tensor
    column_error: Tensor
    f: Tensor
    g: Tensor
    error: float


def solve(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    tolerance: float,
    max_iterations: int,
    annealing: bool,
    where: str,
) -> Scaled:
    r"""Scale the kernel of two clouds until the plan has uniform marginals.

    Arguments:
        x: First cloud, ``(n, d)``, best centred.
        y: Second cloud, ``(m, d)``, best centred.
        epsilon: Temperature, in squared units of ``x``.
        tolerance: Largest mean relative error of the column sums.
        max_iterations: Most iterations at ``epsilon``, each of two products.
        annealing: Descend to ``epsilon`` from a temperature of the size of the largest cost.
        where: Public function, for the warning.

    Returns:
        Kernel, factors and potentials.

    Raises:
        ConfigError: If ``epsilon`` is too small to be told from zero.

    Warns:
        ConvergenceWarning: If ``max_iterations`` end above the tolerance.
    """
    n, m = len(x), len(y)
    widest = widest_of(x)
    f, g = x.new_zeros(n), y.new_zeros(m)
    u, v = torch.ones_like(f), torch.ones_like(g)

    # No cost exceeds this, so that at `levels` halvings above epsilon no exponent is too large.
    largest = float((squared_norms(x).amax().sqrt() + squared_norms(y).amax().sqrt()).square())
    if not largest / epsilon < _LARGEST_EXPONENT:
        msg = (
            f"{where}: epsilon is {epsilon:.3g} for costs up to {largest:.3g}, expected at "
            f"least {1 / _LARGEST_EXPONENT:.0e} of them; raise epsilon or look for an outlier"
        )
        raise ConfigError(msg)
    levels = max(0, math.ceil(math.log2(max(largest, 1e-300) / _SAFE_EXPONENT / epsilon)))
    if levels and annealing:
        f, g = _anneal(x, y, epsilon * 2.0**levels, levels)
        kernel = gibbs_kernel(x, y, f, g, epsilon)
    elif levels:
        f, g, kernel = log_domain_step(x, y, g, epsilon)
    else:
        kernel = gibbs_kernel(x, y, f, g, epsilon)

    relaxation, iterations, previous = 1.0, 0, math.inf
    while True:
        # A plain step, whose exact rows let the columns alone measure the error.
        u = torch.addmv(u, kernel, v, beta=0, alpha=1 / m).reciprocal_()
        columns = v * torch.addmv(v, kernel.T, u, beta=0, alpha=1 / n)
        error, spread = torch.stack(
            ((columns - 1).abs().mean(), torch.cat((u, v)).log_().abs_().amax())
        ).tolist()
        iterations += 1
        finite = math.isfinite(error) and math.isfinite(spread)
        if finite and (error <= tolerance or iterations >= max_iterations):
            break
        if not (finite and spread < widest):
            if finite:
                f, g = f + epsilon * u.log(), g + epsilon * v.log()
                kernel = gibbs_kernel(x, y, f, g, epsilon)
            else:
                f, g, kernel = log_domain_step(x, y, g, epsilon)
            u, v = torch.ones_like(f), torch.ones_like(g)
            previous = math.inf
            continue
        relaxation = _adapted(relaxation, (error / previous) ** (1 / _PER_CHECK))
        previous = error

        v = v * columns.pow_(-relaxation)
        for _ in range(_PER_CHECK - 1):
            rows = torch.addmv(u, kernel, v, beta=0, alpha=1 / m).mul_(u)
            u = rows.pow_(-relaxation).mul_(u)
            columns = torch.addmv(v, kernel.T, u, beta=0, alpha=1 / n).mul_(v)
            v = columns.pow_(-relaxation).mul_(v)
        iterations += _PER_CHECK - 1

    if error > tolerance:
        _warn(where, error, tolerance, max_iterations)
    f = f + epsilon * u.log()
    g = g + epsilon * v.log()
    return Scaled(kernel, u, v, columns, f, g, error)


def solve_symmetric(
    x: Tensor, *, epsilon: float, tolerance: float, max_iterations: int, where: str
) -> Scaled:
    """Scale the kernel of one cloud with itself, by one vector: ``v = u``.

    The kernel is positive definite and its diagonal is one, so the under-relaxed iteration
    ``u *= (n / u Ku)**(2/3)`` is safe from ``u = 1`` at any temperature, and divides the error
    by about three or more each time.

    Arguments:
        x: Cloud, ``(n, d)``, best centred.
        epsilon: Temperature, in squared units of ``x``.
        tolerance: Largest mean relative error of the column sums.
        max_iterations: Most iterations, each of one product.
        where: Public function, for the warning.

    Returns:
        As :func:`solve`, with ``f`` the better, and ``g`` the symmetric, potential.

    Warns:
        ConvergenceWarning: If ``max_iterations`` end above the tolerance.
    """
    n = len(x)
    zero = x.new_zeros(n)
    # Rounding must not make a cost negative, nor that of staying positive.
    exponents = exponents_of(x, x, zero, zero, epsilon).clamp_(min=floor_of(x), max=0)
    kernel = exponents.exp_().fill_diagonal_(1)
    u = kernel.mean(dim=1).rsqrt_()
    columns, error = torch.ones_like(u), math.inf
    for iteration in range(max_iterations):
        columns = torch.addmv(u, kernel, u, beta=0, alpha=1 / n).mul_(u)
        last = iteration == max_iterations - 1
        if last or iteration % 2 == 0:
            error = float((columns - 1).abs().mean())
            if last or error <= tolerance:
                break
        u = columns.pow(-2 / 3).mul_(u)
    if error > tolerance:
        _warn(where, error, tolerance, max_iterations)
    rows = u / columns
    return Scaled(kernel, rows, u, columns, epsilon * rows.log(), epsilon * u.log(), error)


def _anneal(x: Tensor, y: Tensor, temperature: float, levels: int) -> tuple[Tensor, Tensor]:
    """Potentials at ``temperature / 2**(levels - 1)``, by squaring the plan at each level."""
    n, m = len(x), len(y)
    f, g = x.new_zeros(n), y.new_zeros(m)
    kernel = gibbs_kernel(x, y, f, g, temperature)
    for level in range(levels):
        u, v = torch.ones_like(f), torch.ones_like(g)
        for _ in range(_PER_LEVEL):
            u = torch.addmv(u, kernel, v, beta=0, alpha=1 / m).reciprocal_()
            v = torch.addmv(v, kernel.T, u, beta=0, alpha=1 / n).reciprocal_()
        f = f + temperature * u.log()
        g = g + temperature * v.log()
        temperature /= 2
        if level < levels - 1:
            # A floor far below one keeps the squares normal numbers, and no sum at zero.
            kernel.mul_(u[:, None]).mul_(v).clamp_(min=math.exp(floor_of(x) / 2)).square_()
    return f, g


def _adapted(relaxation: float, rate: float) -> float:
    r"""Over-relaxation for an observed error ratio per iteration.

    Young's relation :math:`(\lambda + w - 1)^2 = \lambda w^2 \mu` gives the rate :math:`\mu` of
    the plain iteration, whose best relaxation is :math:`2 / (1 + \sqrt{1 - \mu})`.
    """
    if rate >= 1:
        return 1 + (relaxation - 1) / 2
    if rate <= relaxation - 1 or rate <= 0:
        return relaxation
    plain = min((rate + relaxation - 1) ** 2 / (rate * relaxation**2), 1.0)
    return max(relaxation, min(2 / (1 + math.sqrt(1 - plain)), _MAX_RELAXATION))


def _warn(where: str, error: float, tolerance: float, iterations: int) -> None:
    # One digit of the error, so that in training the same line is not repeated at every step.
    msg = (
        f"{where}: marginal error {error:.0e} after {iterations} iterations, expected at most "
        f"{tolerance:.1e}; raise epsilon, tolerance or max_iterations"
    )
    warnings.warn(msg, ConvergenceWarning, stacklevel=4)
