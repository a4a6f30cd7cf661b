"""Gibbs kernel of two clouds: what Sinkhorn's iteration scales."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Shares of log(smallest normal number): the smallest exponent kept in a kernel (entries below
# carry no mass, and as denormal numbers would cost time), and the largest |log u| or |log v|.
# A kept entry times u times v is then a normal number, and a cut one no larger than rounding.
_FLOOR, _SPREAD = 0.6, 0.2


def gibbs_kernel(x: Tensor, y: Tensor, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """``exp((f_i + g_j - |x_i - y_j|^2) / epsilon)``, ``(n, m)``."""
    return exponents_of(x, y, f, g, epsilon).clamp_(min=floor_of(x)).exp_()


def exponents_of(x: Tensor, y: Tensor, f: Tensor, g: Tensor, epsilon: float) -> Tensor:
    """``(f_i + g_j - |x_i - y_j|^2) / epsilon``, ``(n, m)``."""
    # One product of augmented points: (2 x / e, (f - |x|^2) / e, 1) . (y, 1, (g - |y|^2) / e).
    left = torch.cat(
        (
            x * (2 / epsilon),
            ((f - squared_norms(x)) / epsilon)[:, None],
            torch.ones_like(x[:, :1]),
        ),
        1,
    )
    right = torch.cat(
        (y, torch.ones_like(y[:, :1]), ((g - squared_norms(y)) / epsilon)[:, None]), dim=1
    )
    return left @ right.T


def log_domain_step(
    x: Tensor, y: Tensor, g: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One iteration in the log domain: safe from any finite ``g``.

    Afterwards every column of the kernel has mean one, and no row has less than 1 / m of that.
    """
    exponents = exponents_of(x, y, torch.zeros_like(x[:, 0]), g, epsilon)
    row = math.log(len(y)) - _log_sum_exp(exponents, dim=1)
    exponents += row[:, None]
    column = math.log(len(x)) - _log_sum_exp(exponents, dim=0)
    exponents += column
    kernel = exponents.clamp_(min=floor_of(x)).exp_()
    return row * epsilon, g + epsilon * column, kernel


def _log_sum_exp(exponents: Tensor, *, dim: int) -> Tensor:
    # As torch.logsumexp, but ten times faster where most terms underflow.
    largest = exponents.amax(dim=dim, keepdim=True)
    terms = (exponents - largest).clamp_(min=floor_of(exponents)).exp_()
    return largest.squeeze(dim) + terms.sum(dim=dim).log_()


def floor_of(x: Tensor) -> float:
    """Smallest exponent kept in a kernel of this dtype."""
    return _FLOOR * math.log(torch.finfo(x.dtype).tiny)


def widest_of(x: Tensor) -> float:
    """Largest ``|log u|`` that a kernel of this dtype is scaled by before absorption."""
    return -_SPREAD * math.log(torch.finfo(x.dtype).tiny)


def squared_norms(x: Tensor) -> Tensor:
    """``|x_i|^2``, ``(n, d) -> (n,)``."""
    return x.square().sum(dim=1)
